"""Fixtures: a small world with a fake clock, and a running simulator for blocking clients."""

import asyncio
import json
import threading

import pytest

from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.limits import LENIENT, ClientLimits
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from simulator.hyperliquid.streams import Session, Streams
from simulator.markets.universe import UNIVERSE
from simulator.markets.world import World
from tests.simulator.control import CONTROL_TOKEN

NOW = 1_763_650_000_000  # 2025-11-20 14:46:40 UTC
FEW = ("BTC", "ETH", "DOGE", "PURR/USDC", "@107", "HYPE")


def listings_of(*coins):
    return tuple(listing for listing in UNIVERSE if listing.coin in coins)


def small_world(now=NOW, seed=3, coins=FEW, **options):
    return World(seed=seed, now=now, listings=listings_of(*coins), **options)


@pytest.fixture
def world():
    return small_world()


class StreamClient:
    """Streams of a venue with one session and a fake clock."""

    def __init__(self, limits=LENIENT):
        self.world = small_world()
        self.faults = Faults(self.world)
        self.streams = Streams(self.world, limits, self.faults)
        self.raw = []
        self.account = ClientLimits()
        self.session = Session(self.raw.append, self.account, NOW)
        self.streams.open(self.session)

    @property
    def now(self):
        return self.world.now

    def say(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        self.streams.receive(self.session, text, self.now)
        return self.received()

    def subscribe(self, **subscription):
        return self.say({"method": "subscribe", "subscription": subscription})

    def received(self):
        frames = [json.loads(frame) for frame in self.raw]
        self.raw.clear()
        return frames

    def run(self, seconds):
        for _ in range(int(seconds * 10)):
            self.streams.publish(self.world.step(self.now + 100), self.now)
        return self.received()


def channels(frames):
    return [frame["channel"] for frame in frames]


class Running:
    """A simulator with a thread and an event loop of its own."""

    def __init__(self, world, **config):
        self._config = Config(**{"port": 0, "control_port": 0, "control_token": CONTROL_TOKEN, **config})
        self.simulator = None
        self._world = world
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    async def _main(self):
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.simulator = Simulator(self._world, self._config)
        await self.simulator.start()
        self._ready.set()
        await self._stop.wait()
        await self.simulator.stop()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(60)
        self.url = f"http://127.0.0.1:{self.simulator.port}"
        self.control_url = f"http://127.0.0.1:{self.simulator.control_port}"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def venue():
    """A running simulator with the whole universe."""
    with Running(World(seed=3, now=wall_clock())) as running:
        yield running
