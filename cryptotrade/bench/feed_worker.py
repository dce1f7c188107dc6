"""The work that `feed` measures, in a process of its own. `python -m cryptotrade.bench.feed_worker`

Reads an `Order`, says one JSON document: rows, and notes on what could not be measured.
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

from cryptotrade.bench.captures import Capture, Venue, recorded
from cryptotrade.bench.load_client import QUANTILES
from cryptotrade.bench.stats import Histogram

Step = Callable[[Iterable[bytes]], Awaitable[int]]  # a batch in; how many frames were not understood
Prepare = Callable[[], Awaitable[Step]]
CCXT_CHANNELS = frozenset({"trades", "l2Book", "candle", "allMids", "activeAssetCtx"})


@dataclass(frozen=True)
class Order:
    """At least `seconds` of CPU for each row; `frames` to be made; `data`: folder of recordings."""

    seconds: float
    frames: int
    data: str


async def measured(name: str, capture: Capture, prepare: Prepare, seconds: float) -> dict[str, Any]:
    """Whole passes over the capture, each with everything new, until that much CPU was spent."""
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


# --- ours --------------------------------------------------------------------------------------------
class _Nobody:
    """A publisher without Redis, for what happens before it."""

    venue = "simulator"

    def _ignore(self, *args: Any) -> None:
        """Nobody is told."""

    symbols = forget = offer_ticks = offer_book = offer_candle = offer_trades = _ignore


def _session() -> Any:
    from market.domain.session import Session
    from market.domain.subscriptions import Pace
    from market.venues.hyperliquid.client import LIMITS
    from market.venues.hyperliquid.codec import HyperliquidCodec

    session = Session(HyperliquidCodec(), LIMITS, Pace(LIMITS))
    session.connected(0.0)
    return session


def _desk(venue: Venue, publisher: Any) -> Any:
    """Everything is watched: every book, tape and candle is kept and handed on."""
    from market.feed.aggregator import Desk

    desk = Desk(publisher, store_trades=False)
    desk.announce(venue.instruments())
    desk.connected()
    for symbol in desk.symbols:
        desk.heal(symbol, [], 0)
    kinds = ("book.{}.{}", "trades.{}.{}", "candles.{}.{}.1m")
    desk.watch(kind.format(publisher.venue, symbol) for kind in kinds for symbol in desk.symbols)
    for symbol in desk.symbols:
        desk.fill(symbol, [])
    return desk


def _take(session: Any, desk: Any, batch: Iterable[bytes]) -> int:
    from market.domain.session import Undecodable

    lost = 0
    for frame in batch:
        for event in session.receive(frame, 0.0):
            if isinstance(event, Undecodable):
                lost += 1
            else:
                desk.event(event)
    desk.offer()
    return lost


def our_decoding(venue: Venue) -> Prepare:
    """Session, codec and conflation."""

    async def prepare() -> Step:
        session, desk = _session(), _desk(venue, _Nobody())

        async def step(batch: Iterable[bytes]) -> int:
            return _take(session, desk, batch)

        return step

    return prepare


def our_publishing(venue: Venue) -> Prepare:
    """The same, and a flush into Redis after each batch."""

    async def prepare() -> Step:
        from market.hub import Publisher

        publisher = Publisher("simulator", time.time_ns() // 1000, simulated=True)
        session, desk = _session(), _desk(venue, publisher)

        async def step(batch: Iterable[bytes]) -> int:
            lost = _take(session, desk, batch)
            await publisher.flush(status="live", age_ms=0)
            return lost

        return step

    return prepare


# --- ccxt.pro ------------------------------------------------------------------------------------------
def ccxt_decoding(venue: Venue, exchanges: list[Any]) -> Prepare:
    """What ccxt.pro does with a text frame once its socket has it. It opens none here."""
    import ccxt.pro

    async def answer(request: Mapping[str, Any], *_: Any) -> Any:
        return venue.ask(dict(request))

    async def prepare() -> Step:
        exchange = ccxt.pro.hyperliquid({"enableRateLimit": False})
        exchanges.append(exchange)
        exchange.publicPostInfo = answer
        await exchange.load_markets()
        client = exchange.client("ws://127.0.0.1/")

        async def step(batch: Iterable[bytes]) -> int:
            for frame in batch:
                client.handle_text_or_binary_message(frame.decode())
            return 0

        return step

    return prepare


async def with_ccxt(venue: Venue, capture: Capture, seconds: float) -> dict[str, Any]:
    exchanges: list[Any] = []
    try:
        return await measured("ccxt.pro", capture, ccxt_decoding(venue, exchanges), seconds)
    finally:
        for exchange in exchanges:
            await exchange.close()


# --- all -----------------------------------------------------------------------------------------------
def simulator_row(seconds: float) -> dict[str, Any]:
    from market.simulator.throughput import simulator_measure

    found = simulator_measure(seconds)
    return {
        "name": "simulator",
        "scenario": "busy market",
        "deliveries_per_cpu_s": round(found.frames),
        "updates_per_cpu_s": round(found.events),
        "us_per_message": round(1e6 / found.frames, 2),
        **dict.fromkeys(("p50_ms", "p99_ms", "p999_ms")),
        "lost": 0,
        "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
        "messages": round(found.frames * seconds),
    }


async def rows(order: Order) -> dict[str, Any]:
    venue = Venue()
    captures = [venue.listen(order.frames)]
    notes = []
    if real := recorded(Path(order.data)):
        captures.append(real)
    else:
        notes.append("recorded: skipped, no recordings beside the project")
    found = []
    for capture in captures:
        common = capture.only(CCXT_CHANNELS, f"{capture.name}, ccxt's channels")
        found.append(await measured("cryptotrade", capture, our_decoding(venue), order.seconds))
        found.append(await measured("cryptotrade to Redis", capture, our_publishing(venue), order.seconds))
        found.append(await measured("cryptotrade", common, our_decoding(venue), order.seconds))
        try:
            found.append(await with_ccxt(venue, common, order.seconds))
        except ImportError:
            notes.append("ccxt.pro: skipped, it is not installed")
    return {"rows": [*found, simulator_row(order.seconds)], "notes": notes}


def main() -> None:
    order = Order(**cast("dict[str, Any]", orjson.loads(sys.stdin.buffer.readline())))
    django.setup()
    told = asyncio.run(rows(order))
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")


if __name__ == "__main__":
    main()
