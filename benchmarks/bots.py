"""Bots benchmark: how many built-in bots one core can run. The supervisor has a core of its own."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace

from benchmarks.bots_feed import WIDTH
from benchmarks.fanout import Print
from benchmarks.processes import Bench, BenchError, Child, cpu_ns, pause, rss_mb
from benchmarks.report import Options, Row, document
from cryptotrade.embedded import EmbeddedPostgres, services_at

DEFAULTS = Options(seconds=30.0, clients=500, topics=50, rate=10.0, runs=1)
START_SECONDS, RESPONSE_TIMEOUT = 120.0, 900.0
SETTLE_SECONDS = 5.0
WITH_CLOSE_SECONDS = 20.0
P99_MS, TICKS_SHARE = 50.0, 0.9
COLUMNS = (
    "name", "bots", "ticks_per_bot_s", "least_per_bot_s", "p50_ms", "p99_ms", "max_ms", "stored_p50_ms",
    "stored_p99_ms", "stored_per_s", "core", "kb_per_bot", "fits",
)  # fmt: skip
NOTES = (
    "clients are bots, topics instruments; rate is how often each instrument's price changes in a second",
    "three of four bots are AS grids, the others classic grids, with the inputs of a new one; prices walk at 50 % "
    "a year, orders are accepted, moved, cancelled and filled where the price crosses them",
    "p50, p99, max: from the receipt of a tick to the decision, for every tick; rounded up to 1 ms",
    f"a window of {WITH_CLOSE_SECONDS:g} s or more has a candle close in its middle, for all bots at once",
    "stored: from the receipt of a tick to the commit of a decision that had to be stored",
    "least: ticks of the bot with the fewest; core: CPU of the supervisor, as a share of one core",
    f"fits: p99 below {P99_MS:g} ms, and no bot received less than {TICKS_SHARE:.0%} of its ticks",
)


def run(bench: Bench, options: Options, say: Print) -> Row:
    """`runs` measurements. Raises `BenchError` when the bots did not fit on the core."""
    rows = [_measure(bench, options, say, number) for number in range(options.runs)]
    if not all(row["fits"] for row in rows):
        raise BenchError(f"{options.clients} bots do not fit on this core: {rows}")
    return document("bots", asdict(options), rows, {}, NOTES)


def find(options: Options, say: Print) -> Row:
    """Double the number of bots until they do not fit; the last row is the first that did not."""
    rows: list[Row] = []
    while not rows or rows[-1]["fits"]:
        with Bench() as bench:
            rows.append(_measure(bench, options, say, 0))
        options = replace(options, clients=2 * options.clients)
    return document("bots", asdict(options), rows, {}, NOTES)


def _measure(bench: Bench, options: Options, say: Print, number: int) -> Row:
    with ExitStack() as stack:
        stack.enter_context(_on_core(bench.cores.load))
        environment = stack.enter_context(_services(bench, number))
        market = {"instruments": options.topics, "rate": options.rate}
        setup = _child(stack, bench, environment, "bots_setup", bench.cores.load)
        say(f"creating {options.clients} bots")
        setup.send({"bots": options.clients, **market})
        setup.receive(RESPONSE_TIMEOUT)
        _child(stack, bench, environment, "bots_feed", bench.cores.load).send(market)
        worker = _child(stack, bench, environment, "bots_worker", bench.cores.server)
        worker.receive(START_SECONDS)
        pause(SETTLE_SECONDS)
        empty = rss_mb(worker.pid)
        say("starting the bots")
        setup.send({"start": True})
        setup.receive(RESPONSE_TIMEOUT)
        pause(SETTLE_SECONDS)
        if options.seconds >= WITH_CLOSE_SECONDS:
            say("waiting for a candle close, up to five minutes")
            pause(wait_before_window(time.time(), options.seconds))
        say(f"measuring for {options.seconds:g} s")
        return _window(worker, options, empty)


def _window(worker: Child, options: Options, empty: float) -> Row:
    worker.send({"measure": True})
    before = cpu_ns(worker.pid)
    pause(options.seconds)
    cpu = (cpu_ns(worker.pid) - before) / 1e9 / options.seconds
    worker.send({"measure": False})
    result = worker.receive(RESPONSE_TIMEOUT)
    least = result["least"] / options.seconds
    row = {
        "name": "cryptotrade",
        "bots": options.clients,
        "ticks_per_bot_s": round(result["ticks"] / options.clients / options.seconds, 2),
        "least_per_bot_s": round(least if result["bots"] == options.clients else 0.0, 2),
        **{
            key: result[key]
            for key in ("p50_ms", "p99_ms", "max_ms", "stored_p50_ms", "stored_p99_ms", "commit_p50_ms")
        },
        "stored_per_s": round(result["stored"] / options.seconds, 1),
        "core": round(cpu, 3),
        "kb_per_bot": round(1000 * (rss_mb(worker.pid) - empty) / options.clients, 1),
    }
    enough = row["least_per_bot_s"] >= TICKS_SHARE * options.rate
    return {**row, "fits": enough and row["p99_ms"] is not None and row["p99_ms"] < P99_MS}


def wait_before_window(now: float, seconds: float) -> float:
    """Seconds to wait so that a candle closes in the middle of a window of `seconds`; `now` is Unix time."""
    width = WIDTH / 1000
    return (width - now % width - seconds / 2) % width


@contextmanager
def _on_core(core: int | None) -> Iterator[None]:
    """Pin this process, and the children that it starts without a core (PostgreSQL)."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _services(bench: Bench, number: int) -> Iterator[dict[str, str]]:
    """Start PostgreSQL with a new database; yields the environment for processes that use it."""
    var = bench.folder / f"bots-{number}"
    var.mkdir(mode=0o755)
    postgres = EmbeddedPostgres(var)
    postgres.start()
    try:
        yield {
            **bench.environment,
            "DATABASE_URL": services_at(var).database_url,
            "VENUES": "hyperliquid-sim",
            "MAX_ORDERS_PER_MINUTE": "100000000",
        }
    finally:
        postgres.stop()


def _child(
    stack: ExitStack, bench: Bench, environment: dict[str, str], module: str, core: int | None
) -> Child:
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    return stack.enter_context(bench.child(module, command, core=core, environment=environment))
