"""Statistics: latency histograms, medians over runs, ratios. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

BUCKET_NS = 10_000


class Histogram:
    """Histogram of times in buckets of 10 µs: constant cost per time, without sampling."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, nanoseconds: int, times: int = 1) -> None:
        self._counts[nanoseconds // BUCKET_NS] += times

    def percentiles(self, quantiles: Iterable[float]) -> list[float | None]:
        """For each of ascending quantiles, the smallest time in ms with at least that share at or below it.

        None for each when the histogram is empty.
        """
        total = self._counts.total()
        if not total:
            return [None for _ in quantiles]
        found: list[float | None] = []
        targets = list(quantiles)
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            while len(found) < len(targets) and seen >= targets[len(found)] * total:
                found.append((bucket + 1) * BUCKET_NS / 1e6)
        return found


def median_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge rows of the same shape: median of numbers, any() of flags, otherwise the first value."""
    return {key: _median([row[key] for row in rows]) for key in rows[0]}


def _median(values: Sequence[Any]) -> Any:
    if any(isinstance(value, bool) for value in values):
        return any(values)
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers:
        return values[0]
    value = median(numbers)
    return int(value) if all(isinstance(number, int) for number in numbers) else round(value, 4)


def ratio(value: float | None, reference: float | None) -> float | None:
    """Our value divided by the peer's; None when either is missing."""
    return round(value / reference, 3) if value and reference else None
