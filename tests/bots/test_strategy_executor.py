"""Strategy executor: bots decide in batches, and a callback that does not return blocks no other bot."""

import asyncio
import threading
from decimal import Decimal

import pytest

from bots.domain import events
from bots.domain.runner import Runner
from bots.sdk import Strategy, Tick
from bots.supervisor import context, strategy_executor
from bots.supervisor.candles import CandleCache, CandleLimiter
from bots.supervisor.context import SupervisorContext
from bots.supervisor.strategy_executor import CallbackTimeout, StrategyCall, StrategyExecutor, Watchdog
from tests.bots.market_harness import spec

NEIGHBOURS = 20


class Counts(Strategy):
    title = "Counts"

    def on_tick(self, context, tick):
        context.state["seen"] = context.state.get("seen", 0) + 1


def tick(now):
    return events.TickReceived(now, Tick(now, Decimal(99), Decimal(101), Decimal(100 + now)))


def runner_of(strategy):
    runner = Runner(spec(strategy))
    for event in (events.Claimed(0), events.CandlesLoaded(0, ()), tick(0), events.Started(0)):
        runner.on_event(event)
    return runner


class Bots:
    """Runners, with the settled calls of each."""

    def __init__(self, *strategies):
        self.runners = [runner_of(strategy) for strategy in strategies]
        self.settled = {runner: [] for runner in self.runners}

    def calls(self, now, runners=None):
        return [
            StrategyCall(runner, (tick(now),), self.settled[runner].append)
            for runner in runners or self.runners
        ]

    def seen(self, runner):
        return [call.decisions[-1].snapshot.tick.time for call in self.settled[runner]]


@pytest.fixture
def stuck():
    """A strategy that stays in its callback until `go` is set, sleeping or spinning."""
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
    bots, executor = Bots(*[Counts] * 10, stuck, *[Counts] * 10), StrategyExecutor()
    neighbours = [runner for runner in bots.runners if runner.spec.strategy is Counts]
    await executor.decide(bots.calls(1))
    for now in (2, 3, 4):
        await executor.decide(bots.calls(now, neighbours))
    assert len(neighbours) == NEIGHBOURS
    assert all(bots.seen(runner) == [1, 2, 3, 4] for runner in neighbours)
    assert bots.settled[bots.runners[10]] == []


async def test_a_callback_that_does_not_return_is_given_up_once_and_its_late_result_is_ignored(
    stuck, monkeypatch
):
    monkeypatch.setattr(strategy_executor, "deadline", lambda name: 20)
    before = strategy_executor.STUCK_CALLBACKS._value.get()
    bots, executor = Bots(stuck), StrategyExecutor()
    [call] = bots.calls(1)
    await executor.decide([call])
    [settled] = bots.settled.values()
    await until(lambda: settled)
    with pytest.raises(CallbackTimeout, match="did not return within 60 ms"):
        Watchdog().check(call)
    assert strategy_executor.STUCK_CALLBACKS._value.get() == before + 1
    stuck.go.set()
    await until(lambda: call.ended)
    await until(lambda: strategy_executor.STUCK_CALLBACKS._value.get() == before)
    assert settled == [call]
    with pytest.raises(CallbackTimeout):
        Watchdog().check(call)


async def test_calls_submitted_together_are_decided_in_one_batch_and_in_order():
    bots, executor = Bots(Counts, Counts), StrategyExecutor()
    first, second = bots.runners
    executor.submit(StrategyCall(first, (tick(1), tick(2)), bots.settled[first].append))
    executor.submit(StrategyCall(second, (tick(1),), bots.settled[second].append))
    await until(lambda: all(bots.settled.values()))
    [call] = bots.settled[first]
    assert [decision.snapshot.state for decision in Watchdog().check(call)] == ['{"seen":1}', '{"seen":2}']
    assert len(executor._idle) == 1  # one thread did it all


async def test_an_internal_error_reaches_its_caller_and_the_other_calls_are_decided(monkeypatch):
    bots, executor = Bots(Counts, Counts), StrategyExecutor()
    broken, whole = bots.runners
    monkeypatch.setattr(broken, "on_event", lambda event: 1 / 0)
    await executor.decide(bots.calls(1))
    with pytest.raises(ZeroDivisionError):
        Watchdog().check(*bots.settled[broken])
    assert bots.seen(whole) == [1]


async def test_the_second_late_callback_is_a_timeout(monkeypatch):
    monkeypatch.setattr(strategy_executor, "deadline", lambda name: 0)
    bots, executor, watchdog = Bots(Counts), StrategyExecutor(), Watchdog()
    for now in (1, 2):
        await executor.decide(bots.calls(now))
    [[first, second]] = bots.settled.values()
    assert watchdog.check(first)
    with pytest.raises(CallbackTimeout, match="the limit is 0 ms"):
        watchdog.check(second)


async def test_services_wait_for_the_end_of_a_round_and_not_for_a_callback_that_hangs(stuck, monkeypatch):
    monkeypatch.setattr(strategy_executor, "HANDOVER_SECONDS", 60)
    bots, executor, order = Bots(stuck), StrategyExecutor(), []
    await executor.wait_idle()
    deciding_it = asyncio.create_task(executor.decide(bots.calls(1)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(executor.wait_idle())
    waiting.add_done_callback(lambda _: order.append("service"))
    deciding_it.add_done_callback(lambda _: order.append("round"))
    await asyncio.wait({waiting}, timeout=0.05)
    assert order == []
    stuck.go.set()
    await asyncio.wait_for(waiting, 60)
    assert order == ["round", "service"]

    monkeypatch.setattr(strategy_executor, "HANDOVER_SECONDS", 0.01)
    stuck.go.clear()
    await executor.decide(bots.calls(2))
    await asyncio.wait_for(executor.wait_idle(), 60)
    assert len(bots.settled[bots.runners[0]]) == 1


async def test_actors_use_a_limited_number_of_database_threads(monkeypatch):
    supervisor_context = SupervisorContext(
        StrategyExecutor(), CandleCache(), CandleLimiter(), lambda: True, lambda user, events: None
    )
    active, counts, go = [], [], asyncio.Event()

    async def work(number):
        active.append(number)
        counts.append(len(active))
        await go.wait()
        active.remove(number)
        return number

    monkeypatch.setattr(context, "in_thread", work)
    tasks = [asyncio.create_task(supervisor_context.in_thread(number)) for number in range(9)]
    await until(lambda: len(active) == context.MAX_DB_THREADS)
    go.set()
    assert await asyncio.gather(*tasks) == list(range(9))
    assert max(counts) == context.MAX_DB_THREADS
