"""Numbers out of many: latency histograms, medians over runs, ratios. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

BUCKET_NS = 10_000


class Histogram:
    """Times in buckets of 10 µs, so that a million of them cost little and none is left out."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, nanoseconds: int, times: int = 1) -> None:
        self._counts[nanoseconds // BUCKET_NS] += times

    def percentiles(self, quantiles: Iterable[float]) -> list[float | None]:
        """The smallest time that at least this share lies at or below, in ms, for each of rising quantiles.

        None for each when there is nothing.
        """
        total = self._counts.total()
        if not total:
            return [None for _ in quantiles]
        found: list[float | None] = []
        wanted = list(quantiles)
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            while len(found) < len(wanted) and seen >= wanted[len(found)] * total:
                found.append((bucket + 1) * BUCKET_NS / 1e6)
        return found


def median_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row for many of the same shape: medians of numbers, any() of flags, else the first."""
    return {key: _middle([row[key] for row in rows]) for key in rows[0]}


def _middle(values: Sequence[Any]) -> Any:
    if any(isinstance(value, bool) for value in values):
        return any(values)
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers:
        return values[0]
    middle = median(numbers)
    return int(middle) if all(isinstance(number, int) for number in numbers) else round(middle, 4)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Ours by theirs; None when either is missing."""
    return round(ours / theirs, 3) if ours and theirs else None
