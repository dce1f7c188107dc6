"""A process that stood still blames nobody in it; one that was busy, or waited for a sleeper, does."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from bots.domain import events
from bots.supervisor import strategy_executor
from bots.supervisor.clock import Awake
from bots.supervisor.strategy_executor import Call, Decider, Overrun, Watchdog, _Round

TOLD = events.Woken(0)


@pytest.fixture
def life(monkeypatch):
    """A process whose time passes by hand; `deciding` goes by it."""
    life = SimpleNamespace(now=100.0, worked=10.0)
    life.clock = Awake(lambda: life.now, lambda: life.worked)

    def passes(seconds, *, working=False, ticking=False):
        for _ in range(round(seconds * 10)):
            life.now += 0.1
            life.worked += 0.1 if working else 0.0
            if ticking:
                life.clock.tick()

    life.passes = passes
    monkeypatch.setattr(strategy_executor, "awake", life.clock)
    return life


@pytest.mark.parametrize(
    ("how", "lived"),
    [({}, 0.0), ({"working": True}, 60.0), ({"ticking": True}, 60.0)],
    ids=["stopped", "busy", "waiting for a sleeper"],
)
def test_only_a_pause_of_the_whole_process_does_not_count(life, how, lived):
    began = life.clock()
    life.passes(60, **how)
    assert life.clock() - began == pytest.approx(lived, abs=0.01)
    life.clock.tick()
    life.passes(1, ticking=True)
    assert life.clock() - began == pytest.approx(lived + 1, abs=0.01)


class Callback:
    """Stands for a runner whose callback takes so long."""

    snapshot = SimpleNamespace(tick=None)

    def __init__(self, life, seconds, **how):
        self.on_event = lambda event: life.passes(seconds, **how)


def decided(watchdog, runner):
    call = Call(runner, (TOLD,), lambda call: None)
    call.run()
    watchdog.judged(call)


def test_a_bot_is_not_faulted_because_its_process_was_paused_inside_a_callback(life):
    watchdog = Watchdog()
    for _ in range(3):
        decided(watchdog, Callback(life, 60))


def test_a_callback_that_is_late_twice_is_an_overrun_while_the_process_is_awake(life):
    watchdog = Watchdog()
    decided(watchdog, Callback(life, 2, working=True))
    with pytest.raises(Overrun, match="1000 ms are allowed"):
        decided(watchdog, Callback(life, 2, working=True))


async def test_a_callback_under_way_is_given_up_by_what_the_process_has_lived(life):
    inside, hold = threading.Event(), threading.Event()
    stuck = SimpleNamespace(snapshot=Callback.snapshot, on_event=lambda event: (inside.set(), hold.wait(60)))
    call = Call(stuck, (TOLD,), lambda call: None)
    turn, decider = _Round([call], asyncio.get_running_loop()), Decider()
    hand = threading.Thread(target=turn.work)
    hand.start()
    assert inside.wait(60)
    life.passes(60)  # stopped
    decider._mind(turn, call)
    assert not call.settled
    life.clock.tick()
    life.passes(4, working=True, ticking=True)
    decider._mind(turn, call)
    hold.set()
    hand.join()
    with pytest.raises(Overrun, match="did not return"):
        Watchdog().judged(call)
