"""How long bots are without a supervisor, by the rows and the database's clock. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

BOUND = 20.0  # s


@dataclass(frozen=True, slots=True)
class Seen:
    """A bot whose run goes on: the process that its row names as its owner, and its last sign of life (s)."""

    bot: UUID
    pid: int | None
    beaten: float


@dataclass(frozen=True, slots=True)
class Wait:
    """From the death of `bot`'s supervisor until `pid` drove it, or died as well (s since 1970)."""

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


class Takeovers:
    """A bot waits from the death of its supervisor until another one, or the same one awake again, writes
    a sign of life for it. While the database is away nobody could, so that waiting begins when it is back.
    An heir that dies before it gave a sign ends one wait, and begins another.

    `took` lists every wait.
    """

    def __init__(self) -> None:
        self.took: list[Wait] = []
        self._still: dict[int, float] = {}
        self._waiting: dict[UUID, float] = {}
        self._heirs: dict[UUID, int] = {}

    def stopped(self, pid: int, at: float) -> None:
        """Killed or paused."""
        self._still[pid] = at

    def went_on(self, pid: int) -> None:
        self._still.pop(pid, None)

    def back(self, at: float) -> None:
        """The database answers again."""
        self._waiting = {bot: max(since, at) for bot, since in self._waiting.items()}
        self._still = {pid: max(since, at) for pid, since in self._still.items()}

    def look(self, now: float, bots: Iterable[Seen]) -> None:
        """`bots` are all whose run goes on at this moment."""
        going = {seen.bot: seen for seen in bots}
        for bot, seen in going.items():
            if seen.pid is None or seen.pid in self._still:
                died = self._still.get(seen.pid or 0, now)
                since = self._waiting.setdefault(bot, died)
                if seen.pid is not None and self._heirs.get(bot) == seen.pid and since < died:
                    self.took.append(Wait(bot, seen.pid, since, died))
                    self._waiting[bot] = died
            elif bot in self._waiting:
                self._heirs[bot] = seen.pid
                if seen.beaten >= self._waiting[bot]:
                    self.took.append(Wait(bot, seen.pid, self._waiting.pop(bot), seen.beaten))
        self._waiting = {bot: since for bot, since in self._waiting.items() if bot in going}

    def waiting(self, now: float) -> dict[UUID, float]:
        """How long each has waited that waits now."""
        return {bot: now - since for bot, since in self._waiting.items()}

    @property
    def late(self) -> list[Wait]:
        return [wait for wait in self.took if wait.seconds > BOUND]
