"""Bots whose candle closed go a few at a time, in the order in which they asked, and nobody keeps a place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.supervisor.candles import AT_ONCE, CandleTurns

BOTS = range(3 * AT_ONCE)


@pytest.fixture
def crowd():
    turns, let_in = CandleTurns(), []
    for bot in BOTS:
        turns.ask(bot, lambda bot=bot: let_in.append(bot))
    return turns, let_in


def test_a_few_at_a_time_in_their_order(crowd):
    turns, let_in = crowd
    assert let_in == list(BOTS[:AT_ONCE])
    for bot in BOTS:
        turns.leave(bot)
        assert len(let_in) == min(len(BOTS), AT_ONCE + bot + 1)
    assert all(one < other for one, other in pairwise(let_in))


def test_who_asks_again_is_not_let_in_twice(crowd):
    turns, let_in = crowd
    turns.ask(0, lambda: let_in.append("again, inside"))
    turns.ask(BOTS[-1], lambda: let_in.append("again, waiting"))
    for bot in BOTS:
        turns.leave(bot)
    assert let_in == list(BOTS)


def test_who_dies_waiting_keeps_nobody_out(crowd):
    turns, let_in = crowd
    dead = BOTS[AT_ONCE]
    turns.leave(dead)
    for bot in BOTS:
        turns.leave(bot)
    assert let_in == [bot for bot in BOTS if bot != dead]


def test_who_was_in_may_come_back(crowd):
    turns, let_in = crowd
    for bot in BOTS:
        turns.leave(bot)
    turns.ask(0, lambda: let_in.append("back"))
    assert let_in[-1] == "back"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8))))
def test_never_too_many_and_never_an_empty_place_while_somebody_waits(steps):
    turns, inside, waiting = CandleTurns(), set(), set()

    def enter(bot):
        waiting.discard(bot)
        inside.add(bot)

    for asks, bot in steps:
        if asks:
            waiting |= {bot} - inside
            turns.ask(bot, lambda bot=bot: enter(bot))
        else:
            waiting.discard(bot)
            inside.discard(bot)
            turns.leave(bot)
        assert len(inside) <= AT_ONCE
        assert not waiting or len(inside) == AT_ONCE
