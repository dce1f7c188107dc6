"""Feed benchmark: frames decoded, conflated and published per CPU second, compared with ccxt.pro."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings

from benchmarks.fanout import Print
from benchmarks.processes import Bench
from benchmarks.report import Options, Row, document, median_of, ratio

DEFAULTS = Options(seconds=1.0, clients=0, topics=0, rate=0.0, runs=3)
FRAMES_PER_SECOND = 10_000
TIMEOUT_SECONDS = 300.0
COLUMNS = ("name", "scenario", "deliveries_per_cpu_s", "us_per_message", "p50_ms", "p99_ms", "lost", "rss_mb")
NOTES = (
    "deliveries: frames of the venue's stream; p50 and p99 are of one batch, which is what comes between two "
    "flushes (a simulated block of 100 ms, or one recorded frame)",
    "every book, tape and candle is watched; `lost` counts frames that were not understood",
    "ccxt.pro is given text, we bytes; neither reads a socket. It is compared on the channels that it handles",
    "simulator: frames encoded for one reader of everything in a market with twenty times the usual trading",
)


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Measure all rows in each run; medians over the runs. Options clients, topics and peers do not apply."""
    rows: list[Row] = []
    notes: list[str] = []
    job = {
        "seconds": options.seconds,
        "frames": int(options.seconds * FRAMES_PER_SECOND),
        "data": str(settings.RECORDINGS_DIR),
    }
    for number in range(options.runs):
        say(f"run {number + 1}/{options.runs}")
        with bench.python("feed", "-m", "benchmarks.feed_worker", core=bench.cores.server) as worker:
            worker.send(job)
            result = worker.receive(TIMEOUT_SECONDS + 20 * options.seconds)
        rows += result["rows"]
        notes += result["notes"]
    results = _medians(rows)
    return document("feed", asdict(options), results, ratios(results), [*NOTES, *notes])


def _medians(rows: Sequence[Row]) -> list[Row]:
    keys = dict.fromkeys((row["name"], row["scenario"]) for row in rows)
    groups = [[row for row in rows if (row["name"], row["scenario"]) == key] for key in keys]
    return [{**median_of(group), "runs": len(group)} for group in groups]


def ratios(results: Sequence[Row]) -> dict[str, Any]:
    """{"ccxt.pro": {"deliveries": of the first capture, and one value per capture}}: ours divided by theirs."""
    speed = {(row["name"], row["scenario"]): row["deliveries_per_cpu_s"] for row in results}
    by = {
        scenario: ratio(speed.get(("cryptotrade", scenario)), reference)
        for (name, scenario), reference in speed.items()
        if name == "ccxt.pro"
    }
    return {"ccxt.pro": {"deliveries": next(iter(by.values())), **by}} if by else {}
