"""Tick-to-order benchmark: CPU time from a venue frame to the signed bytes of an order."""

from dataclasses import asdict

from benchmarks.fanout import Print
from benchmarks.processes import Bench
from benchmarks.report import Options, Row, document, median_of, ratio

DEFAULTS = Options(seconds=3.0, clients=0, topics=0, rate=0.0, runs=3)
TIMEOUT_SECONDS = 120.0
COLUMNS = ("name", "requests", "p50_us", "p99_us", "cpu_us")
NOTES = (
    "cryptotrade: decode the frame, keep the quote, price a market order from it, the whole risk check, the action, "
    "its digest, the signature, the body as bytes; no socket, no database",
    "sdk: the official SDK's part of it only: wire form, digest and signature of the same order",
    "every frame changes the price, so nothing can be cached; times are wall clock, "
    "cpu is the mean of the process's own",
)


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Medians over the runs. Clients, topics and peers do not apply."""
    rows: list[Row] = []
    for number in range(options.runs):
        say(f"run {number + 1}/{options.runs}")
        command = ("-m", "benchmarks.tick_to_order_worker")
        with bench.python("tick-to-order", *command, core=bench.cores.server) as work:
            work.send({"seconds": options.seconds})
            rows += work.receive(TIMEOUT_SECONDS)["rows"]
    results = [median_of([row for row in rows if row["name"] == name]) for name in ("cryptotrade", "sdk")]
    by = {"p50": ratio(results[0]["p50_us"], results[1]["p50_us"])}
    return document("tick-to-order", asdict(options), results, {"sdk signing alone, time": by}, NOTES)
