"""Trading at a running simulator: requests, responses, and unknown outcomes."""

from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from django.core.exceptions import ImproperlyConfigured

from market.domain.errors import VenueError, VenueRejected, VenueUnavailable
from market.domain.orders import Accepted, CancelSpec, KeyRole, ModifySpec, OrderSpec, Rejected
from market.venues import trader_for
from market.venues.base import OutcomeUnknown
from market.venues.hyperliquid import signing, user_actions
from market.venues.hyperliquid.trader import HyperliquidTrader
from simulator.hyperliquid.exchange import transfers
from simulator.hyperliquid.exchange.fees import Rules
from simulator.hyperliquid.faults import fault_parse
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.simulator.conftest import small_world
from tests.simulator.signed_client import USD, new_key

D = Decimal


class Key:
    """A `market.venues.base.Signer` with its key in memory."""

    def __init__(self):
        self._key = new_key()
        self.key_id = signing.address_of(self._key)

    def sign(self, digest):
        return signing.sign(digest, self._key)


class AccountClient:
    """One account with its trader, and access to the internals of the simulator."""

    def __init__(self, simulator, trader):
        self.simulator, self.trader = simulator, trader
        self.signer = Key()
        self.address = self.signer.key_id
        self._numbers = 0
        self._nonce = wall_clock()
        simulator.account_engine.fund(self.address, 100_000 * USD)

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
        body = user_actions.approve_agent(
            key=self.signer._key, agent=agent, name=name, nonce=nonce, network="testnet"
        )
        reply = self.simulator.account_engine.handle_action(body, wall_clock())
        assert reply.body["status"] == "ok"

    def to_spot(self, usdc):
        exchange = self.simulator.account_engine.exchange
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
async def client(simulator):
    url = f"http://127.0.0.1:{simulator.port}"
    trader = HyperliquidTrader("hyperliquid-sim", url, network="testnet", first_pause=0.001)
    yield AccountClient(simulator, trader)
    await trader.close()


async def test_a_resting_order_is_found_by_either_id_until_it_is_cancelled(client):
    order = client.order()
    [answer] = await client.place(order)
    assert isinstance(answer, Accepted)
    assert answer.resting
    found = await client.get(order)
    assert found == await client.trader.order_get(client.address, venue_id=answer.venue_id)
    assert (found.symbol, found.side, found.kind, found.tif) == ("BTC", "buy", "limit", "gtc")
    assert (found.price, found.size, found.remaining) == (order.price, D("0.01"), D("0.01"))
    assert (found.client_id, found.venue_id) == (order.client_id, answer.venue_id)
    assert (found.status, found.raw_status, found.incomplete) == ("open", "open", False)
    assert await client.trader.orders_open(client.address) == [found]

    cancels = [CancelSpec("BTC", venue_id=answer.venue_id)]
    assert await client.trader.cancel(cancels, **client.send_cancel) == [Accepted(resting=False)]
    assert (await client.get(order)).status == "cancelled"
    assert await client.trader.orders_open(client.address) == []


async def test_a_market_order_is_filled_and_the_account_shows_it_to_the_last_digit(client):
    order = client.order(1.05, kind="market", tif="ioc")
    [answer] = await client.place(order)
    assert (answer.resting, answer.filled) == (False, order.size)
    fills = await client.trader.fills(client.address, 0)
    assert sum(fill.size for fill in fills) == order.size
    assert {(fill.venue_id, fill.client_id, fill.taker) for fill in fills} == {
        (answer.venue_id, order.client_id, True)
    }
    state = await client.trader.account(client.address)
    assert state.cash["perp", "USDC"] == 100_000 - sum(fill.fee_in("USDC") for fill in fills)
    [position] = state.positions
    assert position.size == order.size
    assert position.cost == sum(fill.size * fill.price for fill in fills)


async def test_key_roles_of_accounts_and_unknown_addresses_differ(client):
    assert await client.trader._queries.role(client.address) == KeyRole("user")
    assert await client.trader._queries.role(Key().key_id) == KeyRole("missing")


# --- actions -------------------------------------------------------------------------------------
async def test_a_batch_has_an_answer_for_each_order_in_order(client):
    good, bad = client.order(0.9), client.order(0.9, size="0.00001")
    answers = await client.place(good, bad, client.order(1.1, tif="alo"))
    assert [type(answer) for answer in answers] == [Accepted, Rejected, Rejected]
    assert [answers[1].status, answers[2].status] == ["minTradeNtlRejected", "badAloPxRejected"]
    assert answers[1].reason == "Order must have minimum value of $10. asset=0"
    assert (await client.get(bad)).status == "rejected"


