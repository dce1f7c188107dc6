"""Order diff: fewest actions from live orders to target levels, adoption, no self-trade."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.order_diff import diff
from bots.domain.orders import CancelAction, LiveOrder, ModifyAction, PlaceAction, crosses
from bots.sdk import Level


def level(identity, side="buy", price=100, size=1, **more):
    return Level(identity, side, Decimal(price), Decimal(size), **more)


def live(number, of, state="open", left=None):
    return LiveOrder(UUID(int=number), of, of.size if left is None else Decimal(left), state)


def ladder(prefix, count, side="buy", start=100, step=-1):
    return [level(f"{prefix}{n}", side, start + step * n) for n in range(count)]


# --- doing nothing -------------------------------------------------------------------------------
def test_a_hundred_unchanged_levels_need_no_action():
    wanted = ladder("b", 50) + ladder("a", 50, "sell", 101, 1)
    standing = [live(n, each) for n, each in enumerate(wanted)]
    plan = diff(reversed(wanted), standing)
    assert (plan.actions, plan.adopted, plan.blocked) == ((), {}, ())


def test_renamed_levels_adopt_the_live_orders():
    standing = [live(n, each) for n, each in enumerate(ladder("old", 100))]
    wanted = ladder("new", 100)
    plan = diff(wanted, standing)
    assert plan.actions == ()
    assert plan.adopted == {order.client_id: each for order, each in zip(standing, wanted, strict=True)}


def test_a_partially_filled_order_keeps_its_place_whichever_size_is_meant():
    order = live(1, level("b0", size=10), left=4)
    assert diff([level("b0", size=10)], [order]).actions == ()
    assert diff([level("b0", size=4)], [order]).actions == ()
    assert diff([level("b0", size=7)], [order]).actions == (
        ModifyAction(order.client_id, level("b0", size=7)),
    )


# --- the fewest actions ----------------------------------------------------------------------------
def test_a_moved_level_is_one_modify():
    order = live(1, level("b0", price=100))
    assert diff([level("b0", price=99)], [order]).actions == (
        ModifyAction(order.client_id, level("b0", price=99)),
    )


def test_a_shifted_ladder_adopts_the_common_part_and_moves_the_rest():
    standing = [live(n, each) for n, each in enumerate(ladder("b", 10, start=100))]
    plan = diff(ladder("b", 10, start=103), standing)
    assert len(plan.actions) == 3
    assert all(isinstance(action, ModifyAction) for action in plan.actions)


def test_orders_too_many_are_cancelled_and_levels_too_many_are_placed():
    standing = [live(1, level("x", price=90))]
    assert diff([], standing).actions == (CancelAction(UUID(int=1)),)
    assert diff([level("b0"), level("b1", price=99)], []).actions == (
        PlaceAction(level("b0")),
        PlaceAction(level("b1", price=99)),
    )


@pytest.mark.parametrize(
    ("stands", "wanted", "state"),
    [
        (level("b0", price=100), level("b0", price=99), "placing"),
        (level("b0", trigger=Decimal(90)), level("b0", trigger=Decimal(91)), "open"),
        (level("b0", "buy"), level("b0", "buy", reduce_only=True), "open"),
        (level("b0", price=100), level("b0", price=99, style="gtc"), "open"),
        (level("b0", "buy"), level("b0", "sell", price=101), "open"),
    ],
)
def test_an_unmodifiable_order_is_cancelled_first_and_replaced_after_it_closed(stands, wanted, state):
    order = live(1, stands, state)
    plan = diff([wanted], [order])
    assert plan.actions == (CancelAction(order.client_id),)
    assert plan.blocked == ((wanted, "its previous order is not closed yet"),)
    assert diff([wanted], [live(1, stands, "cancelling")]).actions == ()
    assert diff([wanted], []).actions == (PlaceAction(wanted),)


# --- never with oneself ----------------------------------------------------------------------------
def test_a_ladder_that_jumps_over_its_own_orders_waits_for_them():
    standing = [live(1, level("b0", "buy", 100)), live(2, level("a0", "sell", 102))]
    plan = diff([level("b0", "buy", 104), level("a0", "sell", 106)], standing)
    assert plan.actions == (ModifyAction(UUID(int=2), level("a0", "sell", 106)),)
    assert plan.blocked == ((level("b0", "buy", 104), "it would trade with the bot's own order a0"),)


def test_an_untriggered_stop_blocks_no_order():
    stop = live(1, level("stop", "sell", 80, trigger=Decimal(90)))
    assert diff([stop.level, level("b0", "buy", 100)], [stop]).actions == (
        PlaceAction(level("b0", "buy", 100)),
    )


SIDE = st.sampled_from(["buy", "sell"])
STATE = st.sampled_from(["placing", "open", "cancelling"])
ORDERS = st.lists(st.tuples(SIDE, st.integers(90, 110), st.integers(1, 3), STATE), max_size=12)
WANTED = st.lists(st.tuples(SIDE, st.integers(90, 110), st.integers(1, 3)), max_size=12)


def uncrossed(levels):
    """The levels without the sells that would trade with a buy among them."""
    best = max((each.price for each in levels if each.side == "buy"), default=Decimal(0))
    return [each for each in levels if each.side == "buy" or each.price > best]


def settled(orders, plan, number):
    """The orders after the venue executed the diff; every in-flight order is then open or closed."""
    gone = {action.client_id for action in plan.actions if not isinstance(action, PlaceAction)}
    kept = [order for order in orders if order.client_id not in gone and order.state != "cancelling"]
    kept = [live(order.client_id.int, plan.adopted.get(order.client_id, order.level)) for order in kept]
    placed = [action.level for action in plan.actions if not isinstance(action, CancelAction)]
    return kept + [live(number + n, each) for n, each in enumerate(placed)]


@given(ORDERS, WANTED)
def test_repeated_diffs_converge_without_a_self_trade(standing, wanted):
    stands = uncrossed([level(f"o{n}", s, p, z) for n, (s, p, z, _) in enumerate(standing)])
    states = {f"o{n}": state for n, (*_, state) in enumerate(standing)}
    orders = [live(n, each, states[each.id]) for n, each in enumerate(stands)]
    levels = uncrossed([level(f"o{n}", *each) for n, each in enumerate(wanted)])
    for turn in range(1, 5):
        plan = diff(levels, orders)
        for action in plan.actions:
            if not isinstance(action, CancelAction):
                assert not any(crosses(action.level, order.level) for order in orders)
        orders = settled(orders, plan, 1000 * turn)
    assert diff(levels, orders).actions == ()
    assert {order.level.id: order.level for order in orders} == {each.id: each for each in levels}


@given(ORDERS, WANTED)
def test_no_more_is_done_than_cancelling_and_placing_the_difference(standing, wanted):
    stands = [level(f"o{n}", s, p, z) for n, (s, p, z, _) in enumerate(standing)]
    orders = [live(n, each) for n, each in enumerate(stands)]
    levels = [level(f"o{n}", *each) for n, each in enumerate(wanted)]
    plan = diff(levels, orders)
    for side in ("buy", "sell"):
        have = sum(each.side == side for each in stands)
        want = sum(each.side == side for each in levels)
        ids = {order.client_id for order in orders if order.level.side == side}
        mine = [
            action
            for action in plan.actions
            if (action.level.side == side if isinstance(action, PlaceAction) else action.client_id in ids)
        ]
        assert len(mine) <= max(have, want)
