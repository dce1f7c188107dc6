"""Trading at a running simulator: what is asked, what is answered, and what is not known."""

from decimal import Decimal

import pytest

from market.domain.orders import Accepted, CancelSpec, KeyRole, OrderSpec
from market.simulator.faults import fault_parse
from market.simulator.server import Config, Simulator, wall_clock
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.trader import HyperliquidTrader
from tests.market.simulator.conftest import small_world
from tests.market.simulator.trader import USD, new_key

D = Decimal


class Key:
    """A `market.venues.base.Signer` that keeps its key in the open."""

    def __init__(self):
        self._key = new_key()
        self.address = signing.address_of(self._key)

    def sign(self, digest):
        return signing.sign(digest, self._key)


class Desk:
    """One account, its trader, and the venue to look behind the counter."""

    def __init__(self, simulator, trader):
        self.simulator, self.trader = simulator, trader
        self.signer = Key()
        self.address = self.signer.address
        self._numbers = 0
        self._nonce = wall_clock()
        simulator.house.fund(self.address, 100_000 * USD)

    @property
    def send(self):
        self._nonce += 1
        return {"signer": self.signer, "nonce": self._nonce, "valid_until": wall_clock() + 5000}

    @property
    def send_cancel(self):
        return {name: value for name, value in self.send.items() if name != "valid_until"}

    def price(self, factor, symbol="BTC"):
        market = self.simulator.world.markets[symbol]
        return D(market.listing.price_text(market.listing.floor(round(market.mark * factor))))

    def order(self, factor=0.9, *, symbol="BTC", side="buy", size="0.01", kind="limit", tif="gtc", **more):
        self._numbers += 1
        client_id = f"0x{self._numbers:032x}"
        price = self.price(factor, symbol)
        return OrderSpec(client_id, symbol, side, kind, tif, price, D(size), **more)

    async def place(self, *orders):
        return await self.trader.place(orders, **self.send)

    async def get(self, order):
        return await self.trader.order_get(self.address, client_id=order.client_id)

    def fault(self, kind, **fields):
        faults, world = self.simulator.faults, self.simulator.world
        faults.begin(fault_parse({"kind": kind, **fields}, world.markets), world.now)


@pytest.fixture
async def simulator():
    running = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def desk(simulator):
    url = f"http://127.0.0.1:{simulator.port}"
    trader = HyperliquidTrader("simulator", url, network="testnet", first_pause=0.001)
    yield Desk(simulator, trader)
    await trader.close()


async def test_a_resting_order_is_found_by_either_id_and_stands_until_it_is_cancelled(desk):
    order = desk.order()
    [answer] = await desk.place(order)
    assert isinstance(answer, Accepted)
    assert answer.resting
    found = await desk.get(order)
    assert found == await desk.trader.order_get(desk.address, venue_id=answer.venue_id)
    assert (found.symbol, found.side, found.kind, found.tif) == ("BTC", "buy", "limit", "gtc")
    assert (found.price, found.size, found.remaining) == (order.price, D("0.01"), D("0.01"))
    assert (found.client_id, found.venue_id) == (order.client_id, answer.venue_id)
    assert (found.status, found.raw_status, found.partial) == ("open", "open", False)
    assert await desk.trader.orders_open(desk.address) == [found]

    cancels = [CancelSpec("BTC", venue_id=answer.venue_id)]
    assert await desk.trader.cancel(cancels, **desk.send_cancel) == [Accepted(resting=False)]
    assert (await desk.get(order)).status == "cancelled"
    assert await desk.trader.orders_open(desk.address) == []


async def test_a_market_order_is_filled_and_the_account_shows_it_to_the_last_digit(desk):
    order = desk.order(1.05, kind="market", tif="ioc")
    [answer] = await desk.place(order)
    assert (answer.resting, answer.filled) == (False, order.size)
    fills = await desk.trader.fills(desk.address, 0)
    assert sum(fill.size for fill in fills) == order.size
    assert {(fill.venue_id, fill.client_id, fill.taker) for fill in fills} == {
        (answer.venue_id, order.client_id, True)
    }
    state = await desk.trader.account(desk.address)
    assert state.cash["perp", "USDC"] == 100_000 - sum(fill.fee for fill in fills)
    [position] = state.positions
    assert position.size == order.size
    assert position.cost == sum(fill.size * fill.price for fill in fills)


async def test_a_key_is_told_from_an_account_and_from_a_stranger(desk):
    assert await desk.trader.role(desk.address) == KeyRole("user")
    assert await desk.trader.role(Key().address) == KeyRole("missing")
