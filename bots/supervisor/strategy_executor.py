"""Strategy executor: runs the callbacks of many bots in batches in threads and enforces their deadlines.

A callback that sleeps does not delay the other bots.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from prometheus_client import Gauge, Histogram

from bots.domain import events
from bots.domain.lifecycle import deadline
from bots.domain.runner import Decision, Runner
from bots.sdk import Tick
from bots.supervisor.clock import active_clock, active_clock_start

logger = logging.getLogger(__name__)

DECIDE_SECONDS = Histogram(
    "bots_decide_seconds", "Time that one event takes its strategy",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 10),
)  # fmt: skip
STUCK_CALLBACKS = Gauge(
    "cryptotrade_bots_callbacks_stuck", "Callbacks that were given up and have not returned"
)
MAX_OVERRUNS = 1
STUCK_FACTOR = 3  # times its deadline, before a callback is taken to be stuck
HANDOVER_SECONDS = 0.05  # after this the waiting calls get another thread


class CallbackTimeout(Exception):
    """A callback exceeded its deadline too often; the message says by how much."""


def callback_of(event: events.Event) -> str:
    """Name of the strategy callback that the event calls, as far as its deadline differs."""
    match event:
        case events.Started() | events.InputsChanged():
            return "on_start"
        case events.StopRequested():
            return "on_stop"
    return type(event).__name__


class StrategyCall:
    """Call of one runner with a sequence of events, and its decisions. `tick` is the newest one before it.

    `settle` is called once, in the event loop: with decisions, or with the `problem` that ended the call.
    """

    __slots__ = (
        "began",
        "decisions",
        "ended",
        "events",
        "given_up",
        "problem",
        "runner",
        "settle",
        "settled",
        "tick",
        "took",
    )

    def __init__(
        self, runner: Runner, batch_events: tuple[events.Event, ...], settle: Callable[["StrategyCall"], None]
    ) -> None:
        self.runner = runner
        self.events = batch_events
        self.tick: Tick | None = runner.snapshot.tick
        self.settle = settle
        self.settled = self.ended = self.given_up = False
        self.decisions: list[Decision] = []
        self.took: list[float] = []  # s, each
        self.began = 0.0  # start of the current event
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Run in a strategy thread. After the call was given up, its results are ignored."""
        try:
            for event in self.events:
                self.began = began = active_clock()
                decision = self.runner.on_event(event)
                self.took.append(active_clock() - began)
                self.decisions.append(decision)
        except BaseException as problem:  # noqa: BLE001  not the strategy's: the runner catches its errors
            self.problem = self.problem or problem
        self.ended = True
        if self.given_up:
            STUCK_CALLBACKS.dec()

    def result(self) -> list[Decision]:
        """The decisions. Raises the problem that ended the call, if any."""
        if self.problem is not None:
            raise self.problem
        return self.decisions


class _Batch:
    """A batch of calls for the strategy threads. A thread that finds no more calls wakes the event loop."""

    def __init__(self, calls: Sequence[StrategyCall], loop: asyncio.AbstractEventLoop) -> None:
        self.calls = calls
        self.waiting = deque(calls)
        self.loop = loop
        self.thread_done = asyncio.Event()

    def work(self) -> None:
        while True:
            try:
                call = self.waiting.popleft()
            except IndexError:
                return
            call.run()

    def settle(self) -> bool:
        """Settle the calls that have ended. True when all calls are settled."""
        all_settled = True
        for call in self.calls:
            if not call.settled:
                if call.ended:
                    call.settled = True
                    call.settle(call)
                else:
                    all_settled = False
        return all_settled

    async def wait_for_thread(self) -> None:
        """Wait until a thread has run out of calls, at most `HANDOVER_SECONDS`."""
        try:
            async with asyncio.timeout(HANDOVER_SECONDS):
                await self.thread_done.wait()
        except TimeoutError:
            pass
        self.thread_done.clear()


