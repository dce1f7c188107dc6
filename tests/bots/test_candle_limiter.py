"""Candle limiter: bots get turns in the order of their requests, a few at a time, and no turn is lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.supervisor.candles import MAX_CONCURRENT, CandleLimiter

BOTS = range(3 * MAX_CONCURRENT)


@pytest.fixture
def queued_bots():
    limiter, admitted = CandleLimiter(), []
    for bot in BOTS:
        limiter.acquire(bot, lambda bot=bot: admitted.append(bot))
    return limiter, admitted


def test_a_few_at_a_time_in_their_order(queued_bots):
    limiter, admitted = queued_bots
    assert admitted == list(BOTS[:MAX_CONCURRENT])
    for bot in BOTS:
        limiter.release(bot)
        assert len(admitted) == min(len(BOTS), MAX_CONCURRENT + bot + 1)
    assert all(one < other for one, other in pairwise(admitted))


def test_a_repeated_request_gets_no_second_turn(queued_bots):
    limiter, admitted = queued_bots
    limiter.acquire(0, lambda: admitted.append("again, inside"))
    limiter.acquire(BOTS[-1], lambda: admitted.append("again, waiting"))
    for bot in BOTS:
        limiter.release(bot)
    assert admitted == list(BOTS)


def test_a_bot_that_ends_while_waiting_blocks_no_other(queued_bots):
    limiter, admitted = queued_bots
    dead = BOTS[MAX_CONCURRENT]
    limiter.release(dead)
    for bot in BOTS:
        limiter.release(bot)
    assert admitted == [bot for bot in BOTS if bot != dead]


def test_a_bot_may_request_another_turn(queued_bots):
    limiter, admitted = queued_bots
    for bot in BOTS:
        limiter.release(bot)
    limiter.acquire(0, lambda: admitted.append("back"))
    assert admitted[-1] == "back"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8))))
def test_never_too_many_turns_and_never_a_free_turn_while_a_bot_waits(steps):
    limiter, active, waiting = CandleLimiter(), set(), set()

    def enter(bot):
        waiting.discard(bot)
        active.add(bot)

    for requests_turn, bot in steps:
        if requests_turn:
            waiting |= {bot} - active
            limiter.acquire(bot, lambda bot=bot: enter(bot))
        else:
            waiting.discard(bot)
            active.discard(bot)
            limiter.release(bot)
        assert len(active) <= MAX_CONCURRENT
        assert not waiting or len(active) == MAX_CONCURRENT
