"""Private streams from a running simulator: start, delivery, disconnect and reconnect."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from market.domain.errors import ParseError
from market.venues.hyperliquid import private_streams
from market.venues.hyperliquid.trader import HyperliquidTrader
from market.venues.stream import ConnectLimiter
from tests.market.test_trader import AccountClient, D, simulator  # noqa: F401

PATIENCE = 60


class RecordingListener:
    """A `market.venues.base.AccountListener` that records its calls."""

    def __init__(self):
        self.connects, self.disconnects = 0, []
        self.orders, self.fills, self.fundings, self.movements = [], [], [], []

    def connected(self):
        self.connects += 1

    def disconnected(self, reason):
        self.disconnects.append(reason)

    def order(self, address, order):
        self.orders.append((address, order))

    def fill(self, address, fill):
        self.fills.append((address, fill))

    def funding(self, address, funding):
        self.fundings.append((address, funding))

    def movement(self, address, movement):
        self.movements.append((address, movement))


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def trader(simulator):  # noqa: F811
    url = f"http://127.0.0.1:{simulator.port}"
    one = HyperliquidTrader("hyperliquid-sim", url, network="testnet", slots=3, first_pause=0.02)
    yield one
    await one.close()


@pytest.fixture
async def listener(trader):
    recorder = RecordingListener()
    task = asyncio.create_task(trader.run(recorder))
    yield recorder
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def clients(simulator, trader):  # noqa: F811
    return [AccountClient(simulator, trader) for _ in range(2)]


async def watch(trader, listener, *clients):
    connects = listener.connects
    trader.watch([client.address for client in clients])
    await until(lambda: listener.connects > connects)


async def test_each_account_receives_its_own_orders_only(trader, listener, clients):
    await watch(trader, listener, *clients)
    placed = {}
    for client in clients:
        order = client.order(0.9)
        await client.place(order)
        placed[client.address] = client.price(0.9)
    await until(lambda: len(listener.orders) >= 2)
    assert {address for address, order in listener.orders} == set(placed)
    for address, order in listener.orders:
        [standing] = await trader.orders_open(address)
        assert order.venue_id == standing.venue_id
        assert (order.status, order.incomplete) == ("open", True)


async def test_earlier_fills_and_movements_are_delivered_when_the_stream_starts(trader, listener, clients):
    client = clients[0]
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    await watch(trader, listener, client)
    await until(lambda: listener.fills and listener.movements)
    assert [fill for _, fill in listener.fills] == await trader.fills(client.address, 0)
    assert [movement for _, movement in listener.movements] == await trader.movements(client.address, 0)


async def test_a_fill_is_delivered_when_it_happens(trader, listener, clients):
    client = clients[0]
    await watch(trader, listener, client)
    order = client.order(1.05, kind="market", tif="ioc")
    await client.place(order)
    await until(lambda: sum((fill.size for _, fill in listener.fills), D(0)) == order.size)
    assert {address for address, _ in listener.fills} == {client.address}
    await until(lambda: any(order.status == "filled" for _, order in listener.orders))


async def test_a_lost_connection_reconnects_and_reports_both(trader, listener, clients):
    client = clients[0]
    await watch(trader, listener, *clients)
    connects = listener.connects
    client.fault("disconnect", code=1006)
    await until(lambda: listener.disconnects)
    await until(lambda: listener.connects > connects)
    await client.place(client.order(0.9))
    await until(lambda: listener.orders)


async def test_an_account_no_longer_watched_delivers_no_events(trader, listener, clients, simulator):  # noqa: F811
    await watch(trader, listener, *clients)
    trader.watch([clients[1].address])
    await until(lambda: len(simulator._connections) == 1)
    for client in clients:
        await client.place(client.order(0.9))
    await until(lambda: listener.orders)
    assert {address for address, _ in listener.orders} == {clients[1].address}


async def test_duplicated_and_reordered_events_are_all_delivered(trader, listener, clients):
    client = clients[0]
    await watch(trader, listener, client)
    client.fault("reorder", seconds=20)
    client.fault("duplicate", count=50, seconds=20)
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    await until(lambda: listener.fills and any(order.status == "filled" for _, order in listener.orders))
    assert {fill for _, fill in listener.fills} == set(await trader.fills(client.address, 0))


async def test_a_silent_connection_is_replaced(trader, listener, clients, monkeypatch):
    short_timeouts = replace(private_streams.LIMITS, ping_every=0.1, any_frame_timeout=0.4, ack_within=0.2)
    monkeypatch.setattr(private_streams, "LIMITS", short_timeouts)
    await watch(trader, listener, clients[0])
    clients[0].fault("half_open", seconds=1)
    await until(lambda: listener.disconnects)
    assert "no answer for 0.4 s" in listener.disconnects[0]
    await until(lambda: listener.connects == 2)


async def test_connected_is_reported_for_all_accounts_together(trader, listener, clients):
    await watch(trader, listener, clients[0])
    trader.watch([client.address for client in clients])
    await until(lambda: listener.disconnects)
    assert listener.disconnects == ["the set of watched accounts changed"]
    await until(lambda: listener.connects == 2)
    trader.watch([])
    await until(lambda: len(listener.disconnects) == 2)


async def test_connections_per_minute_are_limited():
    limiter = ConnectLimiter(2)
    await limiter.acquire()
    await limiter.acquire()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await limiter.acquire()


async def test_slots_stay_below_the_venue_limit_of_users(simulator):  # noqa: F811
    one = HyperliquidTrader("hyperliquid-sim", f"http://127.0.0.1:{simulator.port}", network="testnet")
    assert one.stream_slots + 1 < 10  # the feed has a connection too
    await one.close()


async def test_movements_and_funding_are_delivered_when_they_happen(trader, listener, clients):
    client = clients[0]
    await watch(trader, listener, client)
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    client.to_spot("10")
    client.simulator.account_engine.fund_positions()
    await until(lambda: listener.fundings and len({event for _, event in listener.movements}) == 2)
    assert [event for _, event in listener.fundings] == await trader.fundings(client.address, 0)
    assert {event for _, event in listener.movements} == set(await trader.movements(client.address, 0))


async def test_a_snapshot_of_another_account_is_rejected():
    codec = private_streams.PrivateCodec("0x" + "aa" * 20)
    frame = {"channel": "userFills", "data": {"user": "0x" + "bb" * 20, "isSnapshot": True, "fills": []}}
    with pytest.raises(ParseError, match="another account"):
        codec.decode(orjson.dumps(frame))


async def test_more_accounts_than_slots_are_refused(trader):
    with pytest.raises(ValueError, match="4 accounts, but streams for 3"):
        trader.watch([f"0x{number:040x}" for number in range(4)])
