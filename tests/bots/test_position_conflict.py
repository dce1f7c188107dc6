"""A person trades beside a bot: the bot never opens the side that its direction forbids, and pauses with a reason."""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.attribution import Attribution, missing_size
from bots.domain.lifecycle import Status
from bots.domain.order_planner import CancelOrder, ModifyOrder, PlaceOrder
from bots.domain.runner import Runner
from bots.sdk import Tick
from bots.strategies.dca import DCA as DCA
from bots.strategies.grid import ClassicGrid
from bots.strategies.rebalancer import Rebalancer
from tests.bots.market_harness import spec

D = Decimal
ZERO = D(0)
GRID = {"lower": "900", "upper": "1100", "cells": 5}
BOTS = {
    "long grid": (ClassicGrid, GRID | {"direction": "long"}, 1),
    "short grid": (ClassicGrid, GRID | {"direction": "short"}, -1),
    "long dca": (DCA, {"direction": "long"}, 1),
    "short dca": (DCA, {"direction": "short"}, -1),
    "rebalancer": (Rebalancer, {"pause": "0"}, 1),
}


class NettingVenue:
    """One bot and one person on one position. Fills what the price crosses; reduce-only orders only reduce the net."""

    def __init__(self, strategy, inputs, direction):
        self.runner = Runner(spec(strategy, inputs))
        self.direction = direction
        self.price, self.now, self.seq, self.trades = D(1000), 0, 0, 0
        self.net = self.own = self.manual = ZERO
        self.orders = {}
        self.tell(events.Claimed(0))
        self.tell(events.CandlesLoaded(0, ()))
        self.tell(self.tick())
        self.tell(events.Started(0))
        self.tell(self.tick())
        self.settle()

    # --- the bot -----------------------------------------------------------------------------------
    def tick(self):
        bid, ask = self.price - D("0.1"), self.price + D("0.1")
        return events.TickReceived(self.now, Tick(self.now, bid, ask, self.price))

    def tell(self, event):
        for request in self.runner.on_event(event).requests:
            if isinstance(request, CancelOrder | ModifyOrder):
                self.end(request.client_id)
            if isinstance(request, PlaceOrder | ModifyOrder):
                order = request.order
                self.orders[order.client_id] = SimpleNamespace(
                    order=order, level=request.level_id, left=order.size
                )
                self.update(order.client_id, "open")
        assert self.runner.snapshot.status != Status.FAULTED, self.runner.snapshot.traceback

    def update(self, client_id, state):
        self.seq = self.runner.snapshot.last_seq + 1
        order = self.orders[client_id]
        self.tell(events.OrderUpdated(self.now, self.seq, client_id, order.level, state, ""))

    def end(self, client_id):
        if client_id in self.orders:
            self.update(client_id, "cancelled")
            del self.orders[client_id]

    # --- the market ----------------------------------------------------------------------------------
    def move(self, price):
        self.now += 60_000
        self.price = price
        self.settle()
        self.check()
        self.tell(self.tick())
        self.settle()

    def settle(self):
        """Execute what crosses until nothing does."""
        while crossing := [key for key, one in self.orders.items() if self.crosses(one.order)]:
            self.execute(crossing[0])
        for key in [key for key, one in self.orders.items() if one.order.tif == "ioc"]:
            self.end(key)

    def crosses(self, order):
        reach = self.price + D("0.1") if order.side == "buy" else self.price - D("0.1")
        return reach <= order.price if order.side == "buy" else reach >= order.price

    def execute(self, client_id):
        one = self.orders[client_id]
        sign = 1 if one.order.side == "buy" else -1
        size = min(one.left, max(ZERO, -self.net * sign)) if one.order.reduce_only else one.left
        if not size:
            self.end(client_id)  # the venue cancels it: there is nothing to reduce
            return
        before = self.net
        self.net, self.own, one.left = self.net + sign * size, self.own + sign * size, one.left - size
        if sign != self.direction:  # a closing order never opens the other side
            assert self.net * self.direction >= min(ZERO, before * self.direction)
        self.trades += 1
        if not one.left:
            del self.orders[client_id]
        self.tell(
            events.OrderFilled(
                self.now,
                self.runner.snapshot.last_seq + 1,
                client_id,
                one.level,
                f"t{self.trades}",
                one.order.side,
                one.order.price,
                size,
                ZERO,
                "USDC",
            )
        )
        self.check()

    def trade_by_hand(self, size):
        self.net, self.manual = self.net + size, self.manual + size

    def check(self):
        missing = missing_size("bot", Attribution({"bot": self.own}, self.manual, self.net))
        conflict = f"{missing} are missing" if missing else ""
        if conflict != self.runner.snapshot.conflict and self.runner.snapshot.status in ("running", "idle"):
            self.tell(events.PositionChecked(self.now, conflict))

    def invariants(self):
        assert self.own * self.direction >= 0
        assert self.runner.snapshot.position.size == self.own
        if self.runner.snapshot.conflict:
            assert not self.orders
            assert self.runner.snapshot.status == Status.IDLE
            assert self.runner.snapshot.reason == self.runner.snapshot.conflict


STEPS = st.lists(
    st.tuples(st.integers(880, 1120), st.sampled_from([0, 0, 0, -5, -2, -1, 1, 2, 5])), max_size=40
)


@pytest.mark.parametrize("name", BOTS)
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_no_bot_holds_the_side_that_its_direction_forbids_while_a_person_trades_beside_it(name, steps):
    venue = NettingVenue(*BOTS[name])
    for price, by_hand in steps:
        venue.trade_by_hand(D(by_hand))
        venue.move(D(price))
        venue.invariants()


def test_a_long_grid_with_a_position_that_was_sold_by_hand_opens_no_short_on_a_rise():
    """The instance that was reported: sold by hand, then + 5 %."""
    venue = NettingVenue(*BOTS["long grid"])
    venue.move(D(960))
    held = venue.own
    assert held > 0
    venue.trade_by_hand(-held)
    venue.move(D(1010))
    assert venue.runner.snapshot.status == Status.IDLE
    assert "are missing" in venue.runner.snapshot.reason
    assert (venue.net, venue.orders) == (ZERO, {})
    venue.trade_by_hand(held)  # bought back: the grid works again
    venue.move(D(1000))
    assert venue.runner.snapshot.status == Status.RUNNING
    assert venue.orders


@pytest.mark.parametrize(
    ("bots", "venue", "missing"),
    [
        ({"a": D(1)}, D(1), D(0)),
        ({"a": D(1)}, D(3), D(0)),  # a person is long beside it
        ({"a": D(1)}, D("0.4"), D("0.6")),
        ({"a": D(1)}, D(-2), D(1)),
        ({"a": D(-1)}, D("-0.25"), D("0.75")),
        ({"a": D(1), "b": D(-1)}, D(0), D(0)),  # bots net each other out: both are true
        ({"a": D(1), "b": D(1)}, D(1), D(1)),
        ({"a": D(0)}, D(-2), D(0)),
    ],
)
def test_what_the_net_position_does_not_cover(bots, venue, missing):
    assert missing_size("a", Attribution(bots, ZERO, venue)) == missing
