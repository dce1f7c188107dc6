"""How long bots are without a supervisor, by the rows and the database's clock. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

BOUND = 20.0  # s


@dataclass(frozen=True, slots=True)
class Seen:
    """A bot whose run goes on: the process that its row names as its owner, and its last sign of life (s)."""

    bot: UUID
    pid: int | None
    beaten: float


class Takeovers:
    """A bot waits from the death of its supervisor until another one, or the same one awake again, writes
    a sign of life for it. While the database is away nobody could, so that waiting begins when it is back.
    An heir that dies before it gave a sign ends one wait, and begins another.

    `took` lists every wait in seconds.
    """

    def __init__(self) -> None:
        self.took: list[float] = []
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
                    self.took.append(died - since)
                    self._waiting[bot] = died
            elif bot in self._waiting:
                self._heirs[bot] = seen.pid
                if seen.beaten >= self._waiting[bot]:
                    self.took.append(seen.beaten - self._waiting.pop(bot))
        self._waiting = {bot: since for bot, since in self._waiting.items() if bot in going}

    def waiting(self, now: float) -> dict[UUID, float]:
        """How long each has waited that waits now."""
        return {bot: now - since for bot, since in self._waiting.items()}

    @property
    def late(self) -> list[float]:
        return [seconds for seconds in self.took if seconds > BOUND]
