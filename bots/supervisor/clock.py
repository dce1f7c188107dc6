"""Our clocks: the time that events carry, and the one that nobody sets."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Seconds; only differences mean something."""
    return asyncio.get_running_loop().time()


TICK = 0.1  # s
BORNE = 0.5  # s; a gap up to this is a busy machine


def _tick_for_ever(clock: "Awake") -> None:
    pause = threading.Event()
    while not pause.wait(TICK):
        clock.tick()


class Awake:
    """Call it for the seconds lived so far; only differences mean something. `tick` must come all the time."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, work: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._work = clock, work
        self._slept = 0.0
        self._last = clock(), work()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self._clock() - self._slept - self._gap()

    def tick(self) -> None:
        with self._lock:
            self._slept += self._gap()
            self._last = self._clock(), self._work()

    def _gap(self) -> float:
        """How long nothing at all has happened here until now."""
        then, worked = self._last
        idle = self._clock() - then - (self._work() - worked)
        return idle if idle > BORNE else 0.0


awake = Awake()
_ticker = threading.Thread(target=_tick_for_ever, args=(awake,), name="awake", daemon=True)


def awake_start() -> None:
    """Start the thread that ticks `awake`, once in a process."""
    with contextlib.suppress(RuntimeError):  # it runs already
        _ticker.start()
