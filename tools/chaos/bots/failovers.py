"""Failover times: how long bots are without a supervisor, by their rows and the database's clock. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

BOUND = 20.0  # s


@dataclass(frozen=True, slots=True)
class BotStatus:
    """Status of a bot with an active run: process id of its supervisor, and time of its last heartbeat (s)."""

    bot: UUID
    pid: int | None
    heartbeat: float


@dataclass(frozen=True, slots=True)
class Failover:
    """One failover: from the stop of the bot's supervisor until process `pid` ran it or stopped too (Unix time, s)."""

    bot: UUID
    pid: int | None
    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def __str__(self) -> str:
        since, until = (
            f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-5] for at in (self.since, self.until)
        )
        return f"{self.bot} from {since} to {until}, {self.seconds:.1f} s; then process {self.pid}"


class FailoverTracker:
    """Measures failovers; `failovers` lists all that have ended.

    A failover begins when the supervisor of a bot is killed or paused, and ends with the next heartbeat of the
    bot, from another supervisor or from the same one after its pause. No supervisor can write heartbeats while
    the database is unavailable, so pending failovers then start again when it is back. A successor that is
    stopped before its first heartbeat ends one failover and begins another.
    """

    def __init__(self) -> None:
        self.failovers: list[Failover] = []
        self._stopped: dict[int, float] = {}
        self._pending: dict[UUID, float] = {}
        self._successors: dict[UUID, int] = {}

    def stopped(self, pid: int, at: float) -> None:
        """Process `pid` was killed or paused."""
        self._stopped[pid] = at

    def resumed(self, pid: int) -> None:
        self._stopped.pop(pid, None)

    def database_restored(self, at: float) -> None:
        """The database is available again: pending failovers start now."""
        self._pending = {bot: max(since, at) for bot, since in self._pending.items()}
        self._stopped = {pid: max(since, at) for pid, since in self._stopped.items()}

    def update(self, now: float, bots: Iterable[BotStatus]) -> None:
        """Process the current state; `bots` are all bots with an active run."""
        active = {status.bot: status for status in bots}
        for bot, status in active.items():
            if status.pid is None or status.pid in self._stopped:
                stopped = self._stopped.get(status.pid or 0, now)
                since = self._pending.setdefault(bot, stopped)
                if status.pid is not None and self._successors.get(bot) == status.pid and since < stopped:
                    self.failovers.append(Failover(bot, status.pid, since, stopped))
                    self._pending[bot] = stopped
            elif bot in self._pending:
                self._successors[bot] = status.pid
                if status.heartbeat >= self._pending[bot]:
                    self.failovers.append(Failover(bot, status.pid, self._pending.pop(bot), status.heartbeat))
        self._pending = {bot: since for bot, since in self._pending.items() if bot in active}

    def pending(self, now: float) -> dict[UUID, float]:
        """Duration so far of every pending failover, by bot."""
        return {bot: now - since for bot, since in self._pending.items()}

    @property
    def late(self) -> list[Failover]:
        return [failover for failover in self.failovers if failover.seconds > BOUND]