class _WorkerThread(threading.Thread):
    """Thread that works through batches. A daemon: a stuck callback does not keep the process alive."""

    def __init__(self, on_done: Callable[["_WorkerThread", _Batch], None]) -> None:
        super().__init__(name="strategy", daemon=True)
        self.batches: SimpleQueue[_Batch] = SimpleQueue()
        self._on_thread_done = on_done
        self.start()

    def run(self) -> None:
        while True:
            batch = self.batches.get()
            batch.work()
            try:
                batch.loop.call_soon_threadsafe(self._on_thread_done, self, batch)
            except RuntimeError:  # the loop has ended
                return


class StrategyExecutor:
    """Executor of one supervisor. A runner must not be in two calls at the same time."""

    def __init__(self) -> None:
        active_clock_start()
        self._idle: list[_WorkerThread] = []
        self._submitted: list[StrategyCall] = []
        self._deciding: asyncio.Task[None] | None = None
        self._batch_idle = asyncio.Event()
        self._batch_idle.set()

    def submit(self, call: StrategyCall) -> None:
        """Decide the call in one batch with the other calls that are submitted now."""
        self._submitted.append(call)
        if self._deciding is None or self._deciding.done():
            self._deciding = asyncio.create_task(self._decide_submitted(), name="decisions")

    async def _decide_submitted(self) -> None:
        while self._submitted:
            calls, self._submitted = self._submitted, []
            await self._decide(calls)

    async def decide(self, calls: Sequence[StrategyCall]) -> None:
        """Run a batch until all calls are settled, except slow ones, which are settled later."""
        self._batch_idle.clear()
        try:
            await self._decide(calls)
        finally:
            self._batch_idle.set()

    async def wait_idle(self) -> None:
        """Wait for the end of the running batch, at most `HANDOVER_SECONDS`.

        For work that can wait and would otherwise compete with the batch for the interpreter lock.
        """
        if not self._batch_idle.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANDOVER_SECONDS):
                    await self._batch_idle.wait()

    async def _decide(self, calls: Sequence[StrategyCall]) -> None:
        batch = _Batch(calls, asyncio.get_running_loop())
        self._assign_thread(batch)
        while True:
            remaining = len(batch.waiting)
            await batch.wait_for_thread()
            if batch.settle():
                return
            if not batch.waiting:
                break
            if remaining == len(batch.waiting):  # a callback sleeps: another thread takes the remaining calls
                self._assign_thread(batch)
        for call in calls:
            if not call.settled:
                self._watch(batch, call)

    def _assign_thread(self, batch: _Batch) -> None:
        thread = self._idle.pop() if self._idle else _WorkerThread(self._on_thread_done)
        thread.batches.put(batch)

    def _on_thread_done(self, thread: _WorkerThread, batch: _Batch) -> None:
        self._idle.append(thread)
        batch.thread_done.set()
        batch.settle()

    def _watch(self, batch: _Batch, call: StrategyCall) -> None:
        """Give the call up once its current event has taken `STUCK_FACTOR` times its deadline."""
        if call.settled:
            return
        event = call.events[min(len(call.decisions), len(call.events) - 1)]
        limit = STUCK_FACTOR * deadline(callback_of(event))
        now = active_clock()
        remaining = (call.began or now) + limit / 1000 - now
        if remaining > 0:
            batch.loop.call_later(remaining, self._watch, batch, call)
            return
        call.problem = CallbackTimeout(f"{callback_of(event)} did not return within {limit} ms.")
        call.settled = call.given_up = True
        STUCK_CALLBACKS.inc()
        call.settle(call)


class Watchdog:
    """Deadline check of one run. Raises `CallbackTimeout` at the second late or the first stuck callback."""

    def __init__(self) -> None:
        self._overruns = 0

    def check(self, call: StrategyCall) -> list[Decision]:
        """The decisions of the call. Raises `CallbackTimeout`.

        After that the runner must not be used again: a thread may still be executing it.
        """
        decisions = call.result()
        for event, took in zip(call.events, call.took, strict=True):
            DECIDE_SECONDS.observe(took)
            limit = deadline(callback_of(event))
            if took * 1000 > limit:
                self._overruns += 1
                if self._overruns > MAX_OVERRUNS:
                    raise CallbackTimeout(
                        f"{callback_of(event)} took {took * 1000:.0f} ms; the limit is {limit} ms."
                    )
        return decisions