async def test_one_error_for_a_batch_applies_to_each_order(client):
    far = [client.order(0.9), client.order(0.1)]
    answers = await client.place(*far)
    assert len(answers) == 2
    assert {type(answer) for answer in answers} == {Rejected}
    assert await client.trader.orders_open(client.address) == []


async def test_cancels_use_either_id_and_reject_unknown_orders(client):
    orders = [client.order(0.9), client.order(0.8)]
    await client.place(*orders)
    by_ours = [CancelSpec("BTC", client_id=order.client_id) for order in orders]
    first = await client.trader.cancel(by_ours, **client.send_cancel)
    again = await client.trader.cancel(by_ours, **client.send_cancel)
    assert [type(answer) for answer in first + again] == [Accepted, Accepted, Rejected, Rejected]
    assert "never placed, already canceled, or filled" in again[0].reason


@pytest.mark.parametrize(
    ("kind", "trigger", "side_of"),
    [("stop_market", 0.9, "below"), ("stop_limit", 0.9, "below"),
     ("take_profit_market", 1.1, "above"), ("take_profit_limit", 1.1, "above")],
)  # fmt: skip
async def test_untriggered_orders_keep_the_requested_order_type(client, kind, trigger, side_of):
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    stop = client.order(
        trigger * 0.99, side="sell", kind=kind, reduce_only=True, trigger_price=client.price(trigger)
    )
    [answer] = await client.place(stop)
    assert isinstance(answer, Accepted)
    [waits] = await client.trader.orders_open(client.address)
    assert (waits.kind, waits.trigger_price, waits.reduce_only) == (kind, stop.trigger_price, True)
    assert waits.client_id == stop.client_id


async def test_a_modified_order_replaces_the_old_one(client):
    old = client.order(0.9)
    [first] = await client.place(old)
    new = replace(client.order(0.8), tif="alo")
    [answer] = await client.trader.modify(
        [ModifySpec(CancelSpec("BTC", venue_id=first.venue_id), new)], **client.send
    )
    [stands] = await client.trader.orders_open(client.address)
    assert answer.venue_id == stands.venue_id != first.venue_id
    assert (stands.price, stands.client_id) == (new.price, new.client_id)
    assert (await client.get(old)).status == "cancelled"


async def test_a_modify_of_a_closed_order_places_nothing(client):
    old = client.order(0.9)
    [first] = await client.place(old)
    await client.trader.cancel([CancelSpec("BTC", venue_id=first.venue_id)], **client.send_cancel)
    change = ModifySpec(CancelSpec("BTC", venue_id=first.venue_id), replace(client.order(0.8), tif="alo"))
    [answer] = await client.trader.modify([change], **client.send)
    assert isinstance(answer, Rejected)
    assert await client.trader.orders_open(client.address) == []


async def test_leverage_is_that_of_the_next_position(client):
    await client.trader.leverage("BTC", 7, "isolated", **client.send)
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    [position] = (await client.trader.account(client.address)).positions
    assert (position.leverage, position.mode) == (7, "isolated")
    with pytest.raises(VenueRejected, match="Invalid leverage value"):
        await client.trader.leverage("BTC", 1000, "cross", **client.send)


# --- what is asked -------------------------------------------------------------------------------
async def test_spot_transfers_trades_and_fees_are_exact(client):
    client.to_spot("5000")
    buy = client.order(1.05, symbol="@107", size="10", kind="market", tif="ioc")
    await client.place(buy)
    fills = await client.trader.fills(client.address, 0)
    [movement] = [row for row in await client.trader.movements(client.address, 0) if row.kind != "deposit"]
    assert movement.legs == (("spot", "USDC", D(5000)), ("perp", "USDC", D(-5000)))
    cash = (await client.trader.account(client.address)).cash
    assert cash["perp", "USDC"] == 95_000
    assert cash["spot", "USDC"] == 5000 - sum(fill.size * fill.price for fill in fills)
    assert {asset for fill in fills for asset, _ in fill.fees} == {"HYPE"}
    assert cash["spot", "HYPE"] == 10 - sum(fill.fee_in("HYPE") for fill in fills)


async def test_funding_has_its_sign_and_its_own_time(client):
    await client.place(client.order(1.05, kind="market", tif="ioc"))
    before = (await client.trader.account(client.address)).cash["perp", "USDC"]
    client.simulator.account_engine.fund_positions()
    client.simulator.account_engine.fund_positions()
    rows = await client.trader.fundings(client.address, 0)
    assert len({row.time for row in rows}) == len(rows) == 2
    after = (await client.trader.account(client.address)).cash["perp", "USDC"]
    assert after - before == sum(row.amount for row in rows)


