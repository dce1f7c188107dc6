"""Result documents and tables."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.processes import machine

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
