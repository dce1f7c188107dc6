"""Trading at a running simulator: what is asked, what is answered, and what is not known."""

from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from django.core.exceptions import ImproperlyConfigured

from market.domain.errors import VenueError, VenueRefused, VenueUnavailable
from market.domain.orders import Accepted, CancelSpec, KeyRole, ModifySpec, OrderSpec, Refused
from market.simulator.exchange import transfers
from market.simulator.exchange.rules import Rules
from market.simulator.faults import fault_parse
from market.simulator.server import Config, Simulator, wall_clock
from market.venues import trader_for
from market.venues.base import OutcomeUnknown
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.trader import HyperliquidTrader
from tests.market.simulator.conftest import small_world
from tests.market.simulator.signed_client import USD, new_key

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

    def approve(self, agent, name):
        """Let a key trade for this account."""
        nonce = self.send["nonce"]
        action = signing.approve_agent_action(agent=agent, name=name, nonce=nonce, network="testnet")
        signature = self.signer.sign(signing.approve_agent_digest(action))
        reply = self.simulator.house.act(signing.envelope(action, nonce, signature), wall_clock())
        assert reply.body["status"] == "ok"

    def to_spot(self, usdc):
        exchange = self.simulator.house.exchange
        action = {"amount": usdc, "toPerp": False}
        transfers.class_transfer(exchange, exchange.accounts[self.address], action)

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


# --- actions -------------------------------------------------------------------------------------
async def test_a_batch_has_an_answer_for_each_order_in_order(desk):
    good, bad = desk.order(0.9), desk.order(0.9, size="0.00001")
    answers = await desk.place(good, bad, desk.order(1.1, tif="alo"))
    assert [type(answer) for answer in answers] == [Accepted, Refused, Refused]
    assert [answers[1].status, answers[2].status] == ["minTradeNtlRejected", "badAloPxRejected"]
    assert answers[1].reason == "Order must have minimum value of $10. asset=0"
    assert (await desk.get(bad)).status == "rejected"


async def test_one_error_for_a_batch_is_told_of_each_order(desk):
    far = [desk.order(0.9), desk.order(0.1)]
    answers = await desk.place(*far)
    assert len(answers) == 2
    assert {type(answer) for answer in answers} == {Refused}
    assert await desk.trader.orders_open(desk.address) == []


async def test_cancels_go_by_either_id_and_say_what_was_not_there(desk):
    orders = [desk.order(0.9), desk.order(0.8)]
    await desk.place(*orders)
    by_ours = [CancelSpec("BTC", client_id=order.client_id) for order in orders]
    first = await desk.trader.cancel(by_ours, **desk.send_cancel)
    again = await desk.trader.cancel(by_ours, **desk.send_cancel)
    assert [type(answer) for answer in first + again] == [Accepted, Accepted, Refused, Refused]
    assert "never placed, already canceled, or filled" in again[0].reason


@pytest.mark.parametrize(
    ("kind", "trigger", "side_of"),
    [("stop_market", 0.9, "below"), ("stop_limit", 0.9, "below"),
     ("take_market", 1.1, "above"), ("take_limit", 1.1, "above")],
)  # fmt: skip
async def test_triggers_wait_for_their_price_under_the_kind_that_was_asked_for(desk, kind, trigger, side_of):
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    stop = desk.order(
        trigger * 0.99, side="sell", kind=kind, reduce_only=True, trigger_price=desk.price(trigger)
    )
    [answer] = await desk.place(stop)
    assert isinstance(answer, Accepted)
    [waits] = await desk.trader.orders_open(desk.address)
    assert (waits.kind, waits.trigger_price, waits.reduce_only) == (kind, stop.trigger_price, True)
    assert waits.client_id == stop.client_id


async def test_a_modified_order_is_another_one_and_the_old_one_is_gone(desk):
    old = desk.order(0.9)
    [first] = await desk.place(old)
    new = replace(desk.order(0.8), tif="alo")
    [answer] = await desk.trader.modify(
        [ModifySpec(CancelSpec("BTC", venue_id=first.venue_id), new)], **desk.send
    )
    [stands] = await desk.trader.orders_open(desk.address)
    assert answer.venue_id == stands.venue_id != first.venue_id
    assert (stands.price, stands.client_id) == (new.price, new.client_id)
    assert (await desk.get(old)).status == "cancelled"