async def test_an_agent_has_its_master_and_is_listed_until_it_expires(client):
    agent = Key()
    client.approve(agent.key_id, "bot")
    assert await client.trader._queries.role(agent.key_id) == KeyRole("agent", client.address)
    [listed] = await client.trader._queries.agents(client.address)
    assert (listed.address, listed.name) == (agent.key_id, "bot")
    order = client.order()
    await client.trader.place([order], **{**client.send, "signer": agent})
    assert (await client.get(order)).status == "open"


async def test_an_unknown_order_is_none(client):
    assert await client.get(client.order()) is None
    assert await client.trader.order_get(client.address, venue_id="5") is None
    client.fault("unknown_oid", seconds=20)
    order = client.order()
    await client.place(order)
    assert await client.get(order) is None


async def test_an_unlisted_symbol_is_rejected_and_nothing_is_sent(client):
    before = client.simulator.account_engine.exchange.next_oid
    with pytest.raises(VenueRejected, match="NOPE is not listed"):
        await client.place(replace(client.order(), symbol="NOPE"))
    assert client.simulator.account_engine.exchange.next_oid == before


@pytest.mark.parametrize("rows", [0, 3, 4, 5, 8, 11])
async def test_pages_that_end_within_a_millisecond_are_joined(client, monkeypatch, rows):
    monkeypatch.setattr("market.venues.hyperliquid.queries.PAGE", 4)
    monkeypatch.setattr("simulator.hyperliquid.exchange.queries.PAGE", 4)
    account, exchange = (
        client.simulator.account_engine.exchange.accounts[client.address],
        client.simulator.account_engine.exchange,
    )
    account.updates.clear()
    for number in range(rows):
        row = {"time": exchange.now - 100 + number // 3, "hash": f"0x{number}"}
        account.updates.append(row | {"delta": {"type": "deposit", "usdc": f"{number + 1}.0"}})
    found = await client.trader.movements(client.address, 0)
    assert [movement.legs[0][2] for movement in found] == [number + 1 for number in range(rows)]
    assert len({movement.ref for movement in found}) == rows


async def test_more_rows_in_one_millisecond_than_a_page_are_an_error(client, monkeypatch):
    monkeypatch.setattr("market.venues.hyperliquid.queries.PAGE", 4)
    monkeypatch.setattr("simulator.hyperliquid.exchange.queries.PAGE", 4)
    account = client.simulator.account_engine.exchange.accounts[client.address]
    account.updates.extend([account.updates[0]] * 5)
    with pytest.raises(VenueRejected, match="more than 4 rows in one millisecond"):
        await client.trader.movements(client.address, 0)


# --- what is not known ---------------------------------------------------------------------------
async def test_a_lost_request_has_an_unknown_outcome_and_places_nothing(client):
    await client.place(client.order(0.8))
    client.fault("lost_request", count=1)
    order = client.order()
    with pytest.raises(OutcomeUnknown):
        await client.place(order)
    assert await client.get(order) is None


async def test_a_lost_reply_leaves_one_open_order(client):
    await client.place(client.order(0.8))
    client.fault("lost_reply", count=1)
    order = client.order()
    with pytest.raises(OutcomeUnknown):
        await client.place(order)
    assert (await client.get(order)).status == "open"
    assert len(await client.trader.orders_open(client.address)) == 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [("http_429", VenueUnavailable), ("http_500", OutcomeUnknown), ("maintenance", OutcomeUnknown)],
)
async def test_a_busy_venue_is_unavailable_and_a_broken_one_has_an_unknown_outcome(client, fault, problem):
    await client.place(client.order(0.8))
    client.fault(fault, seconds=20)
    with pytest.raises(VenueError) as raised:
        await client.place(client.order())
    assert raised.type is problem


