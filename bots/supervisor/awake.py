"""Time as this process has lived it: a pause of the whole process is nobody's fault in it.

A machine that is suspended, or a process that is stopped and goes on, would otherwise find every callback
that was under way hours late. Only a gap in which the process did not even use the processor counts as
such a pause: code that keeps all threads waiting is not asleep, and stays to blame.
"""

import threading
import time
from collections.abc import Callable

TICK = 0.1  # s
BORNE = 0.5  # s; a gap up to this is a busy machine


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


def _tick_for_ever(clock: Awake) -> None:
    pause = threading.Event()
    while not pause.wait(TICK):
        clock.tick()


awake = Awake()
threading.Thread(target=_tick_for_ever, args=(awake,), name="awake", daemon=True).start()
