"""Active clock: suspension of the process does not count against a callback; busy time and sleep do."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from bots.domain import events
from bots.supervisor import strategy_executor
from bots.supervisor.clock import ActiveClock
from bots.supervisor.strategy_executor import (
    CallbackTimeout,
    StrategyCall,
    StrategyExecutor,
    Watchdog,
    _Batch,
)

EVENT = events.TimerFired(0)


@pytest.fixture
def life(monkeypatch):
    """A process with a manual clock that the strategy executor uses."""
    life = SimpleNamespace(now=100.0, worked=10.0)
    life.clock = ActiveClock(lambda: life.now, lambda: life.worked)

    def passes(seconds, *, working=False, ticking=False):
        for _ in range(round(seconds * 10)):
            life.now += 0.1
            life.worked += 0.1 if working else 0.0
            if ticking:
                life.clock.tick()

    life.passes = passes
    monkeypatch.setattr(strategy_executor, "active_clock", life.clock)
    return life


@pytest.mark.parametrize(
    ("how", "lived"),
    [({}, 0.0), ({"working": True}, 60.0), ({"ticking": True}, 60.0)],
    ids=["stopped", "busy", "waiting for a sleeper"],
)
def test_only_suspension_of_the_process_is_excluded(life, how, lived):
    began = life.clock()
    life.passes(60, **how)
    assert life.clock() - began == pytest.approx(lived, abs=0.01)
    life.clock.tick()
    life.passes(1, ticking=True)
    assert life.clock() - began == pytest.approx(lived + 1, abs=0.01)


class Callback:
    """Fake runner with a callback of the given duration."""

    snapshot = SimpleNamespace(tick=None)

    def __init__(self, life, seconds, **how):
        self.on_event = lambda event: life.passes(seconds, **how)


def decided(watchdog, runner):
    call = StrategyCall(runner, (EVENT,), lambda call: None)
    call.run()
    watchdog.check(call)


def test_a_bot_is_not_faulted_because_its_process_was_paused_inside_a_callback(life):
    watchdog = Watchdog()
    for _ in range(3):
        decided(watchdog, Callback(life, 60))


def test_a_callback_that_is_late_twice_times_out_in_an_active_process(life):
    watchdog = Watchdog()
    decided(watchdog, Callback(life, 2, working=True))
    with pytest.raises(CallbackTimeout, match="the limit is 1000 ms"):
        decided(watchdog, Callback(life, 2, working=True))


async def test_a_running_callback_is_given_up_by_active_time(life):
    inside, hold = threading.Event(), threading.Event()
    stuck = SimpleNamespace(snapshot=Callback.snapshot, on_event=lambda event: (inside.set(), hold.wait(60)))
    call = StrategyCall(stuck, (EVENT,), lambda call: None)
    batch, executor = _Batch([call], asyncio.get_running_loop()), StrategyExecutor()
    thread = threading.Thread(target=batch.work)
    thread.start()
    assert inside.wait(60)
    life.passes(60)  # stopped
    executor._watch(batch, call)
    assert not call.settled
    life.clock.tick()
    life.passes(4, working=True, ticking=True)
    executor._watch(batch, call)
    hold.set()
    thread.join()
    with pytest.raises(CallbackTimeout, match="did not return"):
        Watchdog().check(call)
