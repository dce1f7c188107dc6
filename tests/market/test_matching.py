"""Matching engine: single cases, then properties that hold after any sequence of commands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.domain.matching import (
    Cancelled,
    CancelReason,
    Filled,
    Level,
    NewOrder,
    OrderBook,
    Reduced,
    Rejected,
    RejectReason,
    Rested,
)


def book_of(*orders):
    book = OrderBook()
    for order in orders:
        book.submit(order)
    return book


ALICE_SELLS = NewOrder(1, "alice", "sell", 101, 5)
BOB_SELLS = NewOrder(2, "bob", "sell", 101, 5)
BOB_SELLS_HIGHER = NewOrder(3, "bob", "sell", 102, 5)


def test_an_order_without_a_match_rests():
    book = OrderBook()
    events = book.submit(NewOrder(7, "alice", "buy", 100, 4, client_id="c7"))
    assert events == [Rested(7, "alice", "buy", 100, 4, "c7")]
    assert list(book.levels("buy")) == [Level(100, 4, 1)]


def test_a_match_happens_at_the_makers_price():
    book = book_of(ALICE_SELLS)
    assert book.submit(NewOrder(9, "carol", "buy", 110, 5)) == [
        Filled(1, "alice", 9, "carol", "buy", 101, 5, 0, 0)
    ]
    assert book.best("sell") is None


def test_at_one_price_the_oldest_order_is_filled_first():
    book = book_of(ALICE_SELLS, BOB_SELLS)
    events = book.submit(NewOrder(9, "carol", "buy", 101, 7))
    assert [
        (event.maker_id, event.size, event.maker_remaining, event.taker_remaining) for event in events
    ] == [
        (1, 5, 0, 2),
        (2, 2, 3, 0),
    ]


def test_a_better_price_is_filled_before_an_older_order():
    book = book_of(BOB_SELLS_HIGHER, ALICE_SELLS)
    events = book.submit(NewOrder(9, "carol", "buy", 102, 6))
    assert [(event.price, event.size) for event in events] == [(101, 5), (102, 1)]


def test_a_gtc_order_rests_what_it_could_not_match():
    book = book_of(ALICE_SELLS)
    events = book.submit(NewOrder(9, "carol", "buy", 101, 8))
    assert events[-1] == Rested(9, "carol", "buy", 101, 3, None)
    assert (book.best("buy"), book.best("sell")) == (101, None)


def test_an_ioc_order_cancels_what_it_could_not_match():
    book = book_of(ALICE_SELLS)
    events = book.submit(NewOrder(9, "carol", "buy", 101, 8, "ioc"))
    assert events[-1] == Cancelled(9, "carol", 3, CancelReason.NO_LIQUIDITY)
    assert book.order(9) is None


def test_an_ioc_order_without_a_match_is_cancelled_completely():
    book = book_of(ALICE_SELLS)
    assert book.submit(NewOrder(9, "carol", "buy", 100, 8, "ioc")) == [
        Cancelled(9, "carol", 8, CancelReason.NO_LIQUIDITY)
    ]


@pytest.mark.parametrize(("price", "rests"), [(100, True), (101, False), (102, False)])
def test_a_post_only_order_is_rejected_when_it_would_match(price, rests):
    book = book_of(ALICE_SELLS)
    events = book.submit(NewOrder(9, "carol", "buy", price, 1, "alo"))
    rejected = [Rejected(9, "carol", RejectReason.WOULD_CROSS)]
    assert events == ([Rested(9, "carol", "buy", price, 1, None)] if rests else rejected)


def test_a_resting_order_of_the_same_owner_is_cancelled_and_matching_goes_on():
    book = book_of(ALICE_SELLS, BOB_SELLS)
    assert book.submit(NewOrder(9, "alice", "buy", 101, 4)) == [
        Cancelled(1, "alice", 5, CancelReason.SELF_TRADE),
        Filled(2, "bob", 9, "alice", "buy", 101, 4, 1, 0),
    ]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (NewOrder(9, "carol", "buy", 100, 0), RejectReason.BAD_SIZE),
        (NewOrder(9, "carol", "buy", 100, -1), RejectReason.BAD_SIZE),
        (NewOrder(9, "carol", "buy", 0, 1), RejectReason.BAD_PRICE),
        (NewOrder(1, "carol", "buy", 100, 1), RejectReason.DUPLICATE_ID),
    ],
)
def test_a_bad_order_changes_nothing(order, reason):
    book = book_of(ALICE_SELLS)
    assert book.submit(order) == [Rejected(order.id, "carol", reason)]
    assert list(book.levels("sell")) == [Level(101, 5, 1)]
    assert book.best("buy") is None


def test_a_cancelled_order_leaves_the_queue():
    book = book_of(ALICE_SELLS, BOB_SELLS)
    assert book.cancel(1) == [Cancelled(1, "alice", 5, CancelReason.REQUESTED)]
    assert list(book.levels("sell")) == [Level(101, 5, 1)]
    assert book.cancel(1) == [Rejected(1, "", RejectReason.UNKNOWN_ORDER)]


def test_a_reduced_order_keeps_its_place():
    book = book_of(ALICE_SELLS, BOB_SELLS)
    assert book.reduce(1, 2) == [Reduced(1, "alice", 2, 3)]
    assert list(book.levels("sell")) == [Level(101, 7, 2)]
    [first, *_] = book.submit(NewOrder(9, "carol", "buy", 101, 1))
    assert first.maker_id == 1


@pytest.mark.parametrize("size", [5, 6, 0, -1])
def test_an_order_can_only_become_smaller(size):
    book = book_of(ALICE_SELLS)
    assert book.reduce(1, size) == [Rejected(1, "alice", RejectReason.BAD_SIZE)]
    assert book.order(1).size == 5


def test_reducing_an_unknown_order_is_rejected():
    assert OrderBook().reduce(1, 1) == [Rejected(1, "", RejectReason.UNKNOWN_ORDER)]


def test_levels_run_from_the_best_price_outwards():
    book = book_of(*(NewOrder(n, "alice", "buy", price, 1) for n, price in enumerate([98, 100, 99, 100])))
    assert list(book.levels("buy")) == [Level(100, 2, 2), Level(99, 1, 1), Level(98, 1, 1)]


# --- properties --------------------------------------------------------------------------------
OWNERS = st.sampled_from(["alice", "bob", "carol"])
SUBMIT = st.tuples(
    st.just("submit"),
    OWNERS,
    st.sampled_from(["buy", "sell"]),
    st.integers(95, 105),
    st.integers(1, 9),
    st.sampled_from(["gtc", "gtc", "ioc", "alo"]),
)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 40))
REDUCE = st.tuples(st.just("reduce"), st.integers(0, 40), st.integers(1, 8))
COMMANDS = st.lists(st.one_of(SUBMIT, SUBMIT, SUBMIT, CANCEL, REDUCE), max_size=60)


class Referee:
    """Runs commands and computes the expected state of the book from the match events alone."""

    def __init__(self):
        self.book = OrderBook()
        self.submitted = {}
        self.done = {}  # lots of an order that are filled, cancelled, cut or refused
        self.resting_orders = []  # (order id, side, price) in the order in which they rested

    def play(self, commands):
        for number, (command, *args) in enumerate(commands):
            if command == "submit":
                order = NewOrder(number, *args)
                self.submitted[number] = order
                self.done[number] = 0
                self.read(self.book.submit(order))
            else:
                self.read(getattr(self.book, command)(*args))
            yield

    def read(self, events):
        for event in events:
            getattr(self, f"on_{type(event).__name__.lower()}")(event)

    def on_rested(self, event):
        self.resting_orders.append((event.order_id, event.side, event.price))

    def on_filled(self, event):
        maker, taker = self.submitted[event.maker_id], self.submitted[event.taker_id]
        assert maker.owner != taker.owner
        assert event.price == maker.price
        assert event.price <= taker.price if taker.side == "buy" else event.price >= taker.price
        self.assert_first_in_line(event, maker)
        self.done[event.maker_id] += event.size
        self.done[event.taker_id] += event.size
        if not event.maker_remaining:
            self.leave(event.maker_id)

    def assert_first_in_line(self, event, maker):
        """No resting order of that side has a better price, or the same price and an earlier place."""
        line = [(price, at) for at, (_, side, price) in enumerate(self.resting_orders) if side == maker.side]
        best = min(line, key=lambda entry: (-entry[0] if maker.side == "buy" else entry[0], entry[1]))
        assert self.resting_orders[best[1]][0] == event.maker_id

    def on_cancelled(self, event):
        self.done[event.order_id] += event.size
        self.leave(event.order_id)

    def on_reduced(self, event):
        self.done[event.order_id] += event.cut

    def on_rejected(self, event):
        if event.reason is RejectReason.WOULD_CROSS:
            self.done[event.order_id] += self.submitted[event.order_id].size

    def leave(self, order_id):
        self.resting_orders = [entry for entry in self.resting_orders if entry[0] != order_id]


@given(COMMANDS)
@settings(max_examples=300, deadline=None)
def test_the_book_is_consistent_after_any_commands(commands):
    """Never crossed, price-time priority, no self-trade, and no lot is lost or made."""
    referee = Referee()
    book = referee.book
    for _ in referee.play(commands):
        bid, ask = book.best("buy"), book.best("sell")
        assert bid is None or ask is None or bid < ask
        resting = {order.id: order.size for order in book.orders()}
        assert set(resting) == {order_id for order_id, *_ in referee.resting_orders}
        for order_id, order in referee.submitted.items():
            assert referee.done[order_id] + resting.get(order_id, 0) == order.size
        for side in ("buy", "sell"):
            by_price = {}
            for order in book.orders():
                if order.side == side:
                    by_price.setdefault(order.price, []).append(order.size)
            assert {level.price: (level.size, level.orders) for level in book.levels(side)} == {
                price: (sum(sizes), len(sizes)) for price, sizes in by_price.items()
            }


# --- reduce-only cap -----------------------------------------------------------------------------
class LimitedOwner:
    """A `ReduceOnlyCap` that lets the orders of one owner fill `lots` in total."""

    def __init__(self, owner, lots):
        self.owner, self.lots = owner, lots

    def spare(self, order):
        return min(order.size, self.lots) if order.owner == self.owner else order.size

    def matched(self, order, size):
        if order.owner == self.owner:
            self.lots -= size


def test_an_order_over_its_cap_is_reduced_or_cancelled_before_it_matches_and_matching_continues():
    book = OrderBook()
    book.ration = LimitedOwner("alice", 5)
    for number, owner in enumerate(("alice", "alice", "alice", "bob"), start=1):
        book.submit(NewOrder(number, owner, "sell", 100 + number, 3))
    events = book.submit(NewOrder(9, "carol", "buy", 200, 20, "ioc"))
    fills = [(event.maker_id, event.size) for event in events if isinstance(event, Filled)]
    assert fills == [(1, 3), (2, 2), (4, 3)]
    assert [(event.order_id, event.cut) for event in events if isinstance(event, Reduced)] == [(2, 1)]
    cancelled = [(event.order_id, event.size) for event in events if isinstance(event, Cancelled)]
    assert cancelled == [(3, 3), (9, 12)]
    assert list(book.orders()) == []
