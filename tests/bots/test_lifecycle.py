"""The life of a run: legal moves only, patience that ends, and an inbox that is bounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain import events
from bots.domain.inbox import CANDLES_KEPT, Inbox
from bots.domain.lifecycle import (
    CRASHES_BORNE,
    DECIDING,
    ENDED,
    MOVES,
    GiveUp,
    MoveIllegal,
    Restart,
    Signal,
    Status,
    after_crash,
    backoff,
    deadline,
    moved,
)
from bots.sdk import Tick
from tests.bots.market_harness import candles_made


# --- states ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("signal", Signal)
def test_every_move_is_in_the_table_or_raises(status, signal):
    if (status, signal) in MOVES:
        assert moved(status, signal) == MOVES[status, signal]
    else:
        with pytest.raises(MoveIllegal, match=f"a run that is {status} cannot {signal}"):
            moved(status, signal)


def test_an_ended_run_never_decides_again():
    for status in ENDED:
        assert {after for (before, _), after in MOVES.items() if before == status} <= {status}


def test_every_run_that_has_not_ended_can_be_stopped_claimed_and_can_fault():
    for status in set(Status) - ENDED:
        assert moved(status, Signal.STOP) == Status.STOPPING
        assert moved(status, Signal.FAULT) == Status.FAULTED
        assert moved(status, Signal.CLAIM) in (Status.STARTING, Status.STOPPING)


def test_a_claimed_run_decides_only_after_it_was_started_again():
    assert {moved(status, Signal.CLAIM) for status in DECIDING} == {Status.STARTING}
    assert DECIDING.isdisjoint({Status.STARTING, Status.WARMING})


# --- patience ----------------------------------------------------------------------------------------
def test_waiting_doubles_up_to_a_minute():
    assert [backoff(n) for n in range(9)] == [0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
    assert backoff(10**6) == 60_000


def test_a_crash_loop_is_given_up_and_old_crashes_are_forgiven():
    now = 10_000_000
    assert after_crash((now,), now) == Restart(now + 1000)
    recent = tuple(now - n * 1000 for n in range(CRASHES_BORNE))
    assert after_crash(recent, now) == Restart(now + 16_000)
    assert after_crash((*recent, now - 9000), now) == GiveUp("Its process crashed 6 times within 10 minutes.")
    assert after_crash((*range(100), now), now) == Restart(now + 1000)


def test_callbacks_have_deadlines():
    assert (deadline("on_start"), deadline("on_stop"), deadline("on_tick")) == (10_000, 5_000, 1_000)


# --- the inbox ---------------------------------------------------------------------------------------
CANDLES = [events.CandleClosed(n, candle) for n, candle in enumerate(candles_made(["1"] * 600))]


def tick(n):
    return events.Ticked(n, Tick(n, *map(Decimal, (1, 2, 1))))


def own(n):
    return events.FundingPaid(n, n, f"f{n}", Decimal(n))


def emptied(inbox):
    taken = []
    while (event := inbox.take()) is not None:
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


def test_what_people_ask_waits_in_its_order_before_the_market():
    inbox = Inbox()
    inbox.put(tick(1))
    asked = [events.Claimed(1), events.Warmed(1, ()), events.Started(1)]
    for event in asked:
        inbox.put(event)
    assert emptied(inbox) == [*asked, tick(1)]


def test_candles_wait_in_order_and_a_late_one_is_no_news():
    inbox = Inbox("5m")
    for event in (CANDLES[1], CANDLES[2], CANDLES[1]):
        inbox.put(event)
    assert emptied(inbox) == [CANDLES[1], CANDLES[2]]
    assert not inbox.gap


def test_too_many_candles_and_a_missing_one_ask_for_a_warm_up():
    inbox = Inbox("5m")
    for event in CANDLES:
        inbox.put(event)
    assert inbox.gap
    assert len(inbox) == CANDLES_KEPT
    inbox = Inbox("5m")
    inbox.put(CANDLES[1])
    inbox.put(CANDLES[3])
    assert inbox.gap


@given(st.lists(st.sampled_from(["tick", "own", "woken", "candle"]), max_size=200))
def test_whatever_comes_nothing_of_ones_own_is_lost_and_the_rest_is_bounded(kinds):
    inbox, sent = Inbox(), []
    for n, kind in enumerate(kinds):
        event = {"tick": tick(n), "own": own(n), "woken": events.Woken(n), "candle": CANDLES[n]}[kind]
        sent.append(event)
        inbox.put(event)
    taken = emptied(inbox)
    assert [e for e in taken if isinstance(e, events.FundingPaid)] == [
        e for e in sent if isinstance(e, events.FundingPaid)
    ]
    for kind in (events.Ticked, events.Woken):
        assert [e for e in taken if isinstance(e, kind)] == [e for e in sent if isinstance(e, kind)][-1:]
