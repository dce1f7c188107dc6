"""What all desks of one supervisor share."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from bots.domain.lifecycle import Status
from bots.domain.snapshot import Snapshot
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.clock import now_ms
from bots.supervisor.strategy_executor import Decider
from market.hub import in_thread

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
AT_ONCE = 2  # with three, five hundred bots were too many for a core (docs/benchmarks.md)
Tell = Callable[[str, Iterable[Mapping[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`safe` says whether the worker's lease still holds by our own clock; `tell` reaches an owner's pages."""

    decider: Decider
    shelf: CandleShelf
    turns: CandleTurns
    safe: Callable[[], bool]
    tell: Tell
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def in_thread(self, work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Services of desks, a few at a time and not in the midst of a round: they compute, and decisions
        wait for whoever computes."""
        async with self._few:
            await self.decider.quiet()
            return await in_thread(work, *args, **kwargs)

    def announce(self, bot: UUID, user: Any, snapshot: Snapshot, reason: str) -> None:
        """To its owner's pages: how it stands, and why."""
        event = {
            "type": "bot", "id": str(bot), "status": snapshot.status.value, "reason": reason,
            "position": str(snapshot.position.size), "orders": len(snapshot.live), "at": now_ms(),
        }  # fmt: skip
        self.tell(str(user), [event])

    def log(self, bot: UUID, user: Any, status: str, reason: str) -> None:
        """A line whenever it stands otherwise than before; why it is idle from moment to moment is on its card."""
        level = logging.WARNING if status == Status.FAULTED else logging.INFO
        said = {"bot": str(bot), "user_id": str(user), "status": status, "reason": reason}
        logger.log(level, "bot stands", extra=said)
