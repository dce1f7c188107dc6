"""Supervisor context: dependencies shared by all bot actors of one supervisor."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from bots.domain.lifecycle import Status
from bots.domain.snapshot import Snapshot
from bots.supervisor.candles import CandleCache, CandleLimiter
from bots.supervisor.clock import now_ms
from bots.supervisor.strategy_executor import StrategyExecutor
from core.threads import in_thread

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
MAX_DB_THREADS = 2  # with three threads, 500 bots were too many for one core (docs/benchmarks.md)
PublishEvents = Callable[[str, Iterable[Mapping[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class SupervisorContext:
    """Shared dependencies. `lease_is_safe`: whether the worker's lease still holds by the local clock.

    `publish` sends events to the pages of a user.
    """

    executor: StrategyExecutor
    candle_cache: CandleCache
    candle_limiter: CandleLimiter
    lease_is_safe: Callable[[], bool]
    publish: PublishEvents
    _db_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_DB_THREADS))

    async def in_thread(self, work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Run a service in a thread: a few at a time, and not while a batch of decisions is running, because
        both need the interpreter lock and decisions come first."""
        async with self._db_slots:
            await self.executor.wait_idle()
            return await in_thread(work, *args, **kwargs)

    def publish_status(self, bot: UUID, user: UUID, snapshot: Snapshot, reason: str) -> None:
        """Publish the bot's status and its reason to the owner's pages."""
        event = {
            "type": "bot", "id": str(bot), "status": snapshot.status.value, "reason": reason,
            "position": str(snapshot.position.size), "orders": len(snapshot.live), "at": now_ms(),
        }  # fmt: skip
        self.publish(str(user), [event])

    def log(self, bot: UUID, user: UUID, status: str, reason: str) -> None:
        """Log a change of the bot's status. The changing reasons of an idle bot are only published."""
        level = logging.WARNING if status == Status.FAULTED else logging.INFO
        extra = {"bot": str(bot), "user_id": str(user), "status": status, "reason": reason}
        logger.log(level, "bot status changed", extra=extra)
