"""The server over real sockets: HTTP, websocket, limits, faults and the control plane."""

import asyncio
import json
import threading

import aiohttp
import pytest

from simulator.hyperliquid import server
from simulator.hyperliquid.limits import DOCUMENTED, LENIENT, VenueLimits
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.simulator.conftest import small_world
from tests.simulator.control import CONTROL_HEADERS, CONTROL_TOKEN

PATIENCE = 60


class Clock:
    """Wall clock that can be advanced."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return wall_clock() + self.ahead


class Client:
    def __init__(self, simulator, http, clock):
        self.simulator, self.http, self.clock = simulator, http, clock
        self.url = f"http://127.0.0.1:{simulator.port}"
        self.control = f"http://127.0.0.1:{simulator.control_port}"

    async def info(self, **request):
        async with self.http.post(f"{self.url}/info", json=request) as response:
            return response.status, await response.text()

    async def connect(self):
        return await self.http.ws_connect(f"{self.url}/ws")

    async def fault(self, **fault):
        async with self.http.post(f"{self.control}/faults", json=fault, headers=CONTROL_HEADERS) as response:
            return response.status, await response.json()

    async def state(self):
        async with self.http.get(f"{self.control}/state", headers=CONTROL_HEADERS) as response:
            return await response.json()


@pytest.fixture
def limits():
    return LENIENT


@pytest.fixture
async def client(limits):
    clock = Clock()
    simulator = Simulator(
        small_world(now=clock()),
        Config(port=0, control_port=0, control_token=CONTROL_TOKEN, limits=limits, clock=clock),
    )
    await simulator.start()
    async with aiohttp.ClientSession() as http:
        yield Client(simulator, http, clock)
    await simulator.stop()


async def subscribe(socket, **subscription):
    await socket.send_json({"method": "subscribe", "subscription": subscription})


async def received(socket, channel):
    """The next frame of that channel."""
    async with asyncio.timeout(PATIENCE):
        while True:
            frame = await socket.receive_json()
            if frame["channel"] == channel:
                return frame["data"]


async def closed(socket):
    async with asyncio.timeout(PATIENCE):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        return socket.close_code, message.type


async def test_prices_move_over_the_socket(client):
    socket = await client.connect()
    await subscribe(socket, type="bbo", coin="BTC")
    first = await received(socket, "bbo")
    second = await received(socket, "bbo")
    assert first["time"] < second["time"]
    assert first["bbo"] != second["bbo"]
    await socket.close()


async def test_a_body_that_is_not_json_is_unprocessable(client):
    for body in (b"", b"{", b"\xff\xfe", b"nonsense"):
        async with client.http.post(f"{client.url}/info", data=body) as response:
            assert response.status == 422


async def test_a_huge_body_is_refused(client):
    async with client.http.post(f"{client.url}/info", data=b"[" * 200_000) as response:
        assert response.status == 413


async def test_a_huge_or_binary_message_does_not_harm_the_others(client):
    good, bad = await client.connect(), await client.connect()
    await subscribe(good, type="bbo", coin="BTC")
    await bad.send_bytes(b"\x00" * 1000)
    await bad.send_str("x" * 200_000)
    assert (await closed(bad))[0] in (1009, 1006)
    assert await received(good, "bbo")
    assert await received(good, "bbo")
    await good.close()


async def test_both_servers_listen_on_the_loopback_only(client):
    for runner in client.simulator._runners:
        assert {address[0] for address in runner.addresses} == {"127.0.0.1"}


async def test_the_control_plane_is_not_under_the_venues_paths(client):
    async with client.http.get(f"{client.url}/state") as response:
        assert response.status == 404
    async with client.http.post(f"{client.url}/faults", json={"kind": "http_500"}) as response:
        assert response.status == 404


async def test_the_state_has_seed_time_prices_and_counters(client):
    state = await client.state()
    assert state["seed"] == 3
    assert abs(state["time"] - wall_clock()) < 60_000
    assert set(state["mids"]) == set(client.simulator.world.markets)
    assert state["counters"]["blocks"] >= 0
    assert state["followed"] == {}


# --- limits ------------------------------------------------------------------------------------
@pytest.mark.parametrize("limits", [VenueLimits(weight_per_minute=45)])
async def test_requests_over_the_weight_are_429_with_a_null_body(client):
    assert [(await client.info(type="meta"))[0] for _ in range(3)] == [200] * 3
    assert await client.info(type="meta") == (429, "null")
    client.clock.ahead = 61_000
    assert (await client.info(type="meta"))[0] == 200


@pytest.mark.parametrize("limits", [DOCUMENTED])
async def test_an_eleventh_connection_is_refused(client):
    sockets = [await client.connect() for _ in range(10)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.connect()
    assert refusal.value.status == 429
    await sockets.pop().close()
    async with asyncio.timeout(PATIENCE):
        while client.simulator.counters()["connections"] > 9:
            await asyncio.sleep(0)
    sockets.append(await client.connect())
    for socket in sockets:
        await socket.close()


@pytest.mark.parametrize("limits", [VenueLimits(connections=None, new_connections_per_minute=3)])
async def test_too_many_new_connections_in_a_minute_are_refused(client):
    for _ in range(3):
        await (await client.connect()).close()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.connect()
    client.clock.ahead = 61_000
    await (await client.connect()).close()


# --- faults ------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [1000, 1001, 1006, 1012])
async def test_disconnect_closes_with_its_code(client, code):
    socket = await client.connect()
    await subscribe(socket, type="bbo", coin="BTC")
    await received(socket, "bbo")
    assert (await client.fault(kind="disconnect", code=code))[0] == 200
    assert (await closed(socket))[0] == code
    again = await client.connect()
    await subscribe(again, type="bbo", coin="BTC")
    assert await received(again, "bbo")
    await again.close()


@pytest.mark.parametrize(("kind", "status"), [("http_429", 429), ("http_500", 500)])
async def test_http_faults_answer_null(client, kind, status):
    await client.fault(kind=kind, seconds=60)
    assert await client.info(type="allMids") == (status, "null")
    async with client.http.delete(f"{client.control}/faults", headers=CONTROL_HEADERS) as response:
        assert response.status == 200
    assert (await client.info(type="allMids"))[0] == 200


async def test_a_half_open_socket_stays_silent_and_open(client):
    socket = await client.connect()
    await subscribe(socket, type="bbo", coin="BTC")
    await received(socket, "bbo")
    await client.fault(kind="half_open", seconds=600)
    frames = client.simulator.streams.frames
    blocks = client.simulator.world.steps
    async with asyncio.timeout(PATIENCE):
        while client.simulator.world.steps < blocks + 5:
            await asyncio.sleep(0)
    assert client.simulator.streams.frames == frames
    assert not socket.closed
    client.clock.ahead = 601_000
    assert await received(socket, "bbo")
    await socket.close()


async def test_delay_holds_frames_back(client):
    socket = await client.connect()
    await subscribe(socket, type="bbo", coin="BTC")
    await received(socket, "bbo")
    await client.fault(kind="delay", ms=300, seconds=600)
    blocks = client.simulator.world.steps
    late = []
    while len(late) < 15:
        frame = await received(socket, "bbo")
        late.append(client.clock() - frame["time"])
    assert client.simulator.world.steps > blocks
    assert sorted(late)[len(late) // 2] >= 250
    await socket.close()


async def test_an_invalid_fault_is_a_400_with_a_reason(client):
    status, body = await client.fault(kind="gap", coin="NOSUCH")
    assert (status, body) == (400, {"error": "coin is not listed"})
    async with client.http.post(f"{client.control}/faults", data=b"{", headers=CONTROL_HEADERS) as response:
        assert response.status == 400


async def test_a_silent_connection_is_closed_after_a_minute(client):
    socket = await client.connect()
    await socket.send_json({"method": "ping"})
    await socket.receive_json()
    client.clock.ahead = 61_000
    assert (await closed(socket))[0] == 1000


async def test_a_failed_block_does_not_stop_the_simulator(client, caplog):
    step = client.simulator.world.step
    client.simulator.world.step = lambda now: 1 / 0
    client.simulator.block()
    client.simulator.world.step = step
    assert "a block failed" in caplog.text
    client.simulator.block()


async def test_stopping_closes_websockets_with_1001(client):
    socket = await client.connect()
    await subscribe(socket, type="bbo", coin="BTC")
    stopping = asyncio.create_task(client.simulator.stop())
    assert (await closed(socket))[0] == 1001
    await stopping


async def test_a_slow_consumer_is_disconnected(client, monkeypatch):
    monkeypatch.setattr("simulator.connections.BACKLOG_BYTES", 200_000)
    _, writer = await asyncio.open_connection("127.0.0.1", client.simulator.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE):
        while not client.simulator._connections:
            await asyncio.sleep(0)
    [line] = client.simulator._connections
    frame = json.dumps({"channel": "x", "data": "y" * 50_000}).encode()
    async with asyncio.timeout(PATIENCE):
        while client.simulator._connections:
            line.send(frame)
            await asyncio.sleep(0)
    writer.close()


async def test_the_newest_state_is_saved_when_the_disk_is_slow(tmp_path, monkeypatch):
    begun, may_end, written = threading.Event(), threading.Event(), []

    def slow(_folder, encoded):
        begun.set()
        assert may_end.wait(PATIENCE)
        written.append(json.loads(encoded)["now"])

    monkeypatch.setattr(server, "state_write", slow)
    clock = Clock()
    simulator = Simulator(
        small_world(now=clock()),
        Config(port=0, control_port=0, control_token=CONTROL_TOKEN, state=tmp_path, clock=clock),
    )
    await simulator.start()
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    clock.ahead = 60_000
    simulator.block()
    stopping = asyncio.create_task(simulator.stop())
    await asyncio.wait({stopping}, timeout=0.2)
    assert not stopping.done()
    may_end.set()
    await stopping
    assert written == sorted(written)
    assert written[-1] == simulator.world.now
    assert len(written) == 2
