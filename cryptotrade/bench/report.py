"""Documents and tables of results."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from cryptotrade.bench.processes import machine

Row = dict[str, Any]
ABSENT = "–"


def document(
    benchmark: str, parameters: Mapping[str, Any], results: Sequence[Row], ratios: Any, notes: Iterable[str]
) -> Row:
    """What `--json` prints and `var/bench/` keeps."""
    return {
        "benchmark": benchmark,
        "parameters": dict(parameters),
        "machine": machine(),
        "results": list(results),
        "ratios": ratios,
        "notes": list(dict.fromkeys(notes)),
    }


def together(documents: Sequence[Row]) -> Row:
    """One document of several."""
    return {
        "benchmark": "all",
        "parameters": {one["benchmark"]: one["parameters"] for one in documents},
        "machine": documents[0]["machine"],
        "results": [{"benchmark": one["benchmark"], **row} for one in documents for row in one["results"]],
        "ratios": {one["benchmark"]: one["ratios"] for one in documents},
        "notes": [f"{one['benchmark']}: {note}" for one in documents for note in one["notes"]],
    }


def keep(folder: Path, told: Row) -> Path:
    """Write the document to `<folder>/<name>-<time>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{told['benchmark']}-{time.strftime('%Y%m%dT%H%M%S')}.json"
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return path


def table(told: Row, columns: Sequence[str]) -> str:
    """The results in columns, the ratios and the notes below."""
    rows = [[_cell(row.get(column)) for column in columns] for row in told["results"]]
    heads = [column.replace("_per_cpu_s", "/cpu-s") for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [_line(cells, widths) for cells in [heads, *rows]]
    ratios = [f"  ours : {peer} = {orjson.dumps(by).decode()}" for peer, by in told["ratios"].items()]
    notes = [f"  * {note}" for note in told["notes"]]
    return "\n".join([f"== {told['benchmark']} ==", *lines, *ratios, *notes])


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
