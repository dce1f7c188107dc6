"""Classic grid: lines and sizes by hand, the life of a cell, trailing, exits, and the limits."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.lifecycle import Status
from bots.domain.runner import Runner, preview, replay
from bots.sdk import Fees, InstrumentRules, Terms, parse_inputs
from bots.strategies.grid import ClassicGrid
from bots.strategies.grid_cells import Spacing, cells_of, level_ids, line_price, number_of
from tests.bots.market_harness import BotHarness, candles_made, candles_read, spec, terms
from tests.market.recordings import absent, recorded

CRASH = 1760126400000  # 2025-10-10 20:00 UTC; the fall began at 21:15
FIVE = {"lower": "90", "upper": "110", "cells": 4, "spacing": "arithmetic"}
SPOT = terms("spot", budget=1000, price_decimals=2, size_decimals=3)


def driver(raw=None, given=SPOT, start="100"):
    market = BotHarness(spec(ClassicGrid, {**FIVE, **(raw or {})}, given))
    market.start(start)
    return market


# --- lines and sizes -----------------------------------------------------------------------------------
def test_lines_are_equally_far_apart_or_in_equal_ratios():
    even = Spacing(Decimal(90), Decimal(110), 4, "arithmetic")
    assert [line_price(even, n) for n in range(-1, 6)] == [85, 90, 95, 100, 105, 110, 115]
    ratios = Spacing(Decimal(100), Decimal(400), 2, "geometric")
    assert [round(line_price(ratios, n), 9) for n in range(-1, 4)] == [50, 100, 200, 400, 800]


def test_cells_lie_on_ticks_and_never_below_the_finest_price():
    rules = InstrumentRules.from_decimals(3, 2, 5, Decimal(10))
    cells = cells_of(Spacing(Decimal("333.333"), Decimal(1000), 7, "geometric"), 0, rules)
    assert all(rules.price_is_valid(cell.low) and rules.price_is_valid(cell.high) for cell in cells)
    assert all(cell.low < cell.high for cell in cells)
    low = cells_of(Spacing(Decimal(1), Decimal(3), 2, "arithmetic"), -4, rules)
    assert [cell.number for cell in low] == []


@pytest.mark.parametrize("number", [0, 7, -3])
def test_level_ids_name_their_cell(number):
    assert [number_of(level_id) for level_id in level_ids(number)] == [number, number]


def test_worked_example_of_the_docs():
    """1000 USDC over 90, 95, 100, 105, 110: cells of 2.000, bought at 90 and 95; the two above are bought."""
    market = driver(given=Terms(SPOT.instrument, Decimal(1000), 1, Fees()))
    assert market.snapshot.position.size == 2  # the cell from 105; the one from 100 starts at the market
    assert market.standing() == [
        ("c_3", "sell", Decimal("110.00"), Decimal("2.000")),
        ("o_0", "buy", Decimal("90.00"), Decimal("2.000")),
        ("o_1", "buy", Decimal("95.00"), Decimal("2.000")),
        ("o_2", "buy", Decimal("100.00"), Decimal("2.000")),
    ]


# --- lifecycle of a cell ---------------------------------------------------------------------------------
def test_a_cell_buys_at_its_lower_line_and_sells_at_its_upper_one_again_and_again():
    market = driver({"fill_at_start": False})
    for _ in range(2):
        market.move("94.9")
        assert ("c_1", "sell", Decimal("100.00"), Decimal("2.000")) in market.standing()
        market.move("100.1")
    trades = [(level_id, side, price) for level_id, side, price, _ in market.fills if level_id.endswith("_1")]
    assert trades == [("o_1", "buy", 95), ("c_1", "sell", 100)] * 2


def test_a_step_earns_its_height_times_the_size_less_fees():
    market = driver({"fill_at_start": False}, start="97")
    market.move("95")
    market.move("94.99")
    market.move("100")
    market.move("100.01")
    position = market.snapshot.position
    assert (position.size, position.realised_pnl) == (0, 10)
    assert position.fees == (95 * 2 + 100 * 2) * SPOT.fees.maker


def test_a_partially_filled_cell_sells_what_it_has_before_it_buys_more():
    market = driver({"fill_at_start": False}, start="97")
    order = next(order for order in market.snapshot.live if order.level.id == "o_1")
    market.seq += 1
    half = Decimal("1.000")
    runner = Runner(market.spec, market.snapshot)
    runner.on_event(
        events.OrderFilled(
            1, market.seq, order.client_id, "o_1", "t", "buy", Decimal(95), half, Decimal(0), "USDC"
        )
    )
    live = {order.level.id: order for order in runner.snapshot.live}
    assert (live["c_1"].level.side, live["c_1"].remaining) == ("sell", half)
    assert (live["o_1"].client_id, live["o_1"].remaining) == (order.client_id, half)


def test_a_fee_taken_in_what_was_bought_is_not_sold():
    market = driver({"fill_at_start": False}, start="97")
    order = next(order for order in market.snapshot.live if order.level.id == "o_1")
    runner = Runner(market.spec, market.snapshot)
    fee = Decimal("0.0014")
    runner.on_event(
        events.OrderFilled(
            1, market.seq + 1, order.client_id, "o_1", "t", "buy", Decimal(95), order.remaining, fee, "BTC"
        )
    )
    live = {order.level.id: order for order in runner.snapshot.live}
    assert live["c_1"].remaining == Decimal("1.998")
    assert "o_1" not in live


def test_a_neutral_grid_sells_short_above_and_buys_below():
    given = terms(budget=1000, price_decimals=2, size_decimals=3)
    market = driver({"direction": "neutral"}, given)
    assert market.size == 0
    assert {(side, price) for _, side, price, _ in market.standing()} == {
        ("buy", 90), ("buy", 95), ("sell", 105), ("sell", 110),
    }  # fmt: skip
    market.move("105.5")
    assert market.size < 0
    market.move("99.9")
    assert market.size == 0
    assert market.snapshot.position.realised_pnl > 0


def test_a_short_grid_sells_at_the_start_and_buys_lower():
    given = terms(budget=1000, price_decimals=2, size_decimals=3)
    market = driver({"direction": "short"}, given, start="97")
    assert market.size < 0
    closing = {price for level_id, side, price, _ in market.standing() if side == "buy"}
    assert closing == {90}
    market.move("89")
    assert market.size == 0


# --- trailing and exits ------------------------------------------------------------------------------------
def test_a_grid_that_trails_up_follows_by_whole_cells():
    market = driver({"trail_up": True})
    for price in ("105.5", "110.5", "113", "116", "116"):
        market.move(price)
    cells = [level_id for level_id, side, _, _ in market.standing() if side == "buy"]
    assert cells == ["o_2", "o_3", "o_4", "o_5"]
    assert {price for _, _, price, _ in market.standing()} == {100, 105, 110, 115}


def test_a_grid_that_trails_down_keeps_its_size_and_sells_lower():
    market = driver({"trail_down": True})
    for price in ("95", "89", "84", "84"):
        market.move(price)
    held = market.snapshot.position.size
    assert held == 8
    market.move("80")
    market.move("79")
    assert market.snapshot.position.size == held
    sells = sorted(price for _, side, price, _ in market.standing() if side == "sell")
    assert sells[-1] < 110


@pytest.mark.parametrize(
    ("raw", "prices", "words"),
    [
        ({"exit_below": "85"}, ("95", "84"), "fell to"),
        ({"exit_above": "120"}, ("95", "121"), "rose to"),
    ],
)
def test_an_exit_closes_everything_and_the_grid_does_not_come_back(raw, prices, words):
    market = driver(raw)
    for price in (*prices, "100", "95"):
        market.move(price)
    assert market.size == 0
    assert market.standing() == []
    assert market.snapshot.status == Status.IDLE
    assert words in market.snapshot.reason


def test_outside_its_lines_without_a_position_it_is_idle():
    market = driver(start="80")
    assert market.snapshot.status == Status.RUNNING  # all four cells were bought, and wait for their lines
    market = driver({"fill_at_start": False}, start="80")
    assert market.snapshot.reason == "The price 80.00 is outside the grid and there is no position to close."


# --- inputs --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"lower": "110", "upper": "90"}, "upper"),
        ({"direction": "short"}, "direction"),
        ({"exit_below": "95"}, "exit_below"),
        ({"exit_above": "105"}, "exit_above"),
        ({"cells": 100, "lower": "99", "upper": "101"}, "cells"),
        ({"cells": 100}, "cells"),
        ({"cells": 100, "lower": "99.99", "upper": "100.01"}, "cells"),
    ],
)
def test_inputs_that_cannot_work_are_named(raw, name):
    grid = ClassicGrid(parse_inputs(ClassicGrid, {**FIVE, **raw}))
    found = grid.validate(SPOT)
    assert found.keys() == {name}
    assert found[name].endswith(".")
    assert ClassicGrid(parse_inputs(ClassicGrid, FIVE)).validate(SPOT) == {}


def test_a_neutral_grid_that_trails_is_refused():
    raw = {**FIVE, "direction": "neutral", "trail_up": True}
    given = terms(budget=1000, price_decimals=2, size_decimals=3)
    assert ClassicGrid(parse_inputs(ClassicGrid, raw)).validate(given).keys() == {"direction"}


def test_preview_shows_the_levels_before_anything_is_placed():
    market = driver({"fill_at_start": False})
    tick = events.TickReceived(1, market.tick)
    levels, reason = preview(market.spec, tick, ())
    assert {(level.side, level.price) for level in levels} == {("buy", 90), ("buy", 95), ("buy", 100)}
    assert reason == ""


# --- restarts and changes --------------------------------------------------------------------------------------
BIG = terms(budget=100_000, price_decimals=2, size_decimals=3)
HUNDRED = {"lower": "50", "upper": "100", "cells": 100, "fill_at_start": False}


def test_a_changed_input_with_the_same_lines_cancels_none_of_a_hundred_orders():
    market = driver(HUNDRED, BIG, "101")
    assert len(market.standing()) == 100
    before = {order.client_id for order in market.snapshot.live}
    inputs = parse_inputs(ClassicGrid, {**FIVE, **HUNDRED, "exit_below": "40"})
    market.tell(events.InputsChanged(market.now, inputs, 2))
    assert market.decisions[-1].requests == ()
    market.move("101.01")
    assert {order.client_id for order in market.snapshot.live} == before


def test_twice_the_lines_keep_the_orders_that_both_grids_have():
    raw = {"lower": "50", "upper": "100", "cells": 25, "spacing": "arithmetic", "fill_at_start": False}
    market = driver(raw, BIG, "101")
    inputs = parse_inputs(ClassicGrid, {**raw, "cells": 25, "upper": "102", "lower": "52"})
    before = {order.level.price: order.client_id for order in market.snapshot.live}
    market.tell(events.InputsChanged(market.now, inputs, 2))
    after = {order.level.price: order.client_id for order in market.snapshot.live}
    assert len(market.standing()) == 25
    assert market.cancels == 0
    assert before.keys() & after.keys()


def test_fills_without_a_supervisor_are_delivered_before_the_restart():
    market = driver({"fill_at_start": False}, start="97")
    order = next(order for order in market.snapshot.live if order.level.id == "o_1")
    size, seq = order.remaining, market.seq + 1
    decisions = replay(
        market.spec,
        market.snapshot,
        [
            events.Claimed(5),
            events.CandlesLoaded(5, ()),
            events.OrderFilled(
                5, seq, order.client_id, "o_1", "t", "buy", Decimal(95), size, Decimal(0), "USDC"
            ),
            events.OrderUpdated(5, seq + 1, order.client_id, "o_1", "filled"),
            events.Started(6),
        ],
    )
    assert [len(decision.requests) for decision in decisions] == [0, 0, 0, 0, 1]
    [request] = decisions[-1].requests
    assert (request.level_id, request.order.side, request.order.price) == ("c_1", "sell", 100)


# --- limits ----------------------------------------------------------------------------------------------------
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(80, 125), min_size=5, max_size=40),
    st.sampled_from(["long", "short", "neutral"]),
    st.sampled_from(["arithmetic", "geometric"]),
    st.integers(2, 15),
    st.booleans(),
    st.sampled_from([1, 5]),
)
def test_limits_hold_over_random_markets(path, direction, spacing, cells, trail, leverage):
    given = terms(budget=1000, price_decimals=2, size_decimals=3, leverage=leverage)
    raw = {"lower": "90", "upper": "110", "cells": cells, "spacing": spacing, "direction": direction}
    if direction != "neutral":
        raw |= {"trail_up": trail, "trail_down": trail}
    market = BotHarness(spec(ClassicGrid, raw, given))
    market.start(path[0])
    for price in path:
        market.move(price)
        market.now += 1000
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback
    held = market.snapshot.state
    assert replay(market.spec, None, market.journal)[-1].snapshot.state == held
    assert market.size >= 0 if direction == "long" else market.size <= 0 or direction == "neutral"


FILES = [
    ("binance_usdm_5m/BTCUSDT-5m.csv.gz", "perp", "short", {"price_decimals": 1}),
    ("binance_usdm_5m/BTCUSDT-5m.csv.gz", "perp", "neutral", {"price_decimals": 1}),
    ("binance_spot_5m/SOLUSDT-5m.csv.gz", "spot", "long", {"price_decimals": 2, "size_decimals": 3}),
]


@pytest.mark.parametrize(("name", "kind", "direction", "rules"), FILES)
@pytest.mark.parametrize("trail", [False, True])
def test_limits_hold_through_the_crash_of_october_2025(name, kind, direction, rules, trail):
    [path] = recorded(f"candles/{name}")
    candles = candles_read(path, CRASH, 150)
    if candles[0].open_time != CRASH:
        absent("the crash is not in these data")
    first = candles[0].open
    raw = {"lower": str(round(first * Decimal("0.95"), 1)), "upper": str(round(first * Decimal("1.03"), 1))}
    raw |= {"direction": direction, "trail_down": trail and direction != "neutral"}
    given = terms(kind, leverage=1 if kind == "spot" else 3, **rules)
    market = BotHarness(spec(ClassicGrid, raw, given))
    market.start(first)
    market.play(candles)
    assert market.fills
    assert market.worst_seen <= given.buying_power
    assert market.snapshot.status in (Status.RUNNING, Status.IDLE), market.snapshot.traceback


def test_a_price_that_loses_nine_tenths_costs_no_more_than_the_budget():
    """The shape of OM on 2025-04-13 (6.2 to 0.5): made here, for it is in no recorded file."""
    given = terms("spot", budget=1000, price_decimals=4, size_decimals=1)
    raw = {"lower": "5", "upper": "7", "cells": 10, "exit_below": "4"}
    market = BotHarness(spec(ClassicGrid, raw, given))
    market.start("6.2")
    fall = [Decimal("6.2") * Decimal("0.87") ** n for n in range(19)]
    market.play(candles_made([round(price, 4) for price in fall]))
    assert market.size == 0
    assert "fell to" in market.snapshot.reason
    assert market.profit("0.5") > -1000