async def test_a_modify_of_what_is_gone_places_nothing(desk):
    old = desk.order(0.9)
    [first] = await desk.place(old)
    await desk.trader.cancel([CancelSpec("BTC", venue_id=first.venue_id)], **desk.send_cancel)
    change = ModifySpec(CancelSpec("BTC", venue_id=first.venue_id), replace(desk.order(0.8), tif="alo"))
    [answer] = await desk.trader.modify([change], **desk.send)
    assert isinstance(answer, Refused)
    assert await desk.trader.orders_open(desk.address) == []


async def test_leverage_is_that_of_the_next_position(desk):
    await desk.trader.leverage("BTC", 7, "isolated", **desk.send)
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    [position] = (await desk.trader.account(desk.address)).positions
    assert (position.leverage, position.mode) == (7, "isolated")
    with pytest.raises(VenueRefused, match="Invalid leverage value"):
        await desk.trader.leverage("BTC", 1000, "cross", **desk.send)


# --- what is asked -------------------------------------------------------------------------------
async def test_spot_money_is_moved_bought_and_paid_for_to_the_last_digit(desk):
    desk.to_spot("5000")
    buy = desk.order(1.05, symbol="@107", size="10", kind="market", tif="ioc")
    await desk.place(buy)
    fills = await desk.trader.fills(desk.address, 0)
    [movement] = [row for row in await desk.trader.movements(desk.address, 0) if row.kind != "deposit"]
    assert movement.legs == (("spot", "USDC", D(5000)), ("perp", "USDC", D(-5000)))
    cash = (await desk.trader.account(desk.address)).cash
    assert cash["perp", "USDC"] == 95_000
    assert cash["spot", "USDC"] == 5000 - sum(fill.size * fill.price for fill in fills)
    assert {fill.fee_asset for fill in fills} == {"HYPE"}
    assert cash["spot", "HYPE"] == 10 - sum(fill.fee for fill in fills)


async def test_funding_is_told_with_its_sign_and_its_own_time(desk):
    await desk.place(desk.order(1.05, kind="market", tif="ioc"))
    before = (await desk.trader.account(desk.address)).cash["perp", "USDC"]
    desk.simulator.house.fund_positions()
    desk.simulator.house.fund_positions()
    rows = await desk.trader.fundings(desk.address, 0)
    assert len({row.time for row in rows}) == len(rows) == 2
    after = (await desk.trader.account(desk.address)).cash["perp", "USDC"]
    assert after - before == sum(row.amount for row in rows)


async def test_an_agent_is_told_from_its_master_and_listed_until_it_ends(desk):
    agent = Key()
    desk.approve(agent.address, "bot")
    assert await desk.trader.role(agent.address) == KeyRole("agent", desk.address)
    [listed] = await desk.trader.agents(desk.address)
    assert (listed.address, listed.name) == (agent.address, "bot")
    order = desk.order()
    await desk.trader.place([order], **{**desk.send, "signer": agent})
    assert (await desk.get(order)).status == "open"


async def test_an_order_that_nobody_placed_is_not_there(desk):
    assert await desk.get(desk.order()) is None
    assert await desk.trader.order_get(desk.address, venue_id="5") is None
    desk.fault("unknown_oid", seconds=20)
    order = desk.order()
    await desk.place(order)
    assert await desk.get(order) is None


async def test_a_symbol_that_is_not_listed_is_refused_and_nothing_is_sent(desk):
    before = desk.simulator.house.exchange.next_oid
    with pytest.raises(VenueRefused, match="NOPE is not listed"):
        await desk.place(replace(desk.order(), symbol="NOPE"))
    assert desk.simulator.house.exchange.next_oid == before


