"""EMA trend: size and stop by hand, crossovers, the trailing stop, and the limits."""

from decimal import Decimal

import pytest

from bots.domain.lifecycle import Status
from bots.sdk import parse_inputs
from bots.strategies.trend import Trend, size_for
from tests.bots.market_harness import BotHarness, candles_made, candles_read, spec, terms
from tests.market.recordings import absent, recorded

CRASH = 1760126400000  # 2025-10-10 20:00 UTC; the fall began at 21:15
SHORT = {"interval": "5m", "fast": 2, "slow": 4, "atr_period": 3, "stop": "2", "risk": "1"}
PERP = terms(budget=10_000, price_decimals=2, size_decimals=3)
FALLING = [str(110 - n) for n in range(10)]
RISING = [str(101 + 2 * n) for n in range(8)]


def driver(raw=None, given=PERP, warm=FALLING):
    candles = candles_made(warm)
    market = BotHarness(spec(Trend, {**SHORT, **(raw or {})}, given), candles)
    market.start(candles[-1].close)
    return market


def later(closes):
    return candles_made(closes, first=10**8)


def test_size_is_the_risk_over_the_distance_and_never_more_than_the_budget():
    assert size_for(Decimal(100), Decimal(4), Decimal(100), Decimal(10_000)) == 25
    assert size_for(Decimal(100), Decimal("0.1"), Decimal(100), Decimal(10_000)) == 100


def test_before_a_cross_it_is_idle_with_a_reason():
    market = driver()
    market.move(101)
    assert (market.snapshot.status, market.snapshot.reason) == (
        Status.IDLE,
        "No signal: the fast EMA is below the slow EMA.",
    )
    market = driver(warm=["100", "101"])
    market.move(101)
    assert market.snapshot.reason == "Waiting for candles: 2 of 5 are available."


def test_a_crossing_is_entered_once_with_a_stop_at_the_venue():
    market = driver()
    market.play(later(RISING[:4]))
    assert [(level_id, side) for level_id, side, *_ in market.fills] == [("entry", "buy")]
    [stop] = market.snapshot.live
    assert (stop.level.side, stop.level.reduce_only, stop.remaining) == ("sell", True, market.size)
    orders = [request.order for d in market.decisions for request in d.requests if hasattr(request, "order")]
    first = next(order for order in orders if order.kind == "stop_market")
    _, _, price, size = market.fills[0]
    assert Decimal(95) < size * (price - first.trigger_price) <= Decimal(100)  # 1 % of 10,000


def test_the_stop_follows_the_price_and_never_goes_back():
    market = driver()
    triggers = []
    for candle in later([*RISING, "112", "111"]):
        market.play([candle])
        triggers += [order.level.trigger for order in market.snapshot.live if order.level.trigger]
    assert triggers == sorted(triggers)
    assert triggers[-1] > triggers[0]


def test_a_reached_stop_ends_the_trade_until_the_next_crossing():
    market = driver()
    market.play(later(RISING[:5]))
    [stop] = market.snapshot.live
    market.move(stop.level.trigger - 1)
    market.move(109)
    assert (market.size, market.standing()) == (0, [])
    assert [level_id[:4] for level_id, *_ in market.fills] == ["entr", "stop"]
    assert market.snapshot.reason.startswith("The stop was hit")


def test_a_price_that_jumps_over_the_stop_and_its_worst_price_is_followed():
    market = driver()
    market.play(later(RISING[:5]))
    market.move(80)
    assert (market.size, market.standing()) == (0, [])
    assert [level_id for level_id, *_ in market.fills] == ["entry", "close"]


def test_the_opposite_crossing_closes_and_turns_round_where_that_is_allowed():
    for direction, sign in (("long", 0), ("both", -1)):
        market = driver({"direction": direction, "stop": "20"})
        market.play(later(RISING))
        assert market.size > 0
        closes = [str(115 - 2 * n) for n in range(10)]
        market.play(candles_made(closes, first=2 * 10**8))
        assert (market.size > 0) - (market.size < 0) == sign


def test_on_spot_the_price_is_watched_instead():
    given = terms("spot", budget=10_000, price_decimals=2, size_decimals=3)
    market = driver(given=given)
    market.play(later(RISING[:4]))
    assert market.size > 0
    assert market.standing() == []
    market.move(80)
    assert market.size == 0


def test_inputs_that_cannot_work_are_named():
    assert Trend(parse_inputs(Trend, {**SHORT, "fast": 4})).validate(PERP).keys() == {"slow"}
    both = Trend(parse_inputs(Trend, {**SHORT, "direction": "both"}))
    assert both.validate(terms("spot")).keys() == {"direction"}
    assert both.validate(PERP) == {}


@pytest.mark.parametrize("name", ["BTCUSDT", "ETHUSDT"])
def test_limits_hold_through_the_crash_of_october_2025(name):
    [path] = recorded(f"candles/binance_usdm_5m/{name}-5m.csv.gz")
    candles = candles_read(path, CRASH - 60 * 300_000, 400)
    if candles[0].open_time > CRASH:
        absent("the crash is not in these data")
    given = terms(leverage=3, price_decimals=2)
    raw = {"interval": "5m", "fast": 5, "slow": 15, "direction": "both"}
    market = BotHarness(spec(Trend, raw, given), candles[:60])
    market.start(candles[60].open)
    market.play(candles[60:])
    assert any(level_id == "entry" for level_id, *_ in market.fills)
    assert market.worst_seen <= given.buying_power
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback
    stops = [order for order in market.snapshot.live if order.level.reduce_only]
    assert len(stops) == (1 if market.size else 0)
