"""Worker process of the feed benchmark. `python -m benchmarks.feed_worker`

Reads a `Job`, writes one JSON document: rows, and notes on what could not be measured.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import django
import orjson
import psutil

from benchmarks.captures import Capture, CaptureVenue, recorded
from benchmarks.load_client import QUANTILES
from benchmarks.report import Histogram

Step = Callable[
    [Iterable[bytes]], Awaitable[int]
]  # processes a batch; returns the number of undecodable frames
Prepare = Callable[[], Awaitable[Step]]
CCXT_CHANNELS = frozenset({"trades", "l2Book", "candle", "allMids", "activeAssetCtx"})


@dataclass(frozen=True)
class Job:
    """Parameters: minimum CPU `seconds` per row, simulated `frames`, and `data`, the folder of recordings."""

    seconds: float
    frames: int
    data: str


async def measure(name: str, capture: Capture, prepare: Prepare, seconds: float) -> dict[str, Any]:
    """Measure complete passes over the capture, each with new objects, until `seconds` of CPU were used."""
    cpu = frames = lost = 0
    batches = Histogram()
    while cpu < seconds * 1e9:
        step = await prepare()
        for batch in capture.batches:
            wall, began = time.perf_counter_ns(), time.process_time_ns()
            lost += await step(batch)
            cpu += time.process_time_ns() - began
            batches.add(time.perf_counter_ns() - wall)
        frames += capture.frames()
    p50, p99, p999 = batches.percentiles(QUANTILES)
    per_second = round(frames / cpu * 1e9)
    return {
        "name": name,
        "scenario": capture.name,
        "deliveries_per_cpu_s": per_second,
        "updates_per_cpu_s": per_second,
        "us_per_message": round(cpu / frames / 1e3, 2),
        "p50_ms": p50,
        "p99_ms": p99,
        "p999_ms": p999,
        "lost": lost,
        "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
        "messages": frames,
    }


# --- cryptotrade -------------------------------------------------------------------------------------
class _NullPublisher:
    """Publisher that discards everything, to measure the work before publishing."""

    venue = "hyperliquid-sim"

    def _ignore(self, *args: Any) -> None:
        """Discard the update."""

    symbols = forget = queue_ticks = queue_book = queue_candle = queue_trades = _ignore


def _session() -> Any:
    from market.domain.session import Session
    from market.domain.subscriptions import MessagePacer
    from market.venues.hyperliquid.client import LIMITS
    from market.venues.hyperliquid.codec import HyperliquidCodec

    session = Session(HyperliquidCodec(), LIMITS, MessagePacer(LIMITS))
    session.connected(0.0)
    return session


def _aggregator(venue: CaptureVenue, publisher: Any) -> Any:
    """Aggregator with every topic watched: all books, trades and candles are maintained and published."""
    from market.feed.aggregator import FeedAggregator

    aggregator = FeedAggregator(publisher, store_trades=False)
    aggregator.announce(venue.instruments())
    aggregator.connected()
    for symbol in aggregator.symbols:
        aggregator.backfill_candles(symbol, [], 0)
    kinds = ("book.{}.{}", "trades.{}.{}", "candles.{}.{}.1m")
    aggregator.watch(kind.format(publisher.venue, symbol) for kind in kinds for symbol in aggregator.symbols)
    for symbol in aggregator.symbols:
        aggregator.fill(symbol, [])
    return aggregator


def _process_batch(session: Any, aggregator: Any, batch: Iterable[bytes]) -> int:
    from market.domain.session import Undecodable

    lost = 0
    for frame in batch:
        for event in session.receive(frame, 0.0):
            if isinstance(event, Undecodable):
                lost += 1
            else:
                aggregator.event(event)
    aggregator.offer()
    return lost


def decoding(venue: CaptureVenue) -> Prepare:
    """Session, codec and conflation."""

    async def prepare() -> Step:
        session, aggregator = _session(), _aggregator(venue, _NullPublisher())

        async def step(batch: Iterable[bytes]) -> int:
            return _process_batch(session, aggregator, batch)

        return step

    return prepare


def publishing(venue: CaptureVenue) -> Prepare:
    """Session, codec and conflation, plus a flush into Redis after each batch."""

    async def prepare() -> Step:
        from market.hub import Publisher

        publisher = Publisher("hyperliquid-sim", time.time_ns() // 1000, simulated=True)
        session, aggregator = _session(), _aggregator(venue, publisher)

        async def step(batch: Iterable[bytes]) -> int:
            lost = _process_batch(session, aggregator, batch)
            await publisher.flush(status="live", age_ms=0)
            return lost

        return step

    return prepare


# --- ccxt.pro ------------------------------------------------------------------------------------------
def ccxt_decoding(venue: CaptureVenue, exchanges: list[Any]) -> Prepare:
    """Message handling of ccxt.pro for received text frames; no socket is opened."""
    import ccxt.pro

    async def post_info(request: Mapping[str, Any], *_: Any) -> Any:
        return venue.post_info(dict(request))

    async def prepare() -> Step:
        exchange = ccxt.pro.hyperliquid({"enableRateLimit": False})
        exchanges.append(exchange)
        exchange.publicPostInfo = post_info
        await exchange.load_markets()
        client = exchange.client("ws://127.0.0.1/")

        async def step(batch: Iterable[bytes]) -> int:
            for frame in batch:
                client.handle_text_or_binary_message(frame.decode())
            return 0

        return step

    return prepare


async def measure_ccxt(venue: CaptureVenue, capture: Capture, seconds: float) -> dict[str, Any]:
    exchanges: list[Any] = []
    try:
        return await measure("ccxt.pro", capture, ccxt_decoding(venue, exchanges), seconds)
    finally:
        for exchange in exchanges:
            await exchange.close()


# --- all -----------------------------------------------------------------------------------------------
def simulator_row(seconds: float) -> dict[str, Any]:
    from simulator.throughput import simulator_measure

    results = simulator_measure(seconds)
    return {
        "name": "hyperliquid-sim",
        "scenario": "busy market",
        "deliveries_per_cpu_s": round(results.frames),
        "updates_per_cpu_s": round(results.events),
        "us_per_message": round(1e6 / results.frames, 2),
        **dict.fromkeys(("p50_ms", "p99_ms", "p999_ms")),
        "lost": 0,
        "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
        "messages": round(results.frames * seconds),
    }


async def rows(job: Job) -> dict[str, Any]:
    venue = CaptureVenue()
    captures = [venue.capture(job.frames)]
    notes = []
    if recording := recorded(Path(job.data)):
        captures.append(recording)
    else:
        notes.append("recorded: skipped, no recordings beside the project")
    results = []
    for capture in captures:
        common = capture.only(CCXT_CHANNELS, f"{capture.name}, ccxt's channels")
        results.append(await measure("cryptotrade", capture, decoding(venue), job.seconds))
        results.append(await measure("cryptotrade to Redis", capture, publishing(venue), job.seconds))
        results.append(await measure("cryptotrade", common, decoding(venue), job.seconds))
        try:
            results.append(await measure_ccxt(venue, common, job.seconds))
        except ImportError:
            notes.append("ccxt.pro: skipped, it is not installed")
    return {"rows": [*results, simulator_row(job.seconds)], "notes": notes}


def main() -> None:
    job = Job(**cast("dict[str, Any]", orjson.loads(sys.stdin.buffer.readline())))
    django.setup()
    document = asyncio.run(rows(job))
    sys.stdout.buffer.write(orjson.dumps(document) + b"\n")


if __name__ == "__main__":
    main()
