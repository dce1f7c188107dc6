"""The state table: which moves there are, and which must never be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wallets.domain.errors import IllegalMove
from wallets.domain.lifecycle import TABLE, OrderEvent, after, fill_event, fill_flags, refusal_meaning
from wallets.domain.status import AT_VENUE, IN_DOUBT, LIVE, TERMINAL, OrderStatus

S, E = OrderStatus, OrderEvent
FACTS = (E.ACCEPTED, E.REFUSED, E.FILLED_PARTLY, E.FILLED_WHOLLY, E.ENDED)


@pytest.mark.parametrize(
    ("status", "event", "target"),
    [
        (S.PENDING, E.TAKEN, S.SUBMITTING),
        (S.PENDING, E.CANCELLED_HERE, S.CANCELLED),
        (S.PENDING, E.LAPSED, S.EXPIRED),
        (S.PENDING, E.DENIED, S.DENIED),
        (S.SUBMITTING, E.UNSENT, S.PENDING),
        (S.SUBMITTING, E.DOUBTED, S.UNKNOWN),
        (S.SUBMITTING, E.REFUSED, S.REJECTED),
        (S.UNKNOWN, E.NEVER_SEEN, S.PENDING),
        (S.UNKNOWN, E.ACCEPTED, S.OPEN),
        (S.UNKNOWN, E.FILLED_WHOLLY, S.FILLED),
        (S.PENDING, E.FILLED_PARTLY, S.PARTLY_FILLED),
        (S.OPEN, E.CANCEL_SENT, S.CANCELLING),
        (S.CANCELLING, E.FILLED_PARTLY, S.CANCELLING),
        (S.CANCELLING, E.FILLED_WHOLLY, S.FILLED),
        (S.CANCELLING, E.ACCEPTED, S.CANCELLING),
        (S.PARTLY_FILLED, E.ACCEPTED, S.PARTLY_FILLED),
        (S.PARTLY_FILLED, E.REFUSED, S.CANCELLED),
        (S.CANCELLED, E.FILLED_PARTLY, S.CANCELLED),
        (S.CANCELLED, E.FILLED_WHOLLY, S.FILLED),
        (S.EXPIRED, E.FILLED_WHOLLY, S.EXPIRED),
        (S.REJECTED, E.FILLED_WHOLLY, S.REJECTED),
    ],
)
def test_moves(status, event, target):
    assert after(status, event) is target


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("status", OrderStatus)
def test_a_fact_is_never_refused(status, fact):
    assert after(status, fact) in OrderStatus


@pytest.mark.parametrize("event", OrderEvent)
def test_no_way_out_of_a_terminal_state_but_late_fills_and_what_the_venue_lists(event):
    if event is E.REAPPEARED:
        assert TABLE[event] == dict.fromkeys(TERMINAL, S.OPEN)
        return
    for status in TERMINAL:
        target = TABLE[event].get(status, status)
        assert target == status or (status, event, target) == (S.CANCELLED, E.FILLED_WHOLLY, S.FILLED)


@pytest.mark.parametrize("event", sorted(set(OrderEvent) - {*FACTS, E.REAPPEARED}))
def test_nothing_of_ours_moves_what_has_ended(event):
    assert not TABLE[event].keys() & TERMINAL


def test_unknown_ends_only_through_the_venue():
    ours = {event: TABLE[event].get(S.UNKNOWN) for event in set(OrderEvent) - set(FACTS)}
    assert {target for target in ours.values() if target in TERMINAL} == set()
    assert TABLE[E.LAPSED].keys() == TABLE[E.DENIED].keys() == {S.PENDING}


def test_only_what_is_pending_can_be_sent():
    assert TABLE[E.TAKEN].keys() == {S.PENDING}
    leads_back = {
        event for event, moves in TABLE.items() for was, now in moves.items() if now == S.PENDING != was
    }
    assert leads_back == {E.UNSENT, E.NEVER_SEEN}


def test_an_illegal_move_names_itself():
    with pytest.raises(IllegalMove, match="lapsed of an order that is unknown"):
        after(S.UNKNOWN, E.LAPSED)


@pytest.mark.parametrize(
    ("status", "filled", "flags"),
    [
        (S.OPEN, "1", []),
        (S.OPEN, "1.5", ["overfill"]),
        (S.CANCELLED, "0.5", ["late_fill"]),
        (S.EXPIRED, "1.5", ["late_fill", "overfill"]),
        (S.FILLED, "1.5", ["overfill"]),
    ],
)
def test_odd_fills_are_flagged(status, filled, flags):
    assert fill_flags(status, Decimal(filled), Decimal(1)) == flags


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Invalid nonce: nonce too low 1 < 2", "again"),
        ("Invalid nonce: nonce too high 9 > 2", "again"),
        ("Invalid nonce: duplicate nonce 7", "doubt"),
        ("Action already expired", "again"),
        ("Too many cumulative requests sent (37986 > 10436) for cumulative volume traded $437.92.", "again"),
        ("User or API Wallet 0x1 does not exist.", "key_gone"),
        ("L1 error: User or API Wallet 0x1 does not exist.", "key_gone"),
        ("Unable to recover signer.", "key_gone"),
        ("Insufficient margin to place order. asset=0", "reject"),
        ("Orders are empty.", "reject"),
        ("Must deposit before performing actions. User: 0x1", "reject"),
    ],
)
def test_what_a_refusal_means(text, meaning):
    assert refusal_meaning(text) == meaning


@given(st.decimals("0", "10", places=4))
def test_an_order_is_filled_exactly_from_its_size_on(filled):
    assert (fill_event(filled, Decimal(5)) is E.FILLED_WHOLLY) == (filled >= 5)


class OrderMachine(RuleBasedStateMachine):
    """Any legal sequence: what is sent once is never sent again unless the venue never saw it."""

    def __init__(self) -> None:
        super().__init__()
        self.status = S.PENDING
        self.may_be_at_venue = False

    def move(self, event):
        self.status = after(self.status, event)

    @precondition(lambda self: self.status == S.PENDING)
    @rule()
    def take(self):
        assert not self.may_be_at_venue
        self.move(E.TAKEN)
        self.may_be_at_venue = True

    @precondition(lambda self: self.status in IN_DOUBT)
    @rule(event=st.sampled_from([E.UNSENT, E.NEVER_SEEN]))
    def was_never_there(self, event):
        self.move(event)
        self.may_be_at_venue = False

    @precondition(lambda self: self.may_be_at_venue or self.status in TERMINAL)
    @rule(event=st.sampled_from(FACTS))
    def fact(self, event):
        self.move(event)

    @precondition(lambda self: self.status in IN_DOUBT)
    @rule()
    def doubt(self):
        self.move(E.DOUBTED)

    @precondition(lambda self: self.status in AT_VENUE)
    @rule(event=st.sampled_from([E.CANCEL_SENT, E.FORGOTTEN]))
    def at_venue(self, event):
        self.move(event)

    @precondition(lambda self: self.status == S.PENDING)
    @rule(event=st.sampled_from([E.LAPSED, E.DENIED, E.CANCELLED_HERE]))
    def end_here(self, event):
        self.move(event)

    @invariant()
    def what_may_be_at_the_venue_is_not_pending(self):
        assert not (self.may_be_at_venue and self.status in {S.PENDING, S.DENIED, S.EXPIRED})

    @invariant()
    def live_or_over(self):
        assert (self.status in LIVE) != (self.status in TERMINAL)


TestOrderMachine = OrderMachine.TestCase
