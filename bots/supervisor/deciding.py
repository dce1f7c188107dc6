"""Calling a strategy: in a thread, so that one that sleeps holds up nobody else, and by the clock."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import Histogram

from bots.domain import events
from bots.domain.lifecycle import deadline
from bots.domain.runner import Decision, Runner
from bots.supervisor.awake import awake

logger = logging.getLogger(__name__)

DECIDE_SECONDS = Histogram(
    "bots_decide_seconds", "Time that one event takes its strategy",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 10),
)  # fmt: skip
OVERRUNS_BORNE = 1
PATIENCE = 3  # times its deadline, before a callback is taken to be stuck
_threads = ThreadPoolExecutor(32, thread_name_prefix="strategy")


class Overrun(Exception):
    """A callback broke its deadline once too often; the sentence says how."""


def callback_of(event: events.Event) -> str:
    match event:
        case events.Started() | events.InputsChanged():
            return "on_start"
        case events.StopAsked():
            return "on_stop"
    return type(event).__name__


class Watchdog:
    """Of one run. Raises `Overrun` at the second callback that is late, and at once for one that is stuck."""

    def __init__(self) -> None:
        self._overruns = 0

    async def decide(self, runner: Runner, event: events.Event) -> Decision:
        """After an `Overrun` the runner must not be used again: a thread may still be inside."""
        limit = deadline(callback_of(event))
        began = awake()
        call = asyncio.get_running_loop().run_in_executor(_threads, runner.on_event, event)
        while not call.done():
            left = began + PATIENCE * limit / 1000 - awake()
            if left <= 0:
                raise Overrun(f"{callback_of(event)} did not return within {PATIENCE * limit} ms.")
            await asyncio.wait({call}, timeout=left)
        decision, took = call.result(), awake() - began
        DECIDE_SECONDS.observe(took)
        if took * 1000 > limit:
            self._overruns += 1
            if self._overruns > OVERRUNS_BORNE:
                raise Overrun(f"{callback_of(event)} took {took * 1000:.0f} ms; {limit} ms are allowed.")
        return decision
