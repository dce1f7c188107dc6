"""The matching engine: tables of cases, then properties that hold after any run of commands."""

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


def test_an_order_that_meets_nobody_rests():
    book = OrderBook()
    facts = book.submit(NewOrder(7, "alice", "buy", 100, 4, client_id="c7"))
    assert facts == [Rested(7, "alice", "buy", 100, 4, "c7")]
    assert list(book.levels("buy")) == [Level(100, 4, 1)]


def test_a_match_happens_at_the_makers_price():
    book = book_of(ALICE_SELLS)
    assert book.submit(NewOrder(9, "carol", "buy", 110, 5)) == [
        Filled(1, "alice", 9, "carol", "buy", 101, 5, 0, 0)
    ]
    assert book.best("sell") is None


def test_at_one_price_the_oldest_order_is_filled_first():
    book = book_of(ALICE_SELLS, BOB_SELLS)
    facts = book.submit(NewOrder(9, "carol", "buy", 101, 7))
    assert [(fact.maker_id, fact.size, fact.maker_left, fact.taker_left) for fact in facts] == [
        (1, 5, 0, 2),
        (2, 2, 3, 0),
    ]


def test_a_better_price_is_filled_before_an_older_order():
    book = book_of(BOB_SELLS_HIGHER, ALICE_SELLS)
    facts = book.submit(NewOrder(9, "carol", "buy", 102, 6))
    assert [(fact.price, fact.size) for fact in facts] == [(101, 5), (102, 1)]


def test_a_gtc_order_rests_what_it_could_not_match():
    book = book_of(ALICE_SELLS)
    facts = book.submit(NewOrder(9, "carol", "buy", 101, 8))
    assert facts[-1] == Rested(9, "carol", "buy", 101, 3, None)
    assert (book.best("buy"), book.best("sell")) == (101, None)


def test_an_ioc_order_cancels_what_it_could_not_match():
    book = book_of(ALICE_SELLS)
    facts = book.submit(NewOrder(9, "carol", "buy", 101, 8, "ioc"))
    assert facts[-1] == Cancelled(9, "carol", 3, CancelReason.NO_LIQUIDITY)
    assert book.order(9) is None


def test_an_ioc_order_out_of_reach_is_cancelled_whole():
    book = book_of(ALICE_SELLS)
    assert book.submit(NewOrder(9, "carol", "buy", 100, 8, "ioc")) == [
        Cancelled(9, "carol", 8, CancelReason.NO_LIQUIDITY)
    ]


@pytest.mark.parametrize(("price", "rests"), [(100, True), (101, False), (102, False)])
def test_a_post_only_order_is_refused_when_it_would_match(price, rests):
    book = book_of(ALICE_SELLS)
    facts = book.submit(NewOrder(9, "carol", "buy", price, 1, "alo"))
    refused = [Rejected(9, "carol", RejectReason.WOULD_CROSS)]
    assert facts == ([Rested(9, "carol", "buy", price, 1, None)] if rests else refused)


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


def test_reducing_an_order_that_is_not_there_is_refused():
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
    """Plays commands, and keeps accounts of its own from the facts alone."""

    def __init__(self):
        self.book = OrderBook()
        self.submitted = {}
        self.done = {}  # lots of an order that are filled, cancelled, cut or refused
        self.waiting = []  # (order id, side, price) in the order in which they rested

    def play(self, commands):
        for number, (verb, *args) in enumerate(commands):
            if verb == "submit":
                order = NewOrder(number, *args)
                self.submitted[number] = order
                self.done[number] = 0
                self.read(self.book.submit(order))
            else:
                self.read(getattr(self.book, verb)(*args))
            yield

    def read(self, facts):
        for fact in facts:
            getattr(self, f"on_{type(fact).__name__.lower()}")(fact)

    def on_rested(self, fact):
        self.waiting.append((fact.order_id, fact.side, fact.price))

    def on_filled(self, fact):
        maker, taker = self.submitted[fact.maker_id], self.submitted[fact.taker_id]
        assert maker.owner != taker.owner
        assert fact.price == maker.price
        assert fact.price <= taker.price if taker.side == "buy" else fact.price >= taker.price
        self.assert_first_in_line(fact, maker)
        self.done[fact.maker_id] += fact.size
        self.done[fact.taker_id] += fact.size
        if not fact.maker_left:
            self.leave(fact.maker_id)

    def assert_first_in_line(self, fact, maker):
        """Nobody who waits on that side has a better price, or the same price for longer."""
        line = [(price, at) for at, (_, side, price) in enumerate(self.waiting) if side == maker.side]
        best = min(line, key=lambda entry: (-entry[0] if maker.side == "buy" else entry[0], entry[1]))
        assert self.waiting[best[1]][0] == fact.maker_id

    def on_cancelled(self, fact):
        self.done[fact.order_id] += fact.size
        self.leave(fact.order_id)

    def on_reduced(self, fact):
        self.done[fact.order_id] += fact.cut

    def on_rejected(self, fact):
        if fact.reason is RejectReason.WOULD_CROSS:
            self.done[fact.order_id] += self.submitted[fact.order_id].size

    def leave(self, order_id):
        self.waiting = [entry for entry in self.waiting if entry[0] != order_id]


@given(COMMANDS)
@settings(max_examples=300, deadline=None)
def test_whatever_is_commanded_the_book_is_sound(commands):
    """Never crossed, price-time priority, no self-trade, and no lot is lost or made."""
    referee = Referee()
    book = referee.book
    for _ in referee.play(commands):
        bid, ask = book.best("buy"), book.best("sell")
        assert bid is None or ask is None or bid < ask
        resting = {order.id: order.size for order in book.orders()}
        assert set(resting) == {order_id for order_id, *_ in referee.waiting}
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


# --- rations -------------------------------------------------------------------------------------
class Rationed:
    """Lets the orders of one owner fill so many lots in all."""

    def __init__(self, owner, lots):
        self.owner, self.lots = owner, lots

    def spare(self, order):
        return min(order.size, self.lots) if order.owner == self.owner else order.size

    def matched(self, order, size):
        if order.owner == self.owner:
            self.lots -= size


def test_an_order_over_its_ration_is_cut_or_cancelled_before_it_matches_and_the_sweep_goes_on():
    book = OrderBook()
    book.ration = Rationed("alice", 5)
    for number, owner in enumerate(("alice", "alice", "alice", "bob"), start=1):
        book.submit(NewOrder(number, owner, "sell", 100 + number, 3))
    facts = book.submit(NewOrder(9, "carol", "buy", 200, 20, "ioc"))
    fills = [(fact.maker_id, fact.size) for fact in facts if isinstance(fact, Filled)]
    assert fills == [(1, 3), (2, 2), (4, 3)]
    assert [(fact.order_id, fact.cut) for fact in facts if isinstance(fact, Reduced)] == [(2, 1)]
    gone = [(fact.order_id, fact.size) for fact in facts if isinstance(fact, Cancelled)]
    assert gone == [(3, 3), (9, 12)]
    assert list(book.orders()) == []