@pytest.mark.parametrize("rows", [0, 3, 4, 5, 8, 11])
async def test_pages_are_put_together_though_they_end_within_a_millisecond(desk, monkeypatch, rows):
    monkeypatch.setattr("market.venues.hyperliquid.queries.PAGE", 4)
    monkeypatch.setattr("market.simulator.exchange.queries.PAGE", 4)
    account, exchange = desk.simulator.house.exchange.accounts[desk.address], desk.simulator.house.exchange
    account.updates.clear()
    for number in range(rows):
        row = {"time": exchange.now - 100 + number // 3, "hash": f"0x{number}"}
        account.updates.append(row | {"delta": {"type": "deposit", "usdc": f"{number + 1}.0"}})
    found = await desk.trader.movements(desk.address, 0)
    assert [movement.legs[0][2] for movement in found] == [number + 1 for number in range(rows)]
    assert len({movement.ref for movement in found}) == rows


async def test_more_rows_in_one_millisecond_than_a_page_holds_are_not_passed_over(desk, monkeypatch):
    monkeypatch.setattr("market.venues.hyperliquid.queries.PAGE", 4)
    monkeypatch.setattr("market.simulator.exchange.queries.PAGE", 4)
    account = desk.simulator.house.exchange.accounts[desk.address]
    account.updates.extend([account.updates[0]] * 5)
    with pytest.raises(VenueRefused, match="more than 4 rows in one millisecond"):
        await desk.trader.movements(desk.address, 0)


# --- what is not known ---------------------------------------------------------------------------
async def test_a_request_that_was_lost_may_have_arrived_and_did_not(desk):
    await desk.place(desk.order(0.8))
    desk.fault("lost_request", count=1)
    order = desk.order()
    with pytest.raises(OutcomeUnknown):
        await desk.place(order)
    assert await desk.get(order) is None


async def test_a_reply_that_was_lost_leaves_an_order_that_stands_once(desk):
    await desk.place(desk.order(0.8))
    desk.fault("lost_reply", count=1)
    order = desk.order()
    with pytest.raises(OutcomeUnknown):
        await desk.place(order)
    assert (await desk.get(order)).status == "open"
    assert len(await desk.trader.orders_open(desk.address)) == 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [("http_429", VenueUnavailable), ("http_500", OutcomeUnknown), ("maintenance", OutcomeUnknown)],
)
async def test_a_busy_venue_did_nothing_and_a_broken_one_perhaps(desk, fault, problem):
    await desk.place(desk.order(0.8))
    desk.fault(fault, seconds=20)
    with pytest.raises(VenueError) as raised:
        await desk.place(desk.order())
    assert raised.type is problem


async def test_an_answer_that_does_not_come_in_time_is_not_known(desk, monkeypatch):
    monkeypatch.setattr("market.venues.hyperliquid.exchange.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    await desk.trader.leverage("BTC", 5, "cross", **desk.send)
    desk.fault("delay", ms=2000, seconds=20)
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        await desk.place(desk.order())


async def test_a_refusal_of_everything_has_the_words_of_the_venue(desk):
    with pytest.raises(VenueRefused, match=r"User or API Wallet 0x[0-9a-f]{40} does not exist"):
        await desk.trader.place([desk.order()], **{**desk.send, "signer": Key()})
    late = desk.send
    await desk.trader.place([desk.order()], **late)
    with pytest.raises(VenueRefused, match="Invalid nonce: duplicate nonce"):
        await desk.trader.place([desk.order(0.8)], **late)


async def test_what_is_too_late_to_send_is_not_sent(desk):
    order = desk.order()
    with pytest.raises(VenueUnavailable, match="too late"):
        await desk.trader.place([order], **{**desk.send, "valid_until": wall_clock() - 1})
    assert await desk.get(order) is None


async def test_an_order_signed_for_the_other_network_comes_from_a_stranger(simulator):
    simulator.house.exchange.rules = Rules(strict_source="b")
    trader = HyperliquidTrader("simulator", f"http://127.0.0.1:{simulator.port}", network="mainnet")
    desk = Desk(simulator, trader)
    with pytest.raises(VenueRefused, match="does not exist"):
        await desk.place(desk.order())
    await trader.close()


# --- a venue that says what a test tells it to ---------------------------------------------------
META = {"universe": [{"name": "BTC", "szDecimals": 5}]}
RESTS = b'{"status":"ok","response":{"type":"order","data":{"statuses":[{"resting":{"oid":5}}]}}}'
ORDER = OrderSpec("0x" + "0" * 31 + "1", "BTC", "buy", "limit", "gtc", D(100), D(1))


class Scripted:
    """Answers `/exchange` with `status` and `body`; `cut` hangs up on the n-th request instead."""

    def __init__(self):
        self.status, self.body, self.cut, self.sends = 200, RESTS, None, 0

    async def info(self, request):
        asked = await request.json()
        return web.json_response(META if asked["type"] == "meta" else {"universe": [], "tokens": []})

    async def exchange(self, request):
        self.sends += 1
        await request.read()
        if self.cut == self.sends:
            request.transport.abort()
        return web.Response(status=self.status, body=self.body)

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/info", self.info)
        app.router.add_post("/exchange", self.exchange)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *problem):
        await self._runner.cleanup()


