"""Lifecycle of a run: legal transitions, backoff and deadlines, and the bounded inbox."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.inbox import MAX_CANDLES, Inbox
from bots.domain.lifecycle import (
    ACTIVE,
    MAX_CRASHES,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    NoRestart,
    Restart,
    Status,
    Transition,
    after_crash,
    backoff,
    deadline,
    next_status,
)
from bots.sdk import Tick
from tests.bots.market_harness import candles_made


# --- states ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("signal", Transition)
def test_every_transition_is_in_the_table_or_raises(status, signal):
    if (status, signal) in TRANSITIONS:
        assert next_status(status, signal) == TRANSITIONS[status, signal]
    else:
        with pytest.raises(IllegalTransition, match=f"a run that is {status} cannot {signal}"):
            next_status(status, signal)


def test_an_ended_run_never_decides_again():
    for status in TERMINAL:
        assert {after for (before, _), after in TRANSITIONS.items() if before == status} <= {status}


def test_every_run_that_has_not_ended_can_be_stopped_claimed_and_can_fault():
    for status in set(Status) - TERMINAL:
        assert next_status(status, Transition.STOP) == Status.STOPPING
        assert next_status(status, Transition.FAULT) == Status.FAULTED
        assert next_status(status, Transition.CLAIM) in (Status.STARTING, Status.STOPPING)


def test_a_claimed_run_decides_only_after_it_was_started_again():
    assert {next_status(status, Transition.CLAIM) for status in ACTIVE} == {Status.STARTING}
    assert ACTIVE.isdisjoint({Status.STARTING, Status.WARMING})


# --- backoff and deadlines ---------------------------------------------------------------------------
def test_backoff_doubles_up_to_a_minute():
    assert [backoff(n) for n in range(9)] == [0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
    assert backoff(10**6) == 60_000


def test_a_crash_loop_ends_the_run_and_old_crashes_expire():
    now = 10_000_000
    assert after_crash((now,), now) == Restart(now + 1000)
    recent = tuple(now - n * 1000 for n in range(MAX_CRASHES))
    assert after_crash(recent, now) == Restart(now + 16_000)
    assert after_crash((*recent, now - 9000), now) == NoRestart("The bot crashed 6 times within 10 minutes.")
    assert after_crash((*range(100), now), now) == Restart(now + 1000)


def test_callbacks_have_deadlines():
    assert (deadline("on_start"), deadline("on_stop"), deadline("on_tick")) == (10_000, 5_000, 1_000)


# --- the inbox ---------------------------------------------------------------------------------------
CANDLES = [events.CandleClosed(n, candle) for n, candle in enumerate(candles_made(["1"] * 600))]


def tick(n):
    return events.TickReceived(n, Tick(n, *map(Decimal, (1, 2, 1))))


def own(n):
    return events.FundingPaid(n, n, f"f{n}", Decimal(n))


def emptied(inbox):
    taken = []
    while (event := inbox.get()) is not None:
        taken.append(event)
    return taken


def test_of_a_thousand_ticks_only_the_newest_waits():
    inbox = Inbox()
    for n in range(1000):
        inbox.put(tick(n))
    assert emptied(inbox) == [tick(999)]


def test_own_events_are_never_dropped_and_come_first_in_their_order():
    inbox = Inbox()
    inbox.put(tick(1))
    for n in range(5000):
        inbox.put(own(n))
    assert emptied(inbox) == [*map(own, range(5000)), tick(1)]


def test_commands_come_in_order_before_market_events():
    inbox = Inbox()
    inbox.put(tick(1))
    asked = [events.Claimed(1), events.CandlesLoaded(1, ()), events.Started(1)]
    for event in asked:
        inbox.put(event)
    assert emptied(inbox) == [*asked, tick(1)]


def test_candles_wait_in_order_and_a_late_one_is_ignored():
    inbox = Inbox("5m")
    for event in (CANDLES[1], CANDLES[2], CANDLES[1]):
        inbox.put(event)
    assert emptied(inbox) == [CANDLES[1], CANDLES[2]]
    assert not inbox.gap


def test_too_many_candles_or_a_gap_require_reloading():
    inbox = Inbox("5m")
    for event in CANDLES:
        inbox.put(event)
    assert inbox.gap
    assert len(inbox) == MAX_CANDLES
    inbox = Inbox("5m")
    inbox.put(CANDLES[1])
    inbox.put(CANDLES[3])
    assert inbox.gap


@given(st.lists(st.sampled_from(["tick", "own", "woken", "candle"]), max_size=200))
def test_own_events_are_never_lost_and_the_rest_is_bounded(kinds):
    inbox, sent = Inbox(), []
    for n, kind in enumerate(kinds):
        event = {"tick": tick(n), "own": own(n), "woken": events.TimerFired(n), "candle": CANDLES[n]}[kind]
        sent.append(event)
        inbox.put(event)
    taken = emptied(inbox)
    assert [e for e in taken if isinstance(e, events.FundingPaid)] == [
        e for e in sent if isinstance(e, events.FundingPaid)
    ]
    for kind in (events.TickReceived, events.TimerFired):
        assert [e for e in taken if isinstance(e, kind)] == [e for e in sent if isinstance(e, kind)][-1:]
