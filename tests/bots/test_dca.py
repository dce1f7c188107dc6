"""DCA: distances and sizes by hand, a deal from entry to profit, its stop, and the limits."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.lifecycle import Status
from bots.domain.runner import Runner
from bots.sdk import parse_inputs
from bots.strategies.dca import DCA, deviations
from tests.bots.market_harness import BotHarness, candles_read, spec, terms
from tests.market.recordings import absent, recorded

CRASH = 1760126400000  # 2025-10-10 20:00 UTC; the fall began at 21:15
EXAMPLE = {
    "base": "100", "safety": "100", "count": 3, "deviation": "2", "step_scale": "1.5", "size_scale": "2",
    "take_profit": "2", "cooldown": "1",
}  # fmt: skip
SPOT = terms("spot", budget=1000, maker="0", taker="0", price_decimals=2, size_decimals=3)


def driver(raw=None, given=SPOT, start="100"):
    market = BotHarness(spec(DCA, {**EXAMPLE, **(raw or {})}, given))
    market.start(start)
    return market


def test_steps_grow_by_their_scale():
    assert deviations(Decimal(2), Decimal("1.5"), 3) == [2, 5, Decimal("9.5")]
    assert deviations(Decimal(2), Decimal("1.5"), 0) == []


def test_worked_example_of_the_docs():
    market = driver()
    assert market.fills == [("base", "buy", Decimal("100.01"), Decimal("1.000"))]
    assert market.standing() == [
        ("profit", "sell", Decimal("102.02"), Decimal("1.000")),
        ("s1", "buy", Decimal("98.00"), Decimal("1.020")),
        ("s2", "buy", Decimal("95.00"), Decimal("2.105")),
        ("s3", "buy", Decimal("90.50"), Decimal("4.419")),
    ]
    market.move("94.9")
    held = Decimal("1.000") + Decimal("1.020") + Decimal("2.105")
    average = (Decimal("100.01") + Decimal("1.020") * 98 + Decimal("2.105") * 95) / held
    assert market.snapshot.position.entry_price == average
    assert ("profit", "sell", Decimal("98.90"), held) in market.standing()  # 96.951… and 2 %
    market.move("99")
    assert market.size == 0
    assert market.snapshot.position.realised_pnl == held * Decimal("98.90") - average * held


def test_after_a_deal_it_waits_and_begins_again():
    market = driver()
    market.move("102.5")
    assert (market.size, market.standing()) == (0, [])
    assert market.snapshot.reason == "The next deal begins in 60 s."
    market.now += 59_000
    market.move("102.5")
    assert market.size == 0
    market.now += 2_000
    market.move("102.5")
    assert market.size > 0
    assert market.snapshot.status == Status.RUNNING


def test_a_filled_safety_order_is_not_placed_twice_within_a_deal():
    market = driver({"take_profit": "50"})
    for price in ("97.9", "99.5", "97.9", "99.5", "97.9"):
        market.move(price)
    assert [level_id for level_id, *_ in market.fills] == ["base", "s1"]


def test_the_stop_closes_everything_and_ends_it():
    market = driver({"stop_loss": "10"})
    for price in ("97", "94", "90", "84", "95", "100"):
        market.move(price)
    assert (market.size, market.standing()) == (0, [])
    assert market.snapshot.reason.endswith("% from the average; the limit is 10 %.")


def test_a_base_order_that_comes_to_nothing_is_tried_again_later():
    market = driver()
    runner = Runner(market.spec)
    for event in (events.Claimed(0), events.CandlesLoaded(0, ()), events.TickReceived(0, market.tick)):
        runner.on_event(event)
    [base] = runner.on_event(events.Started(0)).requests
    refused = events.OrderUpdated(1, 1, base.order.client_id, "base", "rejected", "no margin")
    assert runner.on_event(refused).requests == ()
    runner.on_event(events.TickReceived(2, market.tick))
    assert runner.snapshot.reason == "The next deal begins in 10 s."
    [again] = runner.on_event(events.TickReceived(10_001, market.tick)).requests
    assert again.level_id == "base"


def test_a_base_order_below_a_lot_is_not_sent():
    market = driver({"base": "10", "safety": "10"}, start="50000")
    assert (market.fills, market.snapshot.reason) == (
        [],
        "A base order of 10 at 50000.00 is below the minimum order size.",
    )


def test_short_deals_mirror_long_ones():
    market = driver({"direction": "short"}, terms(budget=1000, price_decimals=2, size_decimals=3))
    assert market.size == -1
    assert [(name, side, price) for name, side, price, _ in market.standing()] == [
        ("profit", "buy", Decimal("97.99")),
        ("s1", "sell", Decimal("101.99")),
        ("s2", "sell", Decimal("104.99")),
        ("s3", "sell", Decimal("109.49")),
    ]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"direction": "short"}, "direction"),
        ({"deviation": "40", "size_scale": "1"}, "count"),
        ({"safety": "500"}, "safety"),
        ({"base": "9"}, "base"),
    ],
)
def test_inputs_that_cannot_work_are_named(raw, name):
    assert DCA(parse_inputs(DCA, {**EXAMPLE, **raw})).validate(SPOT).keys() == {name}
    assert DCA(parse_inputs(DCA, EXAMPLE)).validate(SPOT) == {}
    dear = DCA(parse_inputs(DCA, {**EXAMPLE, "take_profit": "0.05"})).validate(terms("spot", maker="0.001"))
    assert dear.keys() == {"take_profit"}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(60, 130), min_size=3, max_size=40), st.sampled_from(["long", "short"]), st.booleans()
)
def test_limits_hold_over_random_markets(path, direction, stop):
    raw = {"direction": direction, "cooldown": "0", **({"stop_loss": "15"} if stop else {})}
    market = driver(raw, terms(budget=1000, price_decimals=2, size_decimals=3), path[0])
    for price in path:
        market.move(price)
        market.now += 11_000
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback
    assert market.size >= 0 if direction == "long" else market.size <= 0


def test_limits_hold_through_the_crash_of_october_2025():
    [path] = recorded("candles/binance_usdm_5m/ETHUSDT-5m.csv.gz")
    candles = candles_read(path, CRASH, 150)
    if candles[0].open_time != CRASH:
        absent("the crash is not in these data")
    given = terms(budget=1000, price_decimals=2, size_decimals=3)
    market = driver({"stop_loss": "12"}, given, candles[0].open)
    market.play(candles)
    assert any(level_id == "s3" for level_id, *_ in market.fills)
    assert market.worst_seen <= given.buying_power
