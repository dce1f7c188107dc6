"""How many built-in bots one core carries: a real supervisor on a core of its own, everything else on the other."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace

from cryptotrade.bench.bots_feed import WIDTH
from cryptotrade.bench.fanout import Say
from cryptotrade.bench.options import Options
from cryptotrade.bench.processes import Bench, BenchError, Child, cpu_ns, pause, rss_mb
from cryptotrade.bench.report import Row, document
from cryptotrade.embedded import EmbeddedPostgres, services_at

DEFAULTS = Options(seconds=30.0, clients=500, topics=50, rate=10.0, runs=1)
START_SECONDS, PATIENCE = 120.0, 900.0
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
    "p50, p99, max: from a tick heard to the decision made, for every tick; to 1 ms, rounded up",
    f"a window of {WITH_CLOSE_SECONDS:g} s or more has the close of a candle in its middle, for all bots at once",
    "stored: the same until the transaction of a decision that had to be stored was committed",
    "least: the bot that got the fewest ticks; core: share of one core that the supervisor used",
    f"fits: p99 below {P99_MS:g} ms, and no bot got less than {TICKS_SHARE:.0%} of its ticks",
)


def run(bench: Bench, options: Options, say: Say) -> Row:
    """One measurement for each of `runs`. Raises `BenchError` when the bots did not fit."""
    rows = [_measured(bench, options, say, number) for number in range(options.runs)]
    if not all(row["fits"] for row in rows):
        raise BenchError(f"{options.clients} bots do not fit on this core: {rows}")
    return document("bots", asdict(options), rows, {}, NOTES)


def find(options: Options, say: Say) -> Row:
    """Twice as many bots again and again, until they do not fit; that row is the last."""
    rows: list[Row] = []
    while not rows or rows[-1]["fits"]:
        with Bench() as bench:
            rows.append(_measured(bench, options, say, 0))
        options = replace(options, clients=2 * options.clients)
    return document("bots", asdict(options), rows, {}, NOTES)


def _measured(bench: Bench, options: Options, say: Say, number: int) -> Row:
    with ExitStack() as stack:
        stack.enter_context(_on_core(bench.cores.load))
        environment = stack.enter_context(_services(bench, number))
        market = {"instruments": options.topics, "rate": options.rate}
        world = _child(stack, bench, environment, "bots_setup", bench.cores.load)
        say(f"{options.clients} bots are made")
        world.tell({"bots": options.clients, **market})
        world.hear(PATIENCE)
        _child(stack, bench, environment, "bots_feed", bench.cores.load).tell(market)
        work = _child(stack, bench, environment, "bots_worker", bench.cores.server)
        work.hear(START_SECONDS)
        pause(SETTLE_SECONDS)
        empty = rss_mb(work.pid)
        say("they start")
        world.tell({"start": True})
        world.hear(PATIENCE)
        pause(SETTLE_SECONDS)
        if options.seconds >= WITH_CLOSE_SECONDS:
            say("the close of a candle is waited for, up to five minutes")
            pause(lead(time.time(), options.seconds))
        say(f"{options.seconds:g} s are measured")
        return _window(work, options, empty)


def _window(work: Child, options: Options, empty: float) -> Row:
    work.tell({"measure": True})
    before = cpu_ns(work.pid)
    pause(options.seconds)
    cpu = (cpu_ns(work.pid) - before) / 1e9 / options.seconds
    work.tell({"measure": False})
    told = work.hear(PATIENCE)
    least = told["least"] / options.seconds
    row = {
        "name": "cryptotrade",
        "bots": options.clients,
        "ticks_per_bot_s": round(told["ticks"] / options.clients / options.seconds, 2),
        "least_per_bot_s": round(least if told["bots"] == options.clients else 0.0, 2),
        **{
            key: told[key]
            for key in ("p50_ms", "p99_ms", "max_ms", "stored_p50_ms", "stored_p99_ms", "commit_p50_ms")
        },
        "stored_per_s": round(told["stored"] / options.seconds, 1),
        "core": round(cpu, 3),
        "kb_per_bot": round(1000 * (rss_mb(work.pid) - empty) / options.clients, 1),
    }
    enough = row["least_per_bot_s"] >= TICKS_SHARE * options.rate
    return {**row, "fits": enough and row["p99_ms"] is not None and row["p99_ms"] < P99_MS}


def lead(now: float, seconds: float) -> float:
    """How long to wait (s) for a window of `seconds` in whose middle a candle closes; `now` is Unix time."""
    width = WIDTH / 1000
    return (width - now % width - seconds / 2) % width


@contextmanager
def _on_core(core: int | None) -> Iterator[None]:
    """For us and for what we start without saying where: PostgreSQL."""
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
    """The environment of a house with a fresh database."""
    bench.folder.chmod(0o755)  # PostgreSQL may run as another user
    var = bench.folder / f"bots-{number}"
    var.mkdir(mode=0o755)
    postgres = EmbeddedPostgres(var)
    postgres.start()
    try:
        yield {
            **bench.environment,
            "DATABASE_URL": services_at(var).database_url,
            "VENUES": "simulator",
            "ORDERS_PER_MINUTE": "100000000",
        }
    finally:
        postgres.stop()


def _child(
    stack: ExitStack, bench: Bench, environment: dict[str, str], module: str, core: int | None
) -> Child:
    command = [sys.executable, "-m", f"cryptotrade.bench.{module}"]
    return stack.enter_context(bench.child(module, command, core=core, environment=environment))