async def test_a_timeout_has_an_unknown_outcome(client, monkeypatch):
    monkeypatch.setattr("market.venues.hyperliquid.exchange.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    await client.trader.leverage("BTC", 5, "cross", **client.send)
    client.fault("delay", ms=2000, seconds=20)
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        await client.place(client.order())


async def test_a_rejected_action_has_the_text_of_the_venue(client):
    with pytest.raises(VenueRejected, match=r"User or API Wallet 0x[0-9a-f]{40} does not exist"):
        await client.trader.place([client.order()], **{**client.send, "signer": Key()})
    late = client.send
    await client.trader.place([client.order()], **late)
    with pytest.raises(VenueRejected, match="Invalid nonce: duplicate nonce"):
        await client.trader.place([client.order(0.8)], **late)


async def test_an_expired_order_is_not_sent(client):
    order = client.order()
    with pytest.raises(VenueUnavailable, match="expired while waiting"):
        await client.trader.place([order], **{**client.send, "valid_until": wall_clock() - 1})
    assert await client.get(order) is None


async def test_an_order_signed_for_the_other_network_recovers_an_unknown_address(simulator):
    simulator.account_engine.exchange.rules = Rules(strict_source="b")
    trader = HyperliquidTrader("hyperliquid-sim", f"http://127.0.0.1:{simulator.port}", network="mainnet")
    client = AccountClient(simulator, trader)
    with pytest.raises(VenueRejected, match="does not exist"):
        await client.place(client.order())
    await trader.close()


# --- a scripted venue ----------------------------------------------------------------------------
META = {"universe": [{"name": "BTC", "szDecimals": 5}]}
RESTS = b'{"status":"ok","response":{"type":"order","data":{"statuses":[{"resting":{"oid":5}}]}}}'
ORDER = OrderSpec("0x" + "0" * 31 + "1", "BTC", "buy", "limit", "gtc", D(100), D(1))


class Scripted:
    """Answers `/exchange` with `status` and `body`; `cut` aborts the n-th request instead."""

    def __init__(self):
        self.status, self.body, self.cut, self.sends = 200, RESTS, None, 0

    async def info(self, request):
        query = await request.json()
        return web.json_response(META if query["type"] == "meta" else {"universe": [], "tokens": []})

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
    [(422, b"Failed to deserialize the JSON body into the target type", VenueRejected),
     (400, b'{"error": "bad"}', VenueRejected), (403, b"<html>", VenueRejected), (429, b"null", VenueUnavailable),
     (408, b"", OutcomeUnknown), (500, b"null", OutcomeUnknown), (502, b"<html>", OutcomeUnknown),
     (503, b"", OutcomeUnknown), (302, b"", OutcomeUnknown),
     (200, RESTS[:40], OutcomeUnknown), (200, b"", OutcomeUnknown), (200, b"null", OutcomeUnknown),
     (200, b'{"status":"ok"}', OutcomeUnknown), (200, b'{"status":"ok","response":{}}', OutcomeUnknown),
     (200, b'{"status":"err","response":"Must deposit"}', VenueRejected)],
)  # fmt: skip
async def test_each_response_raises_the_matching_error(scripted, trader, status, body, problem):
    scripted.status, scripted.body = status, body
    with pytest.raises(VenueError) as raised:
        await trader.place([ORDER], **sending())
    assert raised.type is problem
    assert scripted.sends == 1


async def test_a_lost_kept_alive_connection_is_not_retried(scripted, trader):
    assert await trader.place([ORDER], **sending()) == [Accepted("5")]
    scripted.cut = 2
    with pytest.raises(OutcomeUnknown):
        await trader.place([ORDER], **sending())
    assert scripted.sends == 2
    assert await trader.place([ORDER], **sending()) == [Accepted("5")]


async def test_an_unreachable_venue_means_that_nothing_was_sent(scripted, trader):
    await trader.place([ORDER], **sending())
    await scripted.__aexit__()
    with pytest.raises(VenueUnavailable) as raised:
        await trader.place([ORDER], **sending())
    assert raised.type is VenueUnavailable


@pytest.mark.parametrize("change", [{"size": D("0.000000001")}, {"kind": "stop_market"}])
async def test_an_order_that_cannot_be_encoded_is_rejected_before_it_is_sent(scripted, trader, change):
    with pytest.raises(VenueRejected):
        await trader.place([replace(ORDER, **change)], **sending())
    assert scripted.sends == 0


async def test_an_invalid_query_response_is_an_unavailable_venue(scripted, trader):
    with pytest.raises(VenueUnavailable, match="invalid response"):
        await trader.order_get("0x" + "0" * 40, venue_id="1")


# --- by the settings -----------------------------------------------------------------------------
async def test_the_network_must_match_the_address(settings):
    settings.HYPERLIQUID_URL, settings.HYPERLIQUID_NETWORK = "https://api.hyperliquid.xyz/", "mainnet"
    trader = trader_for("hyperliquid")
    assert trader._exchange._network == "mainnet"
    await trader.close()
    settings.HYPERLIQUID_NETWORK = "testnet"
    with pytest.raises(ImproperlyConfigured, match="does not belong to the network 'testnet'"):
        trader_for("hyperliquid")
    settings.HYPERLIQUID_URL, settings.HYPERLIQUID_NETWORK = "https://api.hyperliquid-testnet.xyz", "mainnet"
    with pytest.raises(ImproperlyConfigured):
        trader_for("hyperliquid")


async def test_the_simulator_is_a_test_network_whatever_its_address(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:8010"
    trader = trader_for("hyperliquid-sim")
    assert (trader._exchange._network, trader.stream_slots) == ("testnet", settings.MAX_PRIVATE_STREAMS)
    await trader.close()
