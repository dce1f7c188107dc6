"""What all desks of one supervisor share."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bots.domain.lifecycle import Status
from bots.domain.snapshot import Snapshot
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.clock import now_ms
from bots.supervisor.deciding import Decider

logger = logging.getLogger(__name__)

Tell = Callable[[str, Iterable[Mapping[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`safe` says whether the worker's lease still holds by our own clock; `tell` reaches an owner's pages."""

    decider: Decider
    shelf: CandleShelf
    turns: CandleTurns
    safe: Callable[[], bool]
    tell: Tell

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
