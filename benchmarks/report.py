"""Options of a benchmark, statistics of its samples, result documents and tables."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.processes import machine

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


@dataclass(frozen=True)
class Options:
    """Options of a benchmark. `peers` None: all peers that can run on this machine."""

    seconds: float
    clients: int
    topics: int
    rate: float
    runs: int
    peers: tuple[str, ...] | None = None

    def overridden(self, overrides: dict[str, Any]) -> "Options":
        """These options, overridden by the given ones that are not None."""
        return replace(self, **{key: value for key, value in overrides.items() if value is not None})


Row = dict[str, Any]
ABSENT = "–"


def document(
    benchmark: str, parameters: Mapping[str, Any], results: Sequence[Row], ratios: Any, notes: Iterable[str]
) -> Row:
    """Result document, printed with `--json` and saved in `var/bench/`."""
    return {
        "benchmark": benchmark,
        "parameters": dict(parameters),
        "machine": machine(),
        "results": list(results),
        "ratios": ratios,
        "notes": list(dict.fromkeys(notes)),
    }


def merge_documents(documents: Sequence[Row]) -> Row:
    """Merge several documents into one."""
    return {
        "benchmark": "all",
        "parameters": {result["benchmark"]: result["parameters"] for result in documents},
        "machine": documents[0]["machine"],
        "results": [
            {"benchmark": result["benchmark"], **row} for result in documents for row in result["results"]
        ],
        "ratios": {result["benchmark"]: result["ratios"] for result in documents},
        "notes": [f"{result['benchmark']}: {note}" for result in documents for note in result["notes"]],
    }


def save(folder: Path, result: Row) -> Path:
    """Write the document to `<folder>/<name>-<time>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['benchmark']}-{time.strftime('%Y%m%dT%H%M%S')}.json"
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    return path


def table(result: Row, columns: Sequence[str]) -> str:
    """Text table of the results, followed by ratios and notes."""
    rows = [[_cell(row.get(column)) for column in columns] for row in result["results"]]
    headers = [column.replace("_per_cpu_s", "/cpu-s") for column in columns]
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    lines = [_line(cells, widths) for cells in [headers, *rows]]
    ratios = [
        f"  cryptotrade : {peer} = {orjson.dumps(by).decode()}" for peer, by in result["ratios"].items()
    ]
    notes = [f"  * {note}" for note in result["notes"]]
    return "\n".join([f"== {result['benchmark']} ==", *lines, *ratios, *notes])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([first.strip().ljust(widths[0]), *others])


def _cell(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "YES" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return str(value)
