"""Rebalancer: the difference by hand, its band and its pause, and the limits."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.lifecycle import Status
from bots.sdk import parse_inputs
from bots.strategies.rebalancer import Rebalancer, difference
from tests.bots.market_harness import BotHarness, candles_read, spec, terms
from tests.market.recordings import recorded

EXAMPLE = {"weight": "50", "band": "5", "pause": "0", "most": "100", "slip": "0.2"}
SPOT = terms("spot", budget=1000, maker="0", taker="0", price_decimals=2, size_decimals=3)


def driver(raw=None, given=SPOT, start="100"):
    market = BotHarness(spec(Rebalancer, {**EXAMPLE, **(raw or {})}, given))
    market.start(start)
    market.move(start)
    return market


def test_difference_by_hand():
    assert difference(Decimal(600), Decimal(1100), Decimal("0.5")) == -50
    assert difference(Decimal(250), Decimal(750), Decimal("0.5")) == 125


def test_worked_example_of_the_docs():
    market = driver()
    assert market.fills == [("trade", "buy", Decimal("100.01"), Decimal("4.999"))]
    market.move("104")
    assert len(market.fills) == 1
    assert market.snapshot.reason == "The share is 50.97 %, within 5 % of 50 %."
    market.move("130")  # worth 649.87 of 1149.82: 56.5 %, so 74.96 too much
    assert market.fills[1] == ("trade", "sell", Decimal("129.99"), Decimal("0.576"))
    market.move("60")
    assert market.fills[2][1] == "buy"
    equity = 1000 + market.profit("60")
    assert abs(market.size * 60 / equity - Decimal("0.5")) < Decimal("0.001")


def test_it_looks_only_every_so_often_and_trades_only_so_much():
    market = driver({"pause": "60", "most": "10"})
    assert market.size == Decimal("0.999")
    market.now += 59 * 60_000
    market.move("100")
    assert market.size == Decimal("0.999")
    assert market.snapshot.reason == "The share is 9.99 %; the next check is in 1 min."
    market.now += 2 * 60_000
    market.move("100")
    assert market.size == Decimal("1.998")


def test_a_trade_that_is_not_possible_gives_a_reason():
    given = terms("perp", budget=1000, price_decimals=2, size_decimals=3)
    market = driver({"weight": "100", "band": "0.5"}, given)
    market.move("0.5")
    assert market.snapshot.reason.endswith("is below the minimum order size, or beyond the budget.")
    market.tell(events.FundingPaid(market.now, market.seq + 1, "p", Decimal(-100)))
    market.seq += 1
    market.move("0.5")
    assert market.snapshot.reason == "The bot's equity is used up."


def test_inputs_that_cannot_work_are_named():
    tiny = Rebalancer(parse_inputs(Rebalancer, {**EXAMPLE, "band": "0.5"}))
    assert tiny.validate(SPOT).keys() == {"band"}
    assert Rebalancer(parse_inputs(Rebalancer, EXAMPLE)).validate(SPOT) == {}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(5, 400), min_size=2, max_size=40), st.integers(5, 100))
def test_limits_hold_over_random_markets(path, weight):
    market = driver(
        {"weight": str(weight)}, terms("spot", budget=1000, price_decimals=2, size_decimals=3), path[0]
    )
    for price in path:
        market.move(price)
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback
    assert market.profit(path[-1]) > -1000


def test_limits_hold_over_recorded_markets():
    [path] = recorded("candles/binance_spot_1h/DOGEUSDT-1h.csv.gz")
    candles = candles_read(path, 1760000000000, 200, "1h")
    given = terms("spot", price_decimals=5, size_decimals=0)
    market = driver({}, given, candles[0].open)
    market.play(candles, steps=1)
    assert len(market.fills) >= 3
    assert market.worst_seen <= given.buying_power
