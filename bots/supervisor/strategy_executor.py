"""Calling strategies: many bots in one go, in threads, so that one that sleeps holds up nobody else."""

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
from bots.supervisor.clock import awake, awake_start

logger = logging.getLogger(__name__)

DECIDE_SECONDS = Histogram(
    "bots_decide_seconds", "Time that one event takes its strategy",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 10),
)  # fmt: skip
STUCK = Gauge("bots_callbacks_stuck", "Callbacks that were given up and have not returned")
OVERRUNS_BORNE = 1
PATIENCE = 3  # times its deadline, before a callback is taken to be stuck
MOMENT = 0.05  # s after which nobody waits any longer behind one callback


class Overrun(Exception):
    """A callback broke its deadline once too often; the sentence says how."""


def callback_of(event: events.Event) -> str:
    match event:
        case events.Started() | events.InputsChanged():
            return "on_start"
        case events.StopAsked():
            return "on_stop"
    return type(event).__name__


class Call:
    """Events for one runner, one after the other, and what came of each. `tick` is what it knew before.

    `settle` is called in the loop, once: with decisions, or with the `problem` that ended it.
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
        self, runner: Runner, told: tuple[events.Event, ...], settle: Callable[["Call"], None]
    ) -> None:
        self.runner = runner
        self.events = told
        self.tick: Tick | None = runner.snapshot.tick
        self.settle = settle
        self.settled = self.ended = self.given_up = False
        self.decisions: list[Decision] = []
        self.took: list[float] = []  # s, each
        self.began = 0.0  # of the event that is under way
        self.problem: BaseException | None = None

    def run(self) -> None:
        """In a strategy's thread. After it was given up nobody looks at what this still does."""
        try:
            for event in self.events:
                self.began = began = awake()
                decision = self.runner.on_event(event)
                self.took.append(awake() - began)
                self.decisions.append(decision)
        except BaseException as problem:  # noqa: BLE001  ours, since the runner hears what strategies raise
            self.problem = self.problem or problem
        self.ended = True
        if self.given_up:
            STUCK.dec()

    def answer(self) -> list[Decision]:
        """Raises the problem that there was."""
        if self.problem is not None:
            raise self.problem
        return self.decisions


class _Round:
    """Calls that wait for whichever thread is free, and the loop that is told when one runs out of them."""

    def __init__(self, calls: Sequence[Call], loop: asyncio.AbstractEventLoop) -> None:
        self.calls = calls
        self.waiting = deque(calls)
        self.loop = loop
        self.stirred = asyncio.Event()

    def work(self) -> None:
        while True:
            try:
                call = self.waiting.popleft()
            except IndexError:
                return
            call.run()

    def settle(self) -> bool:
        """Whoever has ended is told. True: all have."""
        over = True
        for call in self.calls:
            if not call.settled:
                if call.ended:
                    call.settled = True
                    call.settle(call)
                else:
                    over = False
        return over

    async def rest(self) -> None:
        """Until a thread has run out of calls, a moment at the longest."""
        try:
            async with asyncio.timeout(MOMENT):
                await self.stirred.wait()
        except TimeoutError:
            pass
        self.stirred.clear()


class _Hand(threading.Thread):
    """Works through one round after the other. One that is stuck is no obstacle to the end of the process."""

    def __init__(self, back: Callable[["_Hand", _Round], None]) -> None:
        super().__init__(name="strategy", daemon=True)
        self.rounds: SimpleQueue[_Round] = SimpleQueue()
        self._back = back
        self.start()

    def run(self) -> None:
        while True:
            turn = self.rounds.get()
            turn.work()
            try:
                turn.loop.call_soon_threadsafe(self._back, self, turn)
            except RuntimeError:  # the loop has ended
                return


class Decider:
    """Of one supervisor. No runner may be in two calls at once."""

    def __init__(self) -> None:
        awake_start()
        self._idle: list[_Hand] = []
        self._asked: list[Call] = []
        self._answering: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    def ask(self, call: Call) -> None:
        """Decide it together with whatever else is asked now."""
        self._asked.append(call)
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer(), name="decisions")

    async def _answer(self) -> None:
        while self._asked:
            calls, self._asked = self._asked, []
            await self._decide(calls)

    async def decide(self, calls: Sequence[Call]) -> None:
        """Until all are settled but those that take longer than a moment: these are, later."""
        self._quiet.clear()
        try:
            await self._decide(calls)
        finally:
            self._quiet.set()

    async def quiet(self) -> None:
        """Wait for the end of the round that is being decided, a moment at the longest.

        For work that can wait and would have to share the interpreter's lock with it.
        """
        if not self._quiet.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOMENT):
                    await self._quiet.wait()

    async def _decide(self, calls: Sequence[Call]) -> None:
        turn = _Round(calls, asyncio.get_running_loop())
        self._lend(turn)
        while True:
            left = len(turn.waiting)
            await turn.rest()
            if turn.settle():
                return
            if not turn.waiting:
                break
            if left == len(turn.waiting):  # somebody sleeps in there: the others go on without
                self._lend(turn)
        for call in calls:
            if not call.settled:
                self._mind(turn, call)

    def _lend(self, turn: _Round) -> None:
        hand = self._idle.pop() if self._idle else _Hand(self._back)
        hand.rounds.put(turn)

    def _back(self, hand: _Hand, turn: _Round) -> None:
        self._idle.append(hand)
        turn.stirred.set()
        turn.settle()

    def _mind(self, turn: _Round, call: Call) -> None:
        """Give it up in time: for the event that is under way, `PATIENCE` times what is allowed."""
        if call.settled:
            return
        event = call.events[min(len(call.decisions), len(call.events) - 1)]
        limit = PATIENCE * deadline(callback_of(event))
        now = awake()
        left = (call.began or now) + limit / 1000 - now
        if left > 0:
            turn.loop.call_later(left, self._mind, turn, call)
            return
        call.problem = Overrun(f"{callback_of(event)} did not return within {limit} ms.")
        call.settled = call.given_up = True
        STUCK.inc()
        call.settle(call)


class Watchdog:
    """Of one run. Raises `Overrun` at the second callback that is late, and at once for one that is stuck."""

    def __init__(self) -> None:
        self._overruns = 0

    def judged(self, call: Call) -> list[Decision]:
        """After an `Overrun` the runner must not be used again: a thread may still be inside."""
        decisions = call.answer()
        for event, took in zip(call.events, call.took, strict=True):
            DECIDE_SECONDS.observe(took)
            limit = deadline(callback_of(event))
            if took * 1000 > limit:
                self._overruns += 1
                if self._overruns > OVERRUNS_BORNE:
                    raise Overrun(f"{callback_of(event)} took {took * 1000:.0f} ms; {limit} ms are allowed.")
        return decisions
