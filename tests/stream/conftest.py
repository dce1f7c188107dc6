import asyncio
import contextlib
import itertools
import json
import time

import pytest
import redis as redis_sync
from django.conf import settings as django_settings
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from market.hub import Publisher
from tests.stream.server import ServerThread


@pytest.fixture(autouse=True)
def _empty_redis():
    client = redis_sync.Redis.from_url(django_settings.REDIS_URL)
    client.flushdb()
    client.close()


@pytest.fixture
def server(db):
    with ServerThread() as running:
        yield running


_epochs = itertools.count(1)  # unique and increasing, as the epochs of a lease


class Stream:
    """Client side of one connection: collects frames and waits for them with a deadline."""

    def __init__(self, socket):
        self.socket = socket
        self.frames = []

    async def say(self, **command):
        await self.socket.send(json.dumps(command))

    async def next(self, seconds=60.0):
        frame = json.loads(await asyncio.wait_for(self.socket.recv(), seconds))
        self.frames.append(frame)
        return frame

    async def until(self, condition, seconds=60.0):
        """The first frame for which `condition(frame)` is true."""
        deadline = time.monotonic() + seconds
        while True:
            frame = await self.next(max(0.01, deadline - time.monotonic()))
            if condition(frame):
                return frame

    async def ok(self, topic, **more):
        await self.say(op="subscribe", topic=topic, **more)
        return await self.until(lambda f: f.get("topic") == topic)

    async def push(self, number):
        """The next push element of topic number `number`: (seq_from, seq_to, body)."""
        frame = await self.until(
            lambda f: f["op"] == "push" and any(m[0] == number for m in f["m"]),
        )
        return next(m[1:] for m in frame["m"] if m[0] == number)

    async def close_code(self, seconds=60.0):
        await asyncio.wait_for(self._drain(), seconds)
        return self.socket.close_code

    async def _drain(self):
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.socket:
                self.frames.append(json.loads(frame))


@pytest.fixture
async def dial(server):
    """`stream = await dial()`: a connection that is closed at the end of the test."""
    open_sockets = []

    async def _dial(url=None, **options):
        socket = await connect(url or server.stream_url, compression=None, **options)
        open_sockets.append(socket)
        return Stream(socket)

    yield _dial
    for socket in open_sockets:
        await socket.close()


@pytest.fixture
async def feed():
    """A publisher for venue `hyperliquid-sim` with three instruments and first ticks."""
    publisher = Publisher("hyperliquid-sim", epoch=10 * next(_epochs), simulated=True)
    publisher.symbols(["BTC", "ETH", "PURR/USDC"])
    publisher.queue_ticks({"BTC": {"last": "100.0", "t": 1}, "ETH": {"last": "10.0", "t": 1}})
    await publisher.flush(status="live", age_ms=5)
    yield publisher
    await publisher.close()
