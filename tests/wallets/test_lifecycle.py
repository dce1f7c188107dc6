"""The order state machine: allowed and forbidden transitions."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from market.venues.hyperliquid.responses import rejection_meaning
from wallets.domain.errors import IllegalTransition
from wallets.domain.lifecycle import (
    TRANSITIONS,
    OrderEvent,
    fill_event,
    fill_flags,
    next_status,
)
from wallets.domain.status import AT_VENUE, IN_FLIGHT, LIVE, TERMINAL, OrderStatus

S, E = OrderStatus, OrderEvent
VENUE_EVENTS = (E.ACCEPTED, E.REJECTED, E.PARTIALLY_FILLED, E.FILLED, E.ENDED)


@pytest.mark.parametrize(
    ("status", "event", "target"),
    [
        (S.PENDING, E.PREPARED, S.SUBMITTING),
        (S.PENDING, E.CANCELLED_LOCALLY, S.CANCELLED),
        (S.PENDING, E.EXPIRED_LOCALLY, S.EXPIRED),
        (S.PENDING, E.DENIED, S.DENIED),
        (S.SUBMITTING, E.NOT_SENT, S.PENDING),
        (S.SUBMITTING, E.RESULT_UNKNOWN, S.UNKNOWN),
        (S.SUBMITTING, E.REJECTED, S.REJECTED),
        (S.UNKNOWN, E.NOT_FOUND, S.PENDING),
        (S.UNKNOWN, E.ACCEPTED, S.OPEN),
        (S.UNKNOWN, E.FILLED, S.FILLED),
        (S.PENDING, E.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        (S.OPEN, E.CANCEL_SENT, S.CANCELLING),
        (S.CANCELLING, E.PARTIALLY_FILLED, S.CANCELLING),
        (S.CANCELLING, E.FILLED, S.FILLED),
        (S.CANCELLING, E.ACCEPTED, S.CANCELLING),
        (S.PARTIALLY_FILLED, E.ACCEPTED, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, E.REJECTED, S.CANCELLED),
        (S.CANCELLED, E.PARTIALLY_FILLED, S.CANCELLED),
        (S.CANCELLED, E.FILLED, S.FILLED),
        (S.EXPIRED, E.FILLED, S.EXPIRED),
        (S.REJECTED, E.FILLED, S.REJECTED),
    ],
)
def test_moves(status, event, target):
    assert next_status(status, event) is target


@pytest.mark.parametrize("fact", VENUE_EVENTS)
@pytest.mark.parametrize("status", OrderStatus)
def test_a_fact_is_never_refused(status, fact):
    assert next_status(status, fact) in OrderStatus


@pytest.mark.parametrize("event", OrderEvent)
def test_no_way_out_of_a_terminal_state_but_late_fills_and_what_the_venue_lists(event):
    if event is E.REAPPEARED:
        assert TRANSITIONS[event] == dict.fromkeys(TERMINAL, S.OPEN)
        return
    for status in TERMINAL:
        target = TRANSITIONS[event].get(status, status)
        assert target == status or (status, event, target) == (S.CANCELLED, E.FILLED, S.FILLED)


@pytest.mark.parametrize("event", sorted(set(OrderEvent) - {*VENUE_EVENTS, E.REAPPEARED}))
def test_local_events_do_not_change_terminal_states(event):
    assert not TRANSITIONS[event].keys() & TERMINAL


def test_unknown_ends_only_through_the_venue():
    # LOST: the venue was asked, and may have forgotten the order.
    others = set(OrderEvent) - {*VENUE_EVENTS, E.LOST}
    targets = {event: TRANSITIONS[event].get(S.UNKNOWN) for event in others}
    assert TRANSITIONS[E.LOST][S.UNKNOWN] == S.EXPIRED
    assert {target for target in targets.values() if target in TERMINAL} == set()
    assert TRANSITIONS[E.EXPIRED_LOCALLY].keys() == TRANSITIONS[E.DENIED].keys() == {S.PENDING}


def test_only_what_is_pending_can_be_sent():
    assert TRANSITIONS[E.PREPARED].keys() == {S.PENDING}
    leads_back = {
        event for event, moves in TRANSITIONS.items() for was, now in moves.items() if now == S.PENDING != was
    }
    assert leads_back == {E.NOT_SENT, E.NOT_FOUND}


def test_an_illegal_move_names_itself():
    with pytest.raises(IllegalTransition, match="expired_locally of an order that is unknown"):
        next_status(S.UNKNOWN, E.EXPIRED_LOCALLY)


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
        ("Invalid nonce: duplicate nonce 7", "ambiguous"),
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
    assert rejection_meaning(text) == meaning


@given(st.decimals("0", "10", places=4))
def test_an_order_is_filled_exactly_from_its_size_on(filled):
    assert (fill_event(filled, Decimal(5)) is E.FILLED) == (filled >= 5)


class OrderMachine(RuleBasedStateMachine):
    """Any legal sequence: an order is never sent twice unless the venue never received it."""

    def __init__(self) -> None:
        super().__init__()
        self.status = S.PENDING
        self.may_be_at_venue = False

    def move(self, event):
        self.status = next_status(self.status, event)

    @precondition(lambda self: self.status == S.PENDING)
    @rule()
    def take(self):
        assert not self.may_be_at_venue
        self.move(E.PREPARED)
        self.may_be_at_venue = True

    @precondition(lambda self: self.status in IN_FLIGHT)
    @rule(event=st.sampled_from([E.NOT_SENT, E.NOT_FOUND]))
    def was_never_there(self, event):
        self.move(event)
        self.may_be_at_venue = False

    @precondition(lambda self: self.may_be_at_venue or self.status in TERMINAL)
    @rule(event=st.sampled_from(VENUE_EVENTS))
    def fact(self, event):
        self.move(event)

    @precondition(lambda self: self.status in IN_FLIGHT)
    @rule()
    def result_unknown(self):
        self.move(E.RESULT_UNKNOWN)

    @precondition(lambda self: self.status in AT_VENUE)
    @rule(event=st.sampled_from([E.CANCEL_SENT, E.LOST]))
    def at_venue(self, event):
        self.move(event)

    @precondition(lambda self: self.status == S.PENDING)
    @rule(event=st.sampled_from([E.EXPIRED_LOCALLY, E.DENIED, E.CANCELLED_LOCALLY]))
    def end_here(self, event):
        self.move(event)

    @invariant()
    def what_may_be_at_the_venue_is_not_pending(self):
        assert not (self.may_be_at_venue and self.status in {S.PENDING, S.DENIED, S.EXPIRED})

    @invariant()
    def live_or_over(self):
        assert (self.status in LIVE) != (self.status in TERMINAL)


TestOrderMachine = OrderMachine.TestCase
