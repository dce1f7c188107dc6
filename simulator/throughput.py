"""Throughput measurement of the simulator core, without sockets, for the benchmark."""

import time
from dataclasses import dataclass, replace
from typing import Any

import orjson

from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.limits import LENIENT, ClientLimits
from simulator.hyperliquid.streams import Session, Streams
from simulator.markets.universe import UNIVERSE
from simulator.markets.world import World

START = 1_763_650_000_000
BLOCK_MS = 100
TIME_SCALE = 20.0  # multiple of the usual trades per second


@dataclass(frozen=True)
class Throughput:
    """Per second of one core: market events (trades and quote changes) and encoded frames."""

    events: float
    trades: float
    frames: float
    market_seconds: float  # simulated per CPU second


def simulator_throughput(seconds: float, time_scale: float = TIME_SCALE) -> float:
    """Events per CPU second of a busy market with a subscriber on every stream."""
    return simulator_measure(seconds, time_scale).events


def simulator_measure(seconds: float, time_scale: float = TIME_SCALE) -> Throughput:
    """Run a market with `time_scale` times the usual trading for `seconds` of CPU time."""
    listings = tuple(replace(listing, rate=listing.rate * time_scale) for listing in UNIVERSE)
    world = World(seed=1, now=START, listings=listings)
    streams = Streams(world, LENIENT, Faults(world))
    session = Session(lambda _frame: None, ClientLimits(), START)
    streams.open(session)
    for subscription in _all_subscriptions(world):
        request = orjson.dumps({"method": "subscribe", "subscription": subscription}).decode()
        streams.receive(session, request, START)
    now = START
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        now += BLOCK_MS
        streams.publish(world.step(now), now)
    return Throughput(
        events=(world.trades + world.quotes) / spent,
        trades=world.trades / spent,
        frames=streams.frames / spent,
        market_seconds=(now - START) / 1000 / spent,
    )


def _all_subscriptions(world: World) -> list[dict[str, Any]]:
    per_coin = [
        {"type": kind, "coin": coin} for coin in world.markets for kind in ("bbo", "trades", "activeAssetCtx")
    ]
    candles = [{"type": "candle", "coin": coin, "interval": "1m"} for coin in world.markets]
    books = [{"type": "l2Book", "coin": coin, "fast": True} for coin in world.markets]
    return [{"type": "allMids"}, *per_coin, *candles, *books]
