"""Injected faults and restarts of the account engine, over real sockets."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice

import aiohttp
import pytest

from market.venues.hyperliquid import signing
from simulator.hyperliquid.limits import DOCUMENTED
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.simulator.conftest import StreamClient, small_world
from tests.simulator.control import CONTROL_HEADERS, CONTROL_TOKEN, control_request
from tests.simulator.signed_client import USD, VenueClient, new_key
from tests.simulator.test_run_simulator import NOWHERE, ROOT

PATIENCE = 60
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


def cloid(number):
    return f"0x{number:032x}"


class Client:
    """HTTP client that signs actions."""

    def __init__(self, simulator, http):
        self.simulator, self.http = simulator, http
        self.url = f"http://127.0.0.1:{simulator.port}"
        self.control = f"http://127.0.0.1:{simulator.control_port}"
        self.key = new_key()
        self.address = signing.address_of(self.key)
        self.nonce = wall_clock()
        simulator.account_engine.fund(self.address, 100_000 * USD)

    def signed(self, action):
        self.nonce += 1
        digest = signing.l1_digest(signing.action_hash(action, self.nonce), "testnet")
        return signing.envelope(action, self.nonce, signing.sign(digest, self.key))

    def order(self, number=None, side="buy", factor=0.9, size="0.01", **options):
        market = self.simulator.world.markets["BTC"]
        price = Decimal(market.listing.price_text(market.listing.floor(round(market.mark * factor))))
        name = None if number is None else cloid(number)
        wire = signing.OrderWire(0, side, price, Decimal(size), client_id=name, **options)
        return signing.order_action([wire])

    async def act(self, action):
        async with self.http.post(f"{self.url}/exchange", json=self.signed(action)) as response:
            return response.status, await response.text()

    async def status(self, number):
        request = {"type": "orderStatus", "user": self.address, "oid": cloid(number)}
        async with self.http.post(f"{self.url}/info", json=request) as response:
            return (await response.json())["status"]

    async def fault(self, **fault):
        async with self.http.post(f"{self.control}/faults", json=fault, headers=CONTROL_HEADERS) as response:
            assert response.status == 200


@pytest.fixture
async def client():
    simulator = Simulator(
        small_world(now=wall_clock()), Config(port=0, control_port=0, control_token=CONTROL_TOKEN)
    )
    await simulator.start()
    async with aiohttp.ClientSession() as http:
        yield Client(simulator, http)
    await simulator.stop()


# --- transport ---------------------------------------------------------------------------------
async def test_a_lost_reply_hides_an_order_that_was_placed(client):
    await client.fault(kind="lost_reply", count=1)
    with pytest.raises(CUT):
        await client.act(client.order(1))
    assert await client.status(1) == "order"
    assert (await client.act(client.order(2)))[0] == 200


async def test_a_lost_request_was_never_placed(client):
    await client.fault(kind="lost_request", count=1)
    with pytest.raises(CUT):
        await client.act(client.order(1))
    assert await client.status(1) == "unknownOid"


async def test_replies_are_lost_by_chance(client):
    await client.fault(kind="lost_reply", count=1000, share=0.25)
    lost = 0
    for number in range(60):
        try:
            await client.act(client.order(number))
        except CUT:
            lost += 1
        assert await client.status(number) == "order"
    assert 3 <= lost <= 35


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("http_429", 429, "null"), ("http_500", 500, "null"), ("maintenance", 503, None)],
)
async def test_actions_are_answered_by_status_alone(client, kind, status, body):
    await client.fault(kind=kind)
    answer = await client.act(client.order(1))
    assert answer[0] == status
    assert body is None or answer[1] == body
    await client.http.delete(f"{client.control}/faults", headers=CONTROL_HEADERS)
    assert await client.status(1) == "unknownOid"


async def test_an_order_may_be_unknown_for_a_while(client):
    await client.fault(kind="unknown_oid", seconds=600)
    await client.act(client.order(1))
    assert await client.status(1) == "unknownOid"
    client.simulator.account_engine.exchange.orders[
        next(iter(client.simulator.account_engine.exchange.orders))
    ].time -= 3_000
    assert await client.status(1) == "order"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("post_only", "Only post-only orders allowed immediately after network upgrade asset=0"),
        ("interest_cap", "Order would increase open interest while open interest is capped asset=0"),
    ],
)
async def test_temporary_restrictions_reject_orders(client, kind, text):
    await client.fault(kind=kind, coin="BTC")
    blocks = client.simulator.world.steps
    async with asyncio.timeout(PATIENCE):
        while client.simulator.world.steps < blocks + 2:
            await asyncio.sleep(0)
    _, answer = await client.act(client.order(1))
    assert json.loads(answer)["response"]["data"]["statuses"] == [{"error": text}]


async def test_a_body_that_is_not_json_is_unprocessable(client):
    async with client.http.post(f"{client.url}/exchange", data=b"{") as response:
        assert response.status == 422
        assert await response.text() == "Failed to deserialize the JSON body into the target type"


# --- streams -----------------------------------------------------------------------------------
async def listen(client, *kinds):
    socket = await client.http.ws_connect(f"{client.url}/ws")
    for kind in kinds:
        request = {"method": "subscribe", "subscription": {"type": kind, "user": client.address}}
        await socket.send_json(request)
    return socket


async def received(socket, enough):
    """Frames received until `enough` returns true."""
    frames = []
    async with asyncio.timeout(PATIENCE):
        while not enough(frames):
            frame = await socket.receive_json()
            if frame["channel"] != "subscriptionResponse":
                frames.append(frame)
    return frames


def statuses(frames):
    rows = [row for frame in frames if frame["channel"] == "orderUpdates" for row in frame["data"]]
    return [row["status"] for row in rows]


async def test_a_market_order_is_published_on_every_stream(client):
    socket = await listen(client, "orderUpdates", "userFills", "userEvents")
    await received(socket, lambda frames: frames and frames[-1]["channel"] == "userFills")
    await client.act(client.order(1, factor=1.02, tif="Ioc"))
    frames = await received(
        socket,
        lambda frames: {frame["channel"] for frame in frames} == {"orderUpdates", "userFills", "user"},
    )
    assert statuses(frames) == ["filled"]
    await socket.close()


async def test_events_may_come_in_another_order(client):
    socket = await listen(client, "orderUpdates")
    await client.fault(kind="reorder", seconds=600)
    wire = client.order(1)
    await client.act(wire)
    cancel = signing.cancel_by_client_id_action([(0, cloid(1))])
    client.simulator.account_engine.handle_action(client.signed(cancel), client.simulator.now())
    frames = await received(socket, lambda frames: len(statuses(frames)) >= 2)
    assert set(statuses(frames)) == {"open", "canceled"}
    await socket.close()


async def test_events_may_come_twice(client):
    socket = await listen(client, "orderUpdates")
    await client.fault(kind="duplicate", count=1, seconds=600)
    await client.act(client.order(1))
    frames = await received(socket, lambda frames: len(statuses(frames)) >= 2)
    assert statuses(frames) == ["open", "open"]
    await socket.close()


async def test_actions_travel_over_the_socket(client):
    socket = await client.http.ws_connect(f"{client.url}/ws")
    request = {"type": "action", "payload": client.signed(client.order(1))}
    await socket.send_json({"method": "post", "id": 5, "request": request})
    [frame] = await received(socket, bool)
    assert frame["data"]["id"] == 5
    payload = frame["data"]["response"]["payload"]
    assert "resting" in payload["response"]["data"]["statuses"][0]
    request = {"type": "info", "payload": {"type": "openOrders", "user": client.address}}
    await socket.send_json({"method": "post", "id": 6, "request": request})
    [frame] = await received(socket, bool)
    assert len(frame["data"]["response"]["payload"]["data"]) == 1
    await socket.close()


def test_an_eleventh_user_is_too_many_where_limits_are_documented():
    line = StreamClient(DOCUMENTED)
    for number in range(10):
        assert line.subscribe(type="orderUpdates", user=f"0x{number:040x}")[0]["channel"] != "error"
    [frame] = line.subscribe(type="orderUpdates", user="0x" + "f" * 40)
    assert frame == {"channel": "error", "data": "Cannot track more than 10 total users."}
    assert line.subscribe(type="userEvents", user="0x" + "0" * 40)[0]["channel"] != "error"


# --- partial fills -----------------------------------------------------------------------------
def test_fills_may_come_in_parts():
    venue = VenueClient()
    alice = venue.trader()
    venue.account_engine.exchange.parts = 3
    oid = next(iter(alice.order("ETH", "buy", venue.price("ETH", 1.02), "3").values()))["oid"]
    assert sum(Decimal(fill["sz"]) for fill in alice.ask("userFills")) == 1
    assert alice.ask("openOrders")[0]["sz"] == "2.0"
    venue.run(0.1)
    assert alice.status(oid) == "open"
    venue.run(0.2)
    assert alice.status(oid) == "filled"
    immediate = alice.order("ETH", "buy", venue.price("ETH", 1.02), "3", tif="Ioc")["filled"]
    assert immediate["totalSz"] == "1.0"
    assert alice.status(immediate["oid"]) == "canceled"
    assert venue.sound()


# --- journal -----------------------------------------------------------------------------------
def test_a_restart_restores_the_accounts(tmp_path):
    first = VenueClient(folder=tmp_path)
    alice = first.trader()
    alice.order("ETH", "buy", first.price("ETH", 1.02), "2", tif="Ioc")
    oid = alice.order("BTC", "buy", first.price("BTC", 0.97), "0.01", client_id=cloid(9))["resting"]["oid"]
    stop = signing.Trigger(first.price("ETH", 0.9), "sl")
    alice.orders(alice.wire("ETH", "sell", stop.price, "2", reduce_only=True, trigger=stop))
    known = [alice.ask(kind) for kind in ("openOrders", "userFills", "historicalOrders", "userRateLimit")]
    first.account_engine.close()
    second = VenueClient(folder=tmp_path, now=first.now + 60_000)
    alice.venue = second
    assert [
        alice.ask(kind) for kind in ("openOrders", "userFills", "historicalOrders", "userRateLimit")
    ] == known
    assert second.world.markets["BTC"].book.order(oid)
    again = alice.act(signing.noop_action(), nonce=alice.nonce)
    assert again["response"].startswith("Invalid nonce: duplicate nonce")
    second.jump("BTC", 0.96)
    assert alice.status(oid) == "filled"
    second.jump("ETH", 0.89)
    assert alice.ask("openOrders") == []
    assert second.sound()
    second.account_engine.close()


def test_an_order_that_the_price_crossed_meanwhile_is_filled_as_maker(tmp_path):
    first = VenueClient(folder=tmp_path)
    alice = first.trader()
    price = first.price("BTC", 1.05)
    oid = alice.order("BTC", "sell", price, "0.01", tif="Alo")["resting"]["oid"]
    first.account_engine.close()
    text = (tmp_path / "exchange.jsonl").read_text()
    units = first.world.markets["BTC"].listing.units(float(price))
    lower = first.world.markets["BTC"].listing.floor(units * 8 // 10)
    (tmp_path / "exchange.jsonl").write_text(text.replace(f'"price":{units}', f'"price":{lower}'))
    second = VenueClient(folder=tmp_path, now=first.now + 60_000)
    alice.venue = second
    assert alice.status(oid) == "filled"
    assert {fill["crossed"] for fill in alice.ask("userFills")} == {False}
    second.run()
    assert second.sound()
    second.account_engine.close()


@pytest.mark.parametrize("end", [b'{"acc', b'{"accounts": {}, "ord', b"\xff\xfe\x00"])
def test_a_partial_last_line_is_ignored(tmp_path, end):
    first = VenueClient(folder=tmp_path)
    alice = first.trader()
    first.account_engine.close()
    with (tmp_path / "exchange.jsonl").open("ab") as file:
        file.write(end)
    second = VenueClient(folder=tmp_path)
    assert alice.address in second.account_engine.exchange.accounts
    second.account_engine.close()


def test_a_journal_of_another_version_is_ignored(tmp_path):
    (tmp_path / "exchange.jsonl").write_text('{"version": 0}\n')
    venue = VenueClient(folder=tmp_path)
    assert venue.account_engine.exchange.accounts == {}
    venue.account_engine.close()


@contextmanager
def running(var):
    """A simulator process, with the URLs of its venue and control plane."""
    command = [
        sys.executable, "manage.py", "run_simulator",
        "--port", "0", "--control-port", "0", "--state", str(var),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **NOWHERE}, stderr=subprocess.PIPE, text=True
    )
    try:
        matches = (re.search(r"at (http://[\d.:]+)", json.loads(line)["message"]) for line in process.stderr)
        control, url = islice((found[1] for found in matches if found), 2)
        yield process, url, control
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def post(url, body):
    with urllib.request.urlopen(
        control_request(url, json.dumps(body).encode()), timeout=PATIENCE
    ) as response:
        return json.load(response)


class Sender(threading.Thread):
    """Places orders one after the other and stores which were acknowledged."""

    def __init__(self, url, key):
        super().__init__()
        self.url, self.key, self.acknowledged, self.sent = url, key, [], 0

    def run(self):
        nonce = int(time.time() * 1000)
        while True:
            self.sent += 1
            wire = signing.OrderWire(0, "buy", Decimal(50_000), Decimal("0.001"), client_id=cloid(self.sent))
            action = signing.order_action([wire])
            digest = signing.l1_digest(signing.action_hash(action, nonce + self.sent), "testnet")
            body = signing.envelope(action, nonce + self.sent, signing.sign(digest, self.key))
            try:
                answer = post(f"{self.url}/exchange", body)
            except (OSError, ValueError):
                return
            assert "resting" in answer["response"]["data"]["statuses"][0], answer
            self.acknowledged.append(self.sent)


def test_an_acknowledged_order_survives_a_kill(tmp_path):
    key = new_key()
    address = signing.address_of(key)
    with running(tmp_path) as (process, url, control):
        post(f"{control}/accounts", {"address": address, "usdc": 100_000})
        sender = Sender(url, key)
        sender.start()
        deadline = time.monotonic() + PATIENCE
        while len(sender.acknowledged) < 50 and time.monotonic() < deadline:
            post(f"{url}/info", {"type": "exchangeStatus"})
        process.send_signal(signal.SIGKILL)
        sender.join(PATIENCE)
    assert len(sender.acknowledged) >= 50
    with running(tmp_path) as (process, url, control):
        rows = post(f"{url}/info", {"type": "openOrders", "user": address})
        known = {int(row["cloid"], 16) for row in rows}
        assert set(sender.acknowledged) <= known
        assert known <= set(range(1, sender.sent + 1))
        with urllib.request.urlopen(control_request(f"{control}/accounts"), timeout=PATIENCE) as response:
            assert json.load(response)["gaps"] == {"cash": 0}
