"""Many bots decide together, and one whose callback does not return is in nobody's way."""

import asyncio
import threading
from decimal import Decimal

import pytest

from bots.domain import events
from bots.domain.runner import Runner
from bots.sdk import Strategy, Tick
from bots.supervisor import context, strategy_executor
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.context import Surroundings
from bots.supervisor.strategy_executor import Call, Decider, Overrun, Watchdog
from tests.bots.market_harness import spec

NEIGHBOURS = 20


class Counts(Strategy):
    title = "Counts"

    def on_tick(self, context, tick):
        context.state["seen"] = context.state.get("seen", 0) + 1


def tick(now):
    return events.Ticked(now, Tick(now, Decimal(99), Decimal(101), Decimal(100 + now)))


def runner_of(strategy):
    runner = Runner(spec(strategy))
    for event in (events.Claimed(0), events.Warmed(0, ()), tick(0), events.Started(0)):
        runner.on_event(event)
    return runner


class Bots:
    """Runners with tickets for what was settled of them."""

    def __init__(self, *strategies):
        self.runners = [runner_of(strategy) for strategy in strategies]
        self.settled = {runner: [] for runner in self.runners}

    def calls(self, now, runners=None):
        return [Call(runner, (tick(now),), self.settled[runner].append) for runner in runners or self.runners]

    def seen(self, runner):
        return [call.decisions[-1].snapshot.tick.time for call in self.settled[runner]]


@pytest.fixture
def stuck():
    """A strategy that is inside its callback until it is let go, by sleeping or by spinning."""
    go = threading.Event()

    class Stuck(Strategy):
        title = "Stuck"
        spins = False

        def on_tick(self, context, tick):
            while not go.wait(0.0 if self.spins else 30):
                pass

    Stuck.go = go
    yield Stuck
    go.set()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("spins", [False, True])
async def test_twenty_neighbours_of_a_callback_that_does_not_return_go_on_ticking(stuck, spins):
    stuck.spins = spins
    bots, decider = Bots(*[Counts] * 10, stuck, *[Counts] * 10), Decider()
    neighbours = [runner for runner in bots.runners if runner.spec.strategy is Counts]
    await decider.decide(bots.calls(1))
    for now in (2, 3, 4):
        await decider.decide(bots.calls(now, neighbours))
    assert len(neighbours) == NEIGHBOURS
    assert all(bots.seen(runner) == [1, 2, 3, 4] for runner in neighbours)
    assert bots.settled[bots.runners[10]] == []


async def test_a_callback_that_does_not_return_is_given_up_once_and_what_it_says_later_is_not_heard(
    stuck, monkeypatch
):
    monkeypatch.setattr(strategy_executor, "deadline", lambda name: 20)
    before = strategy_executor.STUCK._value.get()
    bots, decider = Bots(stuck), Decider()
    [call] = bots.calls(1)
    await decider.decide([call])
    [settled] = bots.settled.values()
    await until(lambda: settled)
    with pytest.raises(Overrun, match="did not return within 60 ms"):
        Watchdog().judged(call)
    assert strategy_executor.STUCK._value.get() == before + 1
    stuck.go.set()
    await until(lambda: call.ended)
    await until(lambda: strategy_executor.STUCK._value.get() == before)
    assert settled == [call]
    with pytest.raises(Overrun):
        Watchdog().judged(call)


async def test_what_is_asked_at_once_is_decided_together_and_in_order():
    bots, decider = Bots(Counts, Counts), Decider()
    first, second = bots.runners
    decider.ask(Call(first, (tick(1), tick(2)), bots.settled[first].append))
    decider.ask(Call(second, (tick(1),), bots.settled[second].append))
    await until(lambda: all(bots.settled.values()))
    [call] = bots.settled[first]
    assert [decision.snapshot.state for decision in Watchdog().judged(call)] == ['{"seen":1}', '{"seen":2}']
    assert len(decider._idle) == 1  # one thread did it all


async def test_a_mistake_of_our_own_reaches_whoever_asked_and_the_others_are_decided(monkeypatch):
    bots, decider = Bots(Counts, Counts), Decider()
    broken, whole = bots.runners
    monkeypatch.setattr(broken, "on_event", lambda event: 1 / 0)
    await decider.decide(bots.calls(1))
    with pytest.raises(ZeroDivisionError):
        Watchdog().judged(*bots.settled[broken])
    assert bots.seen(whole) == [1]


async def test_the_second_callback_that_is_late_is_an_overrun(monkeypatch):
    monkeypatch.setattr(strategy_executor, "deadline", lambda name: 0)
    bots, decider, watchdog = Bots(Counts), Decider(), Watchdog()
    for now in (1, 2):
        await decider.decide(bots.calls(now))
    [[first, second]] = bots.settled.values()
    assert watchdog.judged(first)
    with pytest.raises(Overrun, match="0 ms are allowed"):
        watchdog.judged(second)


async def test_services_wait_for_the_end_of_a_round_and_not_for_a_callback_that_hangs(stuck, monkeypatch):
    monkeypatch.setattr(strategy_executor, "MOMENT", 60)
    bots, decider, order = Bots(stuck), Decider(), []
    await decider.quiet()
    deciding_it = asyncio.create_task(decider.decide(bots.calls(1)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(decider.quiet())
    waiting.add_done_callback(lambda _: order.append("service"))
    deciding_it.add_done_callback(lambda _: order.append("round"))
    await asyncio.wait({waiting}, timeout=0.05)
    assert order == []
    stuck.go.set()
    await asyncio.wait_for(waiting, 60)
    assert order == ["round", "service"]

    monkeypatch.setattr(strategy_executor, "MOMENT", 0.01)
    stuck.go.clear()
    await decider.decide(bots.calls(2))
    await asyncio.wait_for(decider.quiet(), 60)
    assert len(bots.settled[bots.runners[0]]) == 1


async def test_desks_go_to_the_database_a_few_at_a_time(monkeypatch):
    around = Surroundings(Decider(), CandleShelf(), CandleTurns(), lambda: True, lambda user, events: None)
    inside, most, go = [], [], asyncio.Event()

    async def work(number):
        inside.append(number)
        most.append(len(inside))
        await go.wait()
        inside.remove(number)
        return number

    monkeypatch.setattr(context, "in_thread", work)
    asked = [asyncio.create_task(around.in_thread(number)) for number in range(9)]
    await until(lambda: len(inside) == context.AT_ONCE)
    go.set()
    assert await asyncio.gather(*asked) == list(range(9))
    assert max(most) == context.AT_ONCE
