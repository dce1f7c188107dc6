"""Publisher of a user's private events (`me` topic) after a commit.

Delivery is best effort: a client that misses an event reads PostgreSQL.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import REDIS_ERRORS
from core.leases import task_is_running
from market.hub.publisher import user_event_publish

logger = logging.getLogger(__name__)

MAX_QUEUED = 2_000


class UserEventPublisher:
    """User event publisher. `publish` never waits or fails; events that Redis rejects are logged and lost."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(MAX_QUEUED)

    def publish(self, user: str, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait((user, event))

    async def run(self) -> None:
        while task_is_running():
            user, event = await self._queue.get()
            try:
                await user_event_publish(user, event)
            except REDIS_ERRORS as problem:
                logger.info("user event not published", extra={"user_id": user, "reason": str(problem)[:200]})
