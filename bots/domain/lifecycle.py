"""The life of a run: its states, what moves it from one to another, and the patience we have with it."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """*Idle* has a reason in words. *Faulted* has a traceback, and its stop policy is carried out."""

    STARTING = "starting"
    WARMING = "warming"  # candles are being read
    RUNNING = "running"
    IDLE = "idle"
    STOPPING = "stopping"  # the stop policy is being carried out
    STOPPED = "stopped"
    FAULTED = "faulted"


class Signal(StrEnum):
    """What happens to a run."""

    CLAIM = "claim"  # a worker took it, for the first time or after another one died
    WARM = "warm"
    START = "start"
    WORK = "work"
    REST = "rest"
    STOP = "stop"
    DONE = "done"  # nothing is left to be carried out
    FAULT = "fault"


class StopPolicy(StrEnum):
    """The one question that every stop asks."""

    KEEP = "keep"
    CANCEL_OWN = "cancel_own"
    CANCEL_AND_CLOSE_OWN = "cancel_and_close_own"


class MoveIllegal(Exception):
    """A run in this state cannot do that."""

    def __init__(self, status: Status, signal: Signal) -> None:
        self.status = status
        self.signal = signal
        super().__init__(f"a run that is {status} cannot {signal}")


_S, _E = Status, Signal
MOVES: dict[tuple[Status, Signal], Status] = {
    (_S.STARTING, _E.CLAIM): _S.STARTING,
    (_S.STARTING, _E.WARM): _S.WARMING,
    (_S.STARTING, _E.START): _S.RUNNING,  # strategies that read no candles
    (_S.STARTING, _E.STOP): _S.STOPPING,
    (_S.STARTING, _E.FAULT): _S.FAULTED,
    (_S.WARMING, _E.CLAIM): _S.STARTING,
    (_S.WARMING, _E.WARM): _S.WARMING,
    (_S.WARMING, _E.START): _S.RUNNING,
    (_S.WARMING, _E.STOP): _S.STOPPING,
    (_S.WARMING, _E.FAULT): _S.FAULTED,
    (_S.RUNNING, _E.CLAIM): _S.STARTING,
    (_S.RUNNING, _E.WORK): _S.RUNNING,
    (_S.RUNNING, _E.REST): _S.IDLE,
    (_S.RUNNING, _E.STOP): _S.STOPPING,
    (_S.RUNNING, _E.FAULT): _S.FAULTED,
    (_S.IDLE, _E.CLAIM): _S.STARTING,
    (_S.IDLE, _E.WORK): _S.RUNNING,
    (_S.IDLE, _E.REST): _S.IDLE,
    (_S.IDLE, _E.STOP): _S.STOPPING,
    (_S.IDLE, _E.FAULT): _S.FAULTED,
    # Whoever takes over a run that was being stopped goes on stopping it; a second wish may be stricter.
    (_S.STOPPING, _E.CLAIM): _S.STOPPING,
    (_S.STOPPING, _E.STOP): _S.STOPPING,
    (_S.STOPPING, _E.DONE): _S.STOPPED,
    (_S.STOPPING, _E.FAULT): _S.FAULTED,
    # A fault is final: a person looks at it and starts a new run. Its orders are still looked after.
    (_S.FAULTED, _E.CLAIM): _S.FAULTED,
    (_S.FAULTED, _E.STOP): _S.FAULTED,
    (_S.FAULTED, _E.DONE): _S.FAULTED,
}
BEGINNING = frozenset({Status.STARTING, Status.WARMING})
DECIDING = frozenset({Status.RUNNING, Status.IDLE})  # callbacks are called
ENDED = frozenset({Status.STOPPED, Status.FAULTED})


def moved(status: Status, signal: Signal) -> Status:
    """The state after the signal. Raises MoveIllegal."""
    try:
        return MOVES[status, signal]
    except KeyError:
        raise MoveIllegal(status, signal) from None


# --- patience --------------------------------------------------------------------------------------
# How long a callback may take, in ms. The shell measures, and treats a breach like a callback that raised.
DEADLINES = {"on_start": 10_000, "on_stop": 5_000}
DEADLINE = 1_000

CRASH_WINDOW = 600_000
CRASHES_BORNE = 5
FIRST_DELAY = 1_000
LONGEST_DELAY = 60_000


def deadline(callback: str) -> int:
    return DEADLINES.get(callback, DEADLINE)


def backoff(failures: int) -> int:
    """How long (ms) to wait after so many failures in a row: 1 s, 2 s, 4 s … a minute."""
    return min(FIRST_DELAY << min(failures - 1, 30), LONGEST_DELAY) if failures > 0 else 0


@dataclass(frozen=True, slots=True)
class Restart:
    """Try again, at the earliest at this time (ms)."""

    at: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It crashes again and again; the run is faulted with this reason."""

    reason: str


def after_crash(crashes: tuple[int, ...], now: int) -> Restart | GiveUp:
    """What to do with a run whose worker crashed at these times (ms), the last of them just now."""
    recent = [crash for crash in crashes if crash > now - CRASH_WINDOW]
    if len(recent) > CRASHES_BORNE:
        minutes = CRASH_WINDOW // 60_000
        return GiveUp(f"Its process crashed {len(recent)} times within {minutes} minutes.")
    return Restart(now + backoff(len(recent)))