@pytest.fixture
async def scripted():
    async with Scripted() as venue:
        yield venue


@pytest.fixture
async def trader(scripted):
    one = HyperliquidTrader("scripted", scripted.url, network="testnet", first_pause=0.001)
    yield one
    await one.close()


def sending():
    return {"signer": Key(), "nonce": wall_clock(), "valid_until": wall_clock() + 5000}


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [(422, b"Failed to deserialize the JSON body into the target type", VenueRefused),
     (400, b'{"error": "bad"}', VenueRefused), (403, b"<html>", VenueRefused), (429, b"null", VenueUnavailable),
     (408, b"", OutcomeUnknown), (500, b"null", OutcomeUnknown), (502, b"<html>", OutcomeUnknown),
     (503, b"", OutcomeUnknown), (302, b"", OutcomeUnknown),
     (200, RESTS[:40], OutcomeUnknown), (200, b"", OutcomeUnknown), (200, b"null", OutcomeUnknown),
     (200, b'{"status":"ok"}', OutcomeUnknown), (200, b'{"status":"ok","response":{}}', OutcomeUnknown),
     (200, b'{"status":"err","response":"Must deposit"}', VenueRefused)],
)  # fmt: skip
async def test_each_answer_is_the_exception_that_says_what_was_done(scripted, trader, status, body, problem):
    scripted.status, scripted.body = status, body
    with pytest.raises(VenueError) as raised:
        await trader.place([ORDER], **sending())
    assert raised.type is problem
    assert scripted.sends == 1


async def test_a_kept_connection_that_dies_is_not_tried_again(scripted, trader):
    assert await trader.place([ORDER], **sending()) == [Accepted("5")]
    scripted.cut = 2
    with pytest.raises(OutcomeUnknown):
        await trader.place([ORDER], **sending())
    assert scripted.sends == 2
    assert await trader.place([ORDER], **sending()) == [Accepted("5")]


async def test_nobody_there_means_that_nothing_left_us(scripted, trader):
    await trader.place([ORDER], **sending())
    await scripted.__aexit__()
    with pytest.raises(VenueUnavailable) as raised:
        await trader.place([ORDER], **sending())
    assert raised.type is VenueUnavailable


@pytest.mark.parametrize("change", [{"size": D("0.000000001")}, {"kind": "stop_market"}])
async def test_what_cannot_be_written_is_refused_before_it_is_sent(scripted, trader, change):
    with pytest.raises(VenueRefused):
        await trader.place([replace(ORDER, **change)], **sending())
    assert scripted.sends == 0


async def test_an_answer_to_a_question_that_makes_no_sense_is_a_venue_that_is_away(scripted, trader):
    with pytest.raises(VenueUnavailable, match="not understood"):
        await trader.order_get("0x" + "0" * 40, venue_id="1")


# --- by the settings -----------------------------------------------------------------------------
async def test_the_network_must_suit_the_address(settings):
    settings.HYPERLIQUID_URL, settings.HYPERLIQUID_NETWORK = "https://api.hyperliquid.xyz/", "mainnet"
    trader = trader_for("hyperliquid")
    assert trader._exchange._network == "mainnet"
    await trader.close()
    settings.HYPERLIQUID_NETWORK = "testnet"
    with pytest.raises(ImproperlyConfigured, match="not of the network 'testnet'"):
        trader_for("hyperliquid")
    settings.HYPERLIQUID_URL, settings.HYPERLIQUID_NETWORK = "https://api.hyperliquid-testnet.xyz", "mainnet"
    with pytest.raises(ImproperlyConfigured):
        trader_for("hyperliquid")


async def test_the_simulator_is_a_test_network_whatever_its_address(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:8010"
    trader = trader_for("simulator")
    assert (trader._exchange._network, trader.stream_slots) == ("testnet", settings.PRIVATE_STREAMS)
    await trader.close()
