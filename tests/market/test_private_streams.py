"""Streams of accounts from a running simulator: begin, tell, break, come back."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from market.domain.errors import ParseError
from market.venues.hyperliquid import private_streams
from market.venues.hyperliquid.trader import HyperliquidTrader
from market.venues.stream import Door
from tests.market.test_trader import D, Desk, simulator  # noqa: F401

PATIENCE = 60


class Heard:
    """A `market.venues.base.AccountSink` that remembers."""

    def __init__(self):
        self.ups, self.downs = 0, []
        self.orders, self.fills, self.fundings, self.movements = [], [], [], []

    def connected(self):
        self.ups += 1

    def disconnected(self, reason):
        self.downs.append(reason)

    def order(self, address, order):
        self.orders.append((address, order))

    def fill(self, address, fill):
        self.fills.append((address, fill))

    def funding(self, address, funding):
        self.fundings.append((address, funding))

    def movement(self, address, movement):
        self.movements.append((address, movement))


async def until(true):
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def trader(simulator):  # noqa: F811
    url = f"http://127.0.0.1:{simulator.port}"
    one = HyperliquidTrader("simulator", url, network="testnet", slots=3, first_pause=0.02)
    yield one
    await one.close()


@pytest.fixture
async def heard(trader):
    sink = Heard()
    task = asyncio.create_task(trader.run(sink))
    yield sink
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def desks(simulator, trader):  # noqa: F811
    return [Desk(simulator, trader) for _ in range(2)]


async def watch(trader, heard, *desks):
    ups = heard.ups
    trader.watch([desk.address for desk in desks])
    await until(lambda: heard.ups > ups)


async def test_each_account_hears_of_its_own_orders_only(trader, heard, desks):
    await watch(trader, heard, *desks)
    placed = {}
    for desk in desks:
        order = desk.order(0.9)
        await desk.place(order)
        placed[desk.address] = desk.price(0.9)
    await until(lambda: len(heard.orders) >= 2)
    assert {address for address, order in heard.orders} == set(placed)
    for address, order in heard.orders:
        [standing] = await trader.orders_open(address)
        assert order.venue_id == standing.venue_id
        assert (order.status, order.partial) == ("open", True)


async def test_fills_and_movements_of_before_are_told_when_the_stream_begins(trader, heard, desks):
    desk = desks[0]
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    await watch(trader, heard, desk)
    await until(lambda: heard.fills and heard.movements)
    assert [fill for _, fill in heard.fills] == await trader.fills(desk.address, 0)
    assert [movement for _, movement in heard.movements] == await trader.movements(desk.address, 0)


async def test_a_fill_is_told_when_it_happens(trader, heard, desks):
    desk = desks[0]
    await watch(trader, heard, desk)
    order = desk.order(1.05, kind="market", tif="ioc")
    await desk.place(order)
    await until(lambda: sum((fill.size for _, fill in heard.fills), D(0)) == order.size)
    assert {address for address, _ in heard.fills} == {desk.address}
    await until(lambda: any(told.status == "filled" for _, told in heard.orders))


async def test_a_lost_line_comes_back_and_says_both(trader, heard, desks):
    desk = desks[0]
    await watch(trader, heard, *desks)
    ups = heard.ups
    desk.fault("disconnect", code=1006)
    await until(lambda: heard.downs)
    await until(lambda: heard.ups > ups)
    await desk.place(desk.order(0.9))
    await until(lambda: heard.orders)


async def test_who_is_no_longer_watched_is_not_told_of(trader, heard, desks, simulator):  # noqa: F811
    await watch(trader, heard, *desks)
    trader.watch([desks[1].address])
    await until(lambda: len(simulator._connections) == 1)
    for desk in desks:
        await desk.place(desk.order(0.9))
    await until(lambda: heard.orders)
    assert {address for address, _ in heard.orders} == {desks[1].address}


async def test_facts_that_come_twice_or_backwards_are_all_told(trader, heard, desks):
    desk = desks[0]
    await watch(trader, heard, desk)
    desk.fault("reorder", seconds=20)
    desk.fault("duplicate", count=50, seconds=20)
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    await until(lambda: heard.fills and any(told.status == "filled" for _, told in heard.orders))
    assert {fill for _, fill in heard.fills} == set(await trader.fills(desk.address, 0))


async def test_a_line_that_says_nothing_any_more_is_replaced(trader, heard, desks, monkeypatch):
    impatient = replace(private_streams.LIMITS, ping_every=0.1, quiet=0.4, ack_within=0.2)
    monkeypatch.setattr(private_streams, "LIMITS", impatient)
    await watch(trader, heard, desks[0])
    desks[0].fault("half_open", seconds=1)
    await until(lambda: heard.downs)
    assert "no answer for 0.4 s" in heard.downs[0]
    await until(lambda: heard.ups == 2)


async def test_accounts_are_up_together_or_not_at_all(trader, heard, desks):
    await watch(trader, heard, desks[0])
    trader.watch([desk.address for desk in desks])
    await until(lambda: heard.downs)
    assert heard.downs == ["other accounts are watched"]
    await until(lambda: heard.ups == 2)
    trader.watch([])
    await until(lambda: len(heard.downs) == 2)


async def test_twenty_connections_a_minute_are_opened_whoever_asks():
    door = Door(2)
    await door.enter()
    await door.enter()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await door.enter()


async def test_a_venue_that_allows_ten_users_is_not_asked_for_more(simulator):  # noqa: F811
    one = HyperliquidTrader("simulator", f"http://127.0.0.1:{simulator.port}", network="testnet")
    assert one.stream_slots + 1 < 10  # the feed has a connection too
    await one.close()


async def test_movements_and_payments_are_told_when_they_happen(trader, heard, desks):
    desk = desks[0]
    await watch(trader, heard, desk)
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    desk.to_spot("10")
    desk.simulator.house.fund_positions()
    await until(lambda: heard.fundings and len({fact for _, fact in heard.movements}) == 2)
    assert [fact for _, fact in heard.fundings] == await trader.fundings(desk.address, 0)
    assert {fact for _, fact in heard.movements} == set(await trader.movements(desk.address, 0))


async def test_a_snapshot_of_another_account_is_not_believed():
    codec = private_streams.PrivateCodec("0x" + "aa" * 20)
    frame = {"channel": "userFills", "data": {"user": "0x" + "bb" * 20, "isSnapshot": True, "fills": []}}
    with pytest.raises(ParseError, match="another account"):
        codec.decode(orjson.dumps(frame))


async def test_more_accounts_than_slots_are_refused(trader):
    with pytest.raises(ValueError, match="4 accounts, but streams for 3"):
        trader.watch([f"0x{number:040x}" for number in range(4)])
