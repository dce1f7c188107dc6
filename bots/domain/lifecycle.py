"""State machine of a bot run: statuses, transitions, callback deadlines and crash backoff."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Status of a run. *Idle* has a reason. *Faulted* has a traceback; its stop policy is applied."""

    STARTING = "starting"
    WARMING = "warming"  # candles are being loaded
    RUNNING = "running"
    IDLE = "idle"
    STOPPING = "stopping"  # the stop policy is being applied
    STOPPED = "stopped"
    FAULTED = "faulted"


class Transition(StrEnum):
    """What moves a run from one status to the next."""

    CLAIM = "claim"  # a supervisor claimed it, for the first time or after another supervisor died
    WARM = "warm"
    START = "start"
    WORK = "work"
    REST = "rest"
    STOP = "stop"
    DONE = "done"  # the stop policy has been applied completely
    FAULT = "fault"


class StopPolicy(StrEnum):
    """What to do with the bot's own orders and position when it stops."""

    KEEP = "keep"
    CANCEL_OWN = "cancel_own"
    CANCEL_AND_CLOSE_OWN = "cancel_and_close_own"


class IllegalTransition(Exception):
    """The status does not allow this transition."""

    def __init__(self, status: Status, signal: Transition) -> None:
        self.status = status
        self.signal = signal
        super().__init__(f"a run that is {status} cannot {signal}")


_S, _E = Status, Transition
TRANSITIONS: dict[tuple[Status, Transition], Status] = {
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
    # A supervisor that takes over a STOPPING run continues the stop; a second stop request may be stricter.
    (_S.STOPPING, _E.CLAIM): _S.STOPPING,
    (_S.STOPPING, _E.STOP): _S.STOPPING,
    (_S.STOPPING, _E.DONE): _S.STOPPED,
    (_S.STOPPING, _E.FAULT): _S.FAULTED,
    # A fault is final: the owner examines it and starts a new run. Its orders are still managed.
    (_S.FAULTED, _E.CLAIM): _S.FAULTED,
    (_S.FAULTED, _E.STOP): _S.FAULTED,
    (_S.FAULTED, _E.DONE): _S.FAULTED,
}
STARTUP = frozenset({Status.STARTING, Status.WARMING})
ACTIVE = frozenset({Status.RUNNING, Status.IDLE})  # callbacks are called
TERMINAL = frozenset({Status.STOPPED, Status.FAULTED})


def next_status(status: Status, signal: Transition) -> Status:
    """The status after the signal. Raises `IllegalTransition`."""
    try:
        return TRANSITIONS[status, signal]
    except KeyError:
        raise IllegalTransition(status, signal) from None


# --- deadlines and backoff -------------------------------------------------------------------------
# How long a callback may take, in ms. The strategy executor measures; exceeding it counts as a raised error.
DEADLINES = {"on_start": 10_000, "on_stop": 5_000}
DEADLINE = 1_000

CRASH_WINDOW = 600_000
MAX_CRASHES = 5
MIN_BACKOFF = 1_000
MAX_BACKOFF = 60_000


def deadline(callback: str) -> int:
    """How long this callback may take, in ms."""
    return DEADLINES.get(callback, DEADLINE)


def backoff(failures: int) -> int:
    """Exponential backoff (ms) after so many consecutive failures: 1 s, 2 s, 4 s, up to one minute."""
    return min(MIN_BACKOFF << min(failures - 1, 30), MAX_BACKOFF) if failures > 0 else 0


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart the run, at this time (ms) at the earliest."""

    at: int


@dataclass(frozen=True, slots=True)
class NoRestart:
    """The run crashed too often; it is faulted with this reason."""

    reason: str


def after_crash(crashes: tuple[int, ...], now: int) -> Restart | NoRestart:
    """What to do with a run that crashed at these times (ms), the last of them just now."""
    recent = [crash for crash in crashes if crash > now - CRASH_WINDOW]
    if len(recent) > MAX_CRASHES:
        minutes = CRASH_WINDOW // 60_000
        return NoRestart(f"The bot crashed {len(recent)} times within {minutes} minutes.")
    return Restart(now + backoff(len(recent)))
