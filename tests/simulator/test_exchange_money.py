"""Margin, funding, liquidation, and the invariants of all balances."""

from contextlib import closing
from decimal import Decimal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.venues.hyperliquid import signing
from simulator.hyperliquid.exchange import journal, margin
from simulator.hyperliquid.exchange.accounts import Position
from simulator.hyperliquid.exchange.core import Exchange
from simulator.markets.candles import HOUR
from simulator.markets.universe import UNIVERSE
from tests.simulator.conftest import NOW, small_world
from tests.simulator.signed_client import USD, VenueClient

LISTINGS = {listing.coin: listing for listing in UNIVERSE}


@pytest.fixture
def venue():
    return VenueClient()


@pytest.fixture
def alice(venue):
    return venue.trader()


def buy(venue, trader, coin, size):
    return trader.order(coin, "buy", venue.price(coin, 1.05), size, tif="Ioc")


def position(trader):
    [row] = trader.ask("clearinghouseState")["assetPositions"]
    return row["position"]


# --- positions ---------------------------------------------------------------------------------
@given(st.lists(st.tuples(st.integers(-1000, 1000).filter(bool), st.integers(1, 10**6)), max_size=30))
def test_realised_pnl_and_cost_equal_the_traded_notional(trades):
    position_value, earned, cash = Position(), 0, 0
    for lots, price in trades:
        earned += position_value.trade(lots, price).pnl
        cash -= lots * price
    assert cash + position_value.cost == earned
    assert position_value.lots == sum(lots for lots, _ in trades)
    assert position_value.lots or not position_value.cost


