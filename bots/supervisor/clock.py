"""Clocks of the supervisor: wall clock, monotonic clock, and a clock that excludes process suspension."""

import asyncio
import threading
import time
from collections.abc import Callable


def now_ms() -> int:
    """Wall clock in ms, as events carry it."""
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Monotonic seconds of the event loop; only differences are meaningful."""
    return asyncio.get_running_loop().time()


TICK = 0.1  # s
MAX_BUSY_GAP = 0.5  # s; a shorter gap means a busy machine, a longer one a suspended process


def _tick_for_ever(clock: "ActiveClock") -> None:
    pause = threading.Event()
    while not pause.wait(TICK):
        clock.tick()


class ActiveClock:
    """Monotonic clock that excludes the time in which this process was suspended.

    Call it for seconds; only differences are meaningful. `tick` must be called continuously: a gap in which
    the process used no CPU time counts as suspension.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, work: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._work = clock, work
        self._suspended = 0.0
        self._last = clock(), work()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self._clock() - self._suspended - self._gap()

    def tick(self) -> None:
        with self._lock:
            self._suspended += self._gap()
            self._last = self._clock(), self._work()

    def _gap(self) -> float:
        """Seconds without any activity of this process since the last tick; 0 for a short gap."""
        last, last_work = self._last
        idle = self._clock() - last - (self._work() - last_work)
        return idle if idle > MAX_BUSY_GAP else 0.0


active_clock = ActiveClock()
_ticker = threading.Thread(target=_tick_for_ever, args=(active_clock,), name="active-clock", daemon=True)


def active_clock_start() -> None:
    """Start the thread that ticks `active_clock`, once in a process."""
    if _ticker.ident is None:
        _ticker.start()
