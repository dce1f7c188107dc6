"""Stream faults: clients get every update in sequence after Redis or web process failures."""

import contextlib
import os
import signal

import pytest
import redis as redis_sync
from websockets.asyncio.client import connect

from cryptotrade.embedded import EmbeddedRedis
from market.hub import Publisher
from tests.stream.conftest import Stream
from tests.stream.server import ServerThread

LIVE = {"status": "live", "age_ms": 1}


@pytest.fixture
def own_redis(settings, tmp_path_factory):
    """A separate Redis that the test may kill."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("r"))
    server.start()
    url = f"unix://{server.socket}"
    settings.REDIS_URL = url
    stream = settings.CHANNEL_LAYERS["stream"]
    stream = {**stream, "CONFIG": {**stream["CONFIG"], "hosts": [url]}}
    settings.CHANNEL_LAYERS = {**settings.CHANNEL_LAYERS, "stream": stream}
    yield server
    server.stop()


async def _offer(feed, last):
    """Queue a price and flush; True when the flush reached Redis."""
    feed.queue_ticks({"BTC": {"last": str(last), "t": last}})
    with contextlib.suppress(redis_sync.RedisError, OSError):
        await feed.flush(**LIVE)
        return True
    return False


async def test_a_redis_that_is_killed_costs_seconds_and_no_update(own_redis, db):
    feed = Publisher("hyperliquid-sim", epoch=3, simulated=True)
    feed.symbols(["BTC"])
    assert await _offer(feed, 1)
    with ServerThread() as server:
        socket = await connect(server.stream_url, compression=None)
        stream = Stream(socket)
        ok = await stream.ok("ticks.hyperliquid-sim")
        os.kill(own_redis.pid, signal.SIGKILL)
        own_redis.process.wait()
        assert not await _offer(feed, 2)
        await stream.ok("venues")
        await stream.until(lambda f: f["op"] == "push" and '"late"' in str(f["m"]).replace("'", '"'), 10)
        own_redis.start()
        seen, last, price = ok["seq"], 2, ok["snapshot"]["BTC"]["last"]
        while price != "9":
            last = min(last + 1, 9)
            await _offer(feed, last)
            frame = await stream.next(20)
            for number, first, to, body in frame.get("m", []):
                if number == ok["id"]:
                    assert first == seen + 1
                    seen, price = to, body["BTC"]["last"]
        await socket.close()
    await feed.close()


async def test_two_web_processes_serve_the_same_numbers(db):
    feed = Publisher("hyperliquid-sim", epoch=3, simulated=True)
    feed.symbols(["BTC"])
    await _offer(feed, 1)
    with ServerThread() as one, ServerThread() as two:
        sockets = [await connect(server.stream_url, compression=None) for server in (one, two)]
        streams = [Stream(socket) for socket in sockets]
        answers = [await stream.ok("ticks.hyperliquid-sim") for stream in streams]
        assert {(a["epoch"], a["seq"], a["snapshot"]["BTC"]["last"]) for a in answers} == {(3, 1, "1")}
        await _offer(feed, 2)
        pushes = [await stream.push(a["id"]) for stream, a in zip(streams, answers, strict=True)]
        assert pushes[0] == pushes[1] == [2, 2, {"BTC": {"last": "2", "t": 2}}]
        for socket in sockets:
            await socket.close()
    await feed.close()


async def test_a_client_that_moves_to_another_process_goes_on_where_it_was(db):
    feed = Publisher("hyperliquid-sim", epoch=3, simulated=True)
    feed.symbols(["BTC"])
    feed.queue_trades("BTC", [["1", "1", "buy", n, str(n)] for n in range(4)])
    await feed.flush(**LIVE)
    with ServerThread() as one:
        socket = await connect(one.stream_url, compression=None)
        ok = await Stream(socket).ok("trades.hyperliquid-sim.BTC")
        await socket.close()
    feed.queue_trades("BTC", [["1", "1", "buy", n, str(n)] for n in range(4, 6)])
    await feed.flush(**LIVE)
    with ServerThread() as two:
        socket = await connect(two.stream_url, compression=None)
        again = await Stream(socket).ok("trades.hyperliquid-sim.BTC", epoch=ok["epoch"], seq=ok["seq"])
        assert (again["recovered"], [item[4] for item in again["snapshot"]]) == (True, ["4", "5"])
        await socket.close()
    await feed.close()