@pytest.mark.parametrize(
    ("coin", "notional", "needed"),
    [("BTC", 1_000_000, 12_500), ("BTC", 250_000_000, 150_000_000 // 80 + 100_000_000 // 40),
     ("ETH", 100_000, 2_000), ("DOGE", 1_000, 50)],
)  # fmt: skip
def test_maintenance_is_half_of_the_initial_margin_tier_by_tier(coin, notional, needed):
    assert margin.maintenance(LISTINGS[coin], notional * USD) == needed * USD


def test_a_position_has_margin_and_a_liquidation_price(venue, alice):
    buy(venue, alice, "BTC", "2")
    row = position(alice)
    state = alice.ask("clearinghouseState")
    value = Decimal(row["positionValue"])
    assert Decimal(row["marginUsed"]) == value / row["leverage"]["value"]
    assert Decimal(state["crossMaintenanceMarginUsed"]) == value / 80
    summary = state["marginSummary"]
    assert Decimal(summary["accountValue"]) == Decimal(summary["totalRawUsd"]) + value
    fall = 1 - Decimal(row["liquidationPx"]) / venue.mark("BTC")
    assert Decimal("0.4") < fall < Decimal("0.6")


def test_orders_reserve_margin_on_the_worse_side_only(venue, alice):
    for side, factor in (("buy", 0.99), ("sell", 1.01)):
        assert "resting" in alice.order("BTC", side, venue.price("BTC", factor), "15")
    free = Decimal(alice.ask("clearinghouseState")["withdrawable"])
    assert 25_000 < free < 40_000
    assert "error" in alice.order("BTC", "buy", venue.price("BTC", 0.99), "15")


def test_an_isolated_position_has_its_own_cash(venue, alice):
    alice.act(signing.leverage_action(1, 10, "isolated"))
    buy(venue, alice, "ETH", "10")
    row = position(alice)
    assert row["leverage"]["type"] == "isolated"
    assert Decimal(row["marginUsed"]) == pytest.approx(
        Decimal(row["positionValue"]) / 10, rel=Decimal("0.01")
    )
    alice.act({"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": 500 * USD})
    more = Decimal(position(alice)["marginUsed"]) - Decimal(row["marginUsed"])
    assert more == 500
    refused = alice.act({"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -900 * USD})
    assert refused["status"] == "err"
    assert alice.act(signing.leverage_action(1, 10, "cross"))["status"] == "err"
    alice.order("ETH", "sell", venue.price("ETH", 0.95), "10", tif="Ioc", reduce_only=True)
    assert alice.account.positions["ETH"].raw == 0
    assert venue.sound()


def test_lower_leverage_without_enough_margin_is_refused(venue, alice):
    buy(venue, alice, "ETH", "300")
    answer = alice.act(signing.leverage_action(1, 2, "cross"))
    assert answer["status"] == "err"
    assert position(alice)["leverage"]["value"] == 20


def test_the_fee_of_a_spot_trade_is_taken_from_what_is_received(venue, alice):
    alice.account.raw -= 1_000 * USD
    alice.account.holding(0).total += 1_000 * USD * 100
    bought = alice.order("@107", "buy", venue.price("@107", 1.03), "5", tif="Ioc")["filled"]
    balances = {row["coin"]: row for row in alice.ask("spotClearinghouseState")["balances"]}
    assert Decimal(balances["HYPE"]["total"]) == 5 * (1 - Decimal("0.0007"))
    entry = Decimal(balances["HYPE"]["entryNtl"])
    assert entry == 1_000 - Decimal(balances["USDC"]["total"])
    assert entry == pytest.approx(5 * Decimal(bought["avgPx"]), rel=Decimal("0.001"))
    alice.order("@107", "sell", venue.price("@107", 0.97), "4", tif="Ioc")
    fill = alice.ask("userFills")[0]
    assert fill["feeToken"] == "USDC"
    notional = Decimal(fill["px"]) * Decimal(fill["sz"])
    assert Decimal(fill["fee"]) == (notional * Decimal("0.0007")).quantize(Decimal(10) ** -8)
    assert venue.sound()


# --- funding -----------------------------------------------------------------------------------
def test_funding_is_paid_at_the_full_hour(venue, alice):
    bob = venue.trader()
    buy(venue, alice, "ETH", "10")
    bob.order("ETH", "sell", venue.price("ETH", 0.95), "10", tif="Ioc")
    before = {trader: trader.account.raw for trader in (alice, bob)}
    hour = (venue.now // HOUR + 1) * HOUR
    venue.world.now = hour - 200
    venue.run(0.1)
    assert alice.ask("userFunding", startTime=0) == []
    venue.run(0.2)
    [row] = alice.ask("userFunding", startTime=0)
    market = venue.world.markets["ETH"]
    rate = Decimal(row["delta"]["fundingRate"])
    price = Decimal(market.listing.price_text(market.path.price(hour)))
    assert Decimal(row["delta"]["usdc"]) == -(10 * price * rate).quantize(Decimal("0.000001"))
    assert row["time"] == hour
    assert (
        alice.account.raw - before[alice]
        == -(bob.account.raw - before[bob])
        == int(Decimal(row["delta"]["usdc"]) * USD)
    )
    assert position(alice)["cumFunding"]["sinceOpen"] == str(-Decimal(row["delta"]["usdc"]).normalize())
    assert venue.sound()


# --- liquidation -------------------------------------------------------------------------------
def test_a_small_position_is_sold_when_the_margin_is_gone(venue):
    alice = venue.trader(1_000)
    alice.act(signing.leverage_action(1, 25, "cross"))
    buy(venue, alice, "ETH", "7")
    alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.001")
    venue.account_engine.drain()
    venue.jump("ETH", 0.968)
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    fill = alice.ask("userFills")[0]
    assert fill["liquidation"]["method"] == "market"
    assert fill["liquidation"]["liquidatedUser"] == alice.address
    assert {row["status"] for row in alice.ask("historicalOrders")} >= {"filled"}
    assert any(notice.kind == "liquidation" for notice in venue.account_engine.drain())
    assert alice.ask("userNonFundingLedgerUpdates", startTime=0)[-1]["delta"]["type"] == "liquidation"
    assert venue.sound()


def test_orders_of_the_liquidated_are_cancelled(venue):
    alice = venue.trader(1_000)
    alice.act(signing.leverage_action(1, 25, "cross"))
    buy(venue, alice, "ETH", "7")
    oid = alice.order("ETH", "sell", venue.price("ETH", 1.1), "1")["resting"]["oid"]
    venue.jump("ETH", 0.968)
    assert alice.status(oid) == "liquidatedCanceled"


def test_far_below_the_margin_everything_is_taken(venue):
    alice = venue.trader(1_000)
    alice.act(signing.leverage_action(1, 25, "cross"))
    buy(venue, alice, "ETH", "7")
    venue.jump("ETH", 0.9)
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    assert alice.ask("clearinghouseState")["marginSummary"]["accountValue"] == "0.0"
    assert alice.ask("userFills")[0]["liquidation"]["method"] == "backstop"
    assert venue.sound()


def test_of_a_large_position_a_fifth_goes_first(venue):
    alice = venue.trader(20_000)
    alice.act(signing.leverage_action(1, 25, "cross"))
    buy(venue, alice, "ETH", "120")
    size = Decimal(position(alice)["szi"])
    market = venue.world.markets["ETH"]
    limit = Decimal(position(alice)["liquidationPx"])
    venue.jump("ETH", float(limit / venue.mark("ETH")) - 0.0015)
    left = Decimal(position(alice)["szi"])
    assert left == size - -(-int(size * 10**4) // 5) / Decimal(10**4)
    assert market
    assert venue.sound()


def test_an_isolated_liquidation_leaves_the_rest_alone(venue, alice):
    alice.act(signing.leverage_action(1, 25, "isolated"))
    buy(venue, alice, "ETH", "7")
    alice.order("BTC", "buy", venue.price("BTC", 1.02), "0.1", tif="Ioc")
    venue.jump("ETH", 0.95)
    assert [row["position"]["coin"] for row in alice.ask("clearinghouseState")["assetPositions"]] == ["BTC"]
    assert Decimal(alice.ask("clearinghouseState")["marginSummary"]["accountValue"]) > 98_000
    assert venue.sound()


def test_an_order_at_the_touch_that_is_no_longer_covered_is_cancelled(venue):
    alice = venue.trader(10_000)
    alice.order("DOGE", "buy", venue.price("DOGE", 0.5), "200")
    buy(venue, alice, "ETH", "40")
    bid = venue.top("BTC")[0]
    oid = alice.order("BTC", "buy", bid, "0.7")["resting"]["oid"]
    venue.world.markets["BTC"].faults.frozen_until = NOW + HOUR
    venue.jump("ETH", 0.96)
    venue.run(1.1)
    assert alice.status(oid) == "marginCanceled"


# --- invariants --------------------------------------------------------------------------------
COINS = ("ETH", "@107")
ORDERS = st.tuples(
    st.just("order"), st.integers(0, 1), st.sampled_from(COINS), st.sampled_from(["buy", "sell"]),
    st.sampled_from([0.97, 0.999, 1, 1.001, 1.03]), st.integers(1, 60),
    st.sampled_from(["Gtc", "Ioc", "Alo"]), st.booleans(),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        ORDERS,
        ORDERS,
        ORDERS,
        st.tuples(st.just("cancel"), st.integers(0, 1), st.integers(0, 5)),
        st.tuples(st.just("run"), st.integers(1, 8)),
        st.tuples(st.just("jump"), st.sampled_from(COINS), st.sampled_from([0.9, 0.97, 1.03, 1.1])),
        st.tuples(st.just("parts"), st.sampled_from([1, 1, 3])),
        st.tuples(st.just("hour")),
        st.tuples(st.just("stop"), st.integers(0, 1), st.sampled_from([0.96, 0.99, 1.02])),
    ),
    min_size=12,
    max_size=40,
)  # fmt: skip


class Scenario:
    """A venue with two traders and random steps."""

    def __init__(self, folder):
        self.folder = folder
        self.venue = VenueClient(folder=folder, coins=COINS)
        self.traders = [self.venue.trader(20_000) for _ in range(2)]
        for trader in self.traders:
            trader.account.raw -= 8_000 * USD
            trader.account.holding(0).total += 8_000 * USD * 100
            self.venue.account_engine.exchange.mark_dirty(trader.account)
        self.venue.account_engine.commit()

    def order(self, trader_index, coin, side, factor, size, tif, reduce_only):
        self.traders[trader_index].order(
            coin, side, self.venue.price(coin, factor), size, tif=tif,
            reduce_only=reduce_only and coin == "ETH",
        )  # fmt: skip

    def stop(self, trader_index, factor):
        price = self.venue.price("ETH", factor)
        trigger = signing.Trigger(price, "sl")
        trader = self.traders[trader_index]
        trader.orders(trader.wire("ETH", "sell", price, "3", reduce_only=True, trigger=trigger))

    def cancel(self, trader_index, order_index):
        trader = self.traders[trader_index]
        orders = trader.ask("openOrders")
        if order_index < len(orders):
            trader.cancel(orders[order_index]["coin"], orders[order_index]["oid"])

    def run(self, blocks):
        self.venue.run(blocks / 10)

    def jump(self, coin, factor):
        self.venue.jump("HYPE" if coin == "HYPE" else coin, factor)

    def parts(self, count):
        self.venue.account_engine.exchange.parts = count

    def hour(self):
        self.venue.world.now += HOUR
        self.venue.run()

    def check(self):
        self.venue.sound()
        exchange = self.venue.account_engine.exchange
        for trader in self.traders:
            self._account(trader)
        for order in exchange.orders.values():
            fills = [fill for fill in exchange.accounts[order.owner].fills if fill["oid"] == order.oid]
            size = sum(Decimal(fill["sz"]) for fill in fills)
            assert size == Decimal(exchange.market(order.coin).listing.size_text(order.filled))
            resting = exchange.market(order.coin).book.order(order.oid)
            if resting is not None:
                assert order.live
                assert resting.size == order.remaining

    def _account(self, trader):
        state = trader.ask("clearinghouseState")
        summary = state["marginSummary"]
        position_value = sum(
            Decimal(row["position"]["szi"]) * self.venue.mark(row["position"]["coin"])
            for row in state["assetPositions"]
        )
        assert Decimal(summary["accountValue"]) == Decimal(summary["totalRawUsd"]) + position_value
        resting = [row for row in trader.ask("openOrders") if row["coin"] == "@107"]
        buys = sum(Decimal(row["limitPx"]) * Decimal(row["sz"]) for row in resting if row["side"] == "B")
        sells = sum(Decimal(row["sz"]) for row in resting if row["side"] == "A")
        holds = {
            row["coin"]: Decimal(row["hold"]) for row in trader.ask("spotClearinghouseState")["balances"]
        }
        assert holds["USDC"] == buys
        assert holds.get("HYPE", 0) == sells

    def restored_state(self):
        """The state that a new process restores from the journal."""
        exchange = Exchange(small_world(now=self.venue.now, coins=COINS))
        for line in journal._lines(self.folder / journal.NAME):
            journal._apply(exchange, line)
        return snapshot(exchange)


def snapshot(exchange):
    """The whole state in normal form."""
    state = journal.changes(exchange, journal.everything(exchange))
    for account in state["accounts"].values():
        account["positions"] = {
            coin: row for coin, row in account["positions"].items() if row["lots"] or row["funding_ever"]
        }
        account["spot"] = {token: row for token, row in account["spot"].items() if any(row.values())}
    state["nonces"] = sorted(state["nonces"])
    state["exchange"] = {**state["exchange"], "now": 0, "funded_until": 0}
    return orjson.loads(orjson.dumps(state, option=orjson.OPT_SORT_KEYS))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_the_balances_add_up_and_the_journal_contains_all_state(tmp_path_factory, steps):
    scenario = Scenario(tmp_path_factory.mktemp("scenario"))
    with closing(scenario.venue.account_engine):
        for name, *arguments in steps:
            getattr(scenario, name)(*arguments)
            scenario.check()
    assert scenario.restored_state() == snapshot(scenario.venue.account_engine.exchange)
