"""Each rule of the risk check on both sides of its bound, and its message."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.instruments import Instrument, InstrumentRules, LeverageTier
from wallets.domain.denials import REASONS, Denial, document
from wallets.domain.errors import OrderInvalid
from wallets.domain.pricing import request_check, worst_price
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Denied, check, risk_check_of
from wallets.domain.risk_context import Exposure, RiskContext, TradingLimits
from wallets.domain.status import TradingState

D = Decimal
RULES = replace(
    InstrumentRules.from_decimals(
        size_decimals=5, price_decimals=1, significant_figures=5, min_notional=D(10)
    ),
    min_size=D("0.0001"),
    max_size=D(1000),
)
BTC = Instrument("hyperliquid-sim", "BTC", "perp", "BTC", "USDC", RULES, max_leverage=40)
HYPE = Instrument(
    "hyperliquid-sim", "HYPE/USDC", "spot", "HYPE", "USDC", InstrumentRules.from_decimals(2, 6, 5, D(10))
)
LIMITS = TradingLimits(D(100_000), D(1_000_000), D(500_000), 10, D(10), 120)
NUMBERS = {"size", "price", "trigger_price", "slippage_percent"}


def request(**changes):
    fields = {
        "client_id": UUID(int=1), "venue": "hyperliquid-sim", "symbol": "BTC", "side": "buy", "kind": "limit",
        "size": D("0.01"), "price": D(49_000),
    }  # fmt: skip
    fields |= {
        name: D(value) if name in NUMBERS and value is not None else value for name, value in changes.items()
    }
    return OrderRequest(**fields)


def test_the_denial_of_a_dust_position_says_that_reduce_only_closes_it():
    def message(**changes):
        return check(request(side="sell", size="0.0001"), BTC, context(**changes)).message

    assert message(size="0.0001", cost="5").endswith("A reduce-only order closes the position.")
    assert message().endswith("USDC.")


def context(**changes):
    own = {
        "mark": D(50_000),
        **{
            name: changes.pop(name)
            for name in ("size", "cost", "buys", "sells", "leverage")
            if name in changes
        },
    }
    if "mark" in changes:
        own["mark"] = changes.pop("mark")
    own = {
        name: D(value) if isinstance(value, str | int) and name != "leverage" else value
        for name, value in own.items()
    }
    limits = replace(LIMITS, **changes.pop("limits", {}))
    fields = {
        "state": TradingState.ACTIVE, "wallet_status": "active", "limits": limits, "exposure": Exposure(**own),
        "other_exposures": (), "available": {("perp", "USDC"): D(10_000)}, "cash": D(10_000), "bid": D(49_999),
        "ask": D(50_001), "mark_age": 100, "orders_minute": 0, "open_orders": 0, "day_notional": D(0),
        "taker_fee": D("0.00045"),
    }  # fmt: skip
    return RiskContext(**{**fields, **changes})


def spot(**changes):
    available = {("spot", "USDC"): D(1_000), ("spot", "HYPE"): D(100)}
    return context(mark="25", available=available, bid=D("24.9"), ask=D("25.1"), **changes)


def verdict(asked=None, now=None, instrument=BTC):
    return check(request_check(asked or request()), instrument, now or context())


def test_what_is_approved_names_its_worst_price_and_what_it_holds_back():
    assert verdict() == Approved(D(49_000), D("24.72050000"), "perp", "USDC")


LONG = {"size": "0.05", "cost": "2500"}
SHORT = {"size": "-0.05", "cost": "-2500"}
STOP = {"side": "sell", "kind": "stop_market", "price": None, "reduce_only": True}

DENIED = [
    (Denial.HALTED, {}, {"state": TradingState.HALTED}),
    (Denial.HALTED, {"side": "sell", "price": 51_000, "reduce_only": True}, {"state": TradingState.HALTED, **LONG}),
    (Denial.REDUCING, {}, {"state": TradingState.REDUCING}),
    (Denial.REDUCING, {"side": "sell", "price": 51_000, "size": "0.06"}, {"state": TradingState.REDUCING, **LONG}),
    (Denial.WALLET_INACTIVE, {}, {"wallet_status": "key_pending"}),
    (Denial.PRICE_TICK, {"price": "49000.5"}, {}),
    (Denial.PRICE_TICK, {**STOP, "trigger_price": "48000.5"}, LONG),
    (Denial.SIZE_STEP, {"size": "0.012345678"}, {}),
    (Denial.MIN_SIZE, {"size": "0.00009"}, {}),
    (Denial.MAX_SIZE, {"size": "1001"}, {}),
    (Denial.NOTHING_TO_REDUCE, {"side": "sell", "price": 51_000, "reduce_only": True}, {}),
    (Denial.NOTHING_TO_REDUCE, {"reduce_only": True}, LONG),
    (Denial.TRIGGER_NOT_REDUCING, {**STOP, "trigger_price": 48_000, "reduce_only": False}, LONG),
    (Denial.STALE_PRICE, {}, {"mark_age": 10_001}),
    (Denial.STALE_PRICE, {}, {"mark_age": None}),
    (Denial.STALE_PRICE, {"kind": "market", "price": None}, {"bid": None, "ask": None}),
    (Denial.TRIGGER_SIDE, {**STOP, "trigger_price": 50_001}, LONG),
    (Denial.TRIGGER_SIDE, {**STOP, "trigger_price": 50_000}, LONG),
    (Denial.TRIGGER_SIDE, {**STOP, "kind": "take_profit_market", "trigger_price": 49_000}, LONG),
    (Denial.TRIGGER_SIDE, {**STOP, "side": "buy", "trigger_price": 49_000}, SHORT),
    (Denial.PRICE_BAND, {"price": 55_001}, {}),
    (Denial.PRICE_BAND, {"side": "sell", "price": 44_999}, {}),
    (Denial.PRICE_BAND, {"kind": "market", "price": None, "slippage_percent": 11}, {}),
    (Denial.PRICE_BAND, {**STOP, "price": 43_000, "trigger_price": 48_000}, LONG),
    (Denial.MIN_NOTIONAL, {"size": "0.0002"}, {}),
    (Denial.ORDER_RATE, {}, {"orders_minute": 120}),
    (Denial.OPEN_ORDERS, {}, {"open_orders": 1_000}),
    (Denial.ORDER_LIMIT, {"size": "3"}, {}),
    (Denial.DAILY_LIMIT, {}, {"day_notional": D(999_511)}),
    (Denial.POSITION_LIMIT, {}, {"limits": {"position": D(499)}}),
    (Denial.POSITION_LIMIT, {}, {"limits": {"position": D(2_000)}, "buys": "0.04"}),
    (Denial.POSITION_LIMIT, {}, {"limits": {"position": D(2_900)}, **LONG}),
    (Denial.LEVERAGE, {"size": "2.04"}, {}),
    (Denial.LEVERAGE, {}, {"other_exposures": (Exposure(D(40), D(100_000), mark=D(2_500)),)}),
    (Denial.INSUFFICIENT_FUNDS, {}, {"available": {("perp", "USDC"): D("24.72")}}),
    (Denial.INSUFFICIENT_FUNDS, {}, {"available": {}, "cash": D(0)}),
    (Denial.INSUFFICIENT_FUNDS, {"size": "0.5"}, {"size": "1", "cost": "59000", "limits": {"leverage": 100}}),
]  # fmt: skip


@pytest.mark.parametrize(("denial", "asked", "now"), DENIED)
def test_denied(denial, asked, now):
    answer = verdict(request(**asked), context(**now))
    assert isinstance(answer, Denied)
    assert answer.denial is denial
    assert "{" not in answer.message


APPROVED = [
    ({"side": "sell", "price": 51_000, "size": "0.05"}, {"state": TradingState.REDUCING, **LONG}),
    ({"price": 10_000}, {}),
    ({"side": "sell", "price": 90_000}, {}),
    ({"price": 55_000}, {}),
    ({"side": "sell", "price": 44_000, "size": "0.01", "reduce_only": True}, {"mark_age": None, **LONG}),
    ({"side": "sell", "price": 50_000, "size": "0.0001", "reduce_only": True}, LONG),
    ({"side": "sell", "kind": "market", "price": None, "size": "0.05"}, {"mark_age": 60_000, **LONG}),
    ({**STOP, "trigger_price": 49_000}, LONG),
    ({**STOP, "kind": "take_profit_market", "trigger_price": 51_000}, LONG),
    ({**STOP, "side": "buy", "trigger_price": 51_000}, SHORT),
    ({**STOP, "side": "buy", "kind": "take_profit_limit", "price": 49_100, "trigger_price": 49_000}, SHORT),
    ({}, {"mark_age": 10_000, "orders_minute": 119, "open_orders": 999}),
    ({}, {"day_notional": D(999_510)}),
    ({"side": "sell", "price": 50_000, "size": "2.2", "reduce_only": True}, {"size": "3", "cost": "150000"}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "now"), APPROVED)
def test_approved(asked, now):
    assert isinstance(verdict(request(**asked), context(**now)), Approved)


@pytest.mark.parametrize(
    ("asked", "now", "amount"),
    [
        ({"side": "sell", "price": 50_000, "size": "0.05"}, LONG, "0"),
        ({"side": "sell", "price": 50_000, "size": "0.06"}, LONG, "25.225"),
        ({"side": "sell", "price": 50_000, "size": "0.05"}, {**LONG, "sells": "0.05"}, "126.125"),
        (
            {"side": "sell", "price": 50_000, "size": "0.05", "reduce_only": True},
            {**LONG, "sells": "0.05"},
            "0",
        ),
        ({"leverage": None}, {"leverage": 2}, "245.2205"),
    ],
)
def test_only_what_opens_is_held_back(asked, now, amount):
    asked = {name: value for name, value in asked.items() if name != "leverage"}
    answer = verdict(request(**asked), context(**now))
    assert isinstance(answer, Approved)
    assert answer.reserve == D(amount)


# --- spot ---------------------------------------------------------------------------------------------
def test_a_spot_buy_holds_back_its_price_and_a_sell_its_coins():
    buy = request(symbol="HYPE/USDC", price=25, size=10)
    assert verdict(buy, spot(), HYPE) == Approved(D(25), D(250), "spot", "USDC")
    sell = request(symbol="HYPE/USDC", price=25, size=10, side="sell")
    assert verdict(sell, spot(), HYPE) == Approved(D(25), D(10), "spot", "HYPE")


@pytest.mark.parametrize(
    ("denial", "asked", "now"),
    [
        (Denial.SPOT_RULES, {"reduce_only": True}, {}),
        (Denial.SPOT_RULES, {"kind": "stop_limit", "trigger_price": 26}, {}),
        (Denial.INSUFFICIENT_FUNDS, {"size": 41}, {}),
        (Denial.INSUFFICIENT_FUNDS, {"size": 101, "side": "sell"}, {}),
        (Denial.REDUCING, {}, {"state": TradingState.REDUCING}),
        (Denial.POSITION_LIMIT, {"size": 10}, {"size": "20", "limits": {"position": D(700)}}),
    ],
)
def test_spot_denied(denial, asked, now):
    fields = {"symbol": "HYPE/USDC", "price": 25, "size": 10, **asked}
    answer = verdict(request(**fields), spot(**now), HYPE)
    assert isinstance(answer, Denied)
    assert answer.denial is denial


def test_a_spot_sell_goes_out_while_reducing_and_without_a_fresh_price():
    sell = request(symbol="HYPE/USDC", price=25, size=10, side="sell")
    assert isinstance(verdict(sell, spot(state=TradingState.REDUCING, mark_age=None), HYPE), Approved)


def test_what_does_not_trade_is_denied():
    answer = verdict(instrument=replace(BTC, status="halted"))
    assert isinstance(answer, Denied)
    assert (answer.denial, answer.message) == (Denial.INSTRUMENT_NOT_TRADING, "BTC is not trading now.")


def test_a_message_contains_the_numbers():
    answer = verdict(request(price="49000.5"))
    assert isinstance(answer, Denied)
    assert answer.message == "49000.5 is not a valid price of BTC; the nearest prices are 49000 and 49001."


# --- the worst price ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "price"),
    [
        ({"side": "buy"}, "50251"),
        ({"side": "sell"}, "49750"),
        ({"side": "buy", "slippage_percent": 0}, "50001"),
        ({"side": "sell", "kind": "stop_market", "trigger_price": 48_000, "slippage_percent": 5}, "45600"),
        ({"side": "sell", "kind": "stop_market", "trigger_price": 48_000, "slippage_percent": None}, "43200"),
        ({"side": "buy", "slippage_percent": None}, "50251"),
        ({"side": "buy", "price": 52_000}, "52000"),
    ],
)
def test_market_kinds_get_a_worst_price(asked, price):
    found = worst_price(
        request(**{"kind": "market", "price": None, **asked}), RULES, bid=D(49_999), ask=D(50_001)
    )
    assert found == D(price)


@given(
    best=st.decimals("0.001", "200000", places=6),
    slip=st.decimals(0, 50, places=2),
    side=st.sampled_from(["buy", "sell"]),
)
def test_the_worst_price_is_valid_and_never_worse_than_asked(best, slip, side):
    best = RULES.round_price(max(best, D(1)))
    asked = request(kind="market", price=None, side=side, slippage_percent=slip)
    found = worst_price(asked, RULES, bid=best, ask=best)
    assert found is not None
    assert RULES.price_is_valid(found)
    if side == "buy":
        assert best <= found <= best * (1 + slip / 100)
    else:
        assert best >= found >= best * (1 - slip / 100)


# --- fields -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("size", {"size": "0"}),
        ("size", {"size": "-1"}),
        ("size", {"size": "NaN"}),
        ("size", {"size": "sNaN"}),
        ("size", {"size": "Infinity"}),
        ("size", {"size": "1e30"}),
        ("size", {"size": "0.0000000000000000001"}),
        ("price", {"price": "-5"}),
        ("price", {"price": "NaN"}),
        ("price", {"price": None}),
        ("trigger_price", {"kind": "stop_market"}),
        ("trigger_price", {"kind": "stop_market", "trigger_price": "0"}),
        ("trigger_price", {"trigger_price": "50000"}),
        ("tif", {"kind": "market", "price": None, "tif": "alo"}),
        ("tif", {"kind": "stop_limit", "trigger_price": "1", "tif": "alo"}),
        ("tif", {"tif": "never"}),
        ("kind", {"kind": "twap"}),
        ("side", {"side": "both"}),
        ("slippage_percent", {"slippage_percent": "-1"}),
        ("slippage_percent", {"slippage_percent": "NaN"}),
        ("slippage_percent", {"slippage_percent": "51"}),
    ],
)
def test_a_field_that_cannot_be_is_named(field, changes):
    with pytest.raises(OrderInvalid) as caught:
        request_check(request(**changes))
    assert caught.value.field == field
    assert caught.value.message


def test_market_orders_are_immediate_and_triggers_wait():
    assert request_check(request(kind="market", price=None)).tif == "ioc"
    assert request_check(request(kind="stop_limit", trigger_price="1")).tif == "gtc"
    assert request_check(request(tif="ioc")).tif == "ioc"


# --- properties ---------------------------------------------------------------------------------------
amounts = st.decimals("0", "5", places=5)


@given(size=st.decimals("0.001", "5", places=5), held=st.decimals("-5", "5", places=5), waiting=amounts,
       side=st.sampled_from(["buy", "sell"]))  # fmt: skip
def test_what_opens_and_what_closes_is_the_whole_size(size, held, waiting, side):
    now = context(size=held, cost=held * 50_000, **{"buys" if side == "buy" else "sells": waiting})
    case = risk_check_of(request(size=size, side=side), BTC, now)
    assert 0 <= case.opens <= size
    assert size - case.opens <= case.closable <= abs(held)


@given(size=st.decimals("0.001", "3", places=5), cash=st.decimals("0", "100000", places=2))
def test_nothing_is_approved_that_cannot_be_paid(size, cash):
    now = context(available={("perp", "USDC"): cash}, cash=cash)
    answer = verdict(request(size=size), now)
    if isinstance(answer, Approved):
        assert answer.reserve <= cash
        assert answer.reserve >= size * 49_000 / 20


@pytest.mark.parametrize(("size", "denied"), [("0.01", None), ("0.02", None), ("0.03", Denial.LEVERAGE_TIER)])
def test_the_leverage_of_a_larger_position_is_bounded_by_its_tier(size, denied):
    tiers = (LeverageTier(D(1_000), 20), LeverageTier(None, 5))
    answer = verdict(
        request(size=D(size)), context(leverage=20), instrument=replace(BTC, leverage_tiers=tiers)
    )
    assert getattr(answer, "denial", None) is denied
    if denied:
        assert "20x is above 5x" in answer.message


# --- documentation ------------------------------------------------------------------------------------
def test_every_denial_has_its_words_and_a_case():
    assert set(REASONS) == set(Denial)
    assert {denial for denial, *_ in DENIED} >= set(Denial) - {
        Denial.INSTRUMENT_NOT_TRADING, Denial.SPOT_RULES, Denial.REPLACED_ORDER_CLOSED, Denial.LEVERAGE_TIER,
    }  # fmt: skip


def test_the_page_of_denials_is_generated_from_the_enum():
    assert Path("docs/denials.md").read_text(encoding="utf-8") == document()
