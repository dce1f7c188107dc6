"""Telling a user's pages what has been committed. A hint: whoever misses it reads PostgreSQL."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from market.hub.publisher import user_event_publish
from market.leases import task_goes_on

logger = logging.getLogger(__name__)

REDIS_AWAY = (redis.RedisError, OSError, TimeoutError)
KEPT = 2_000


class Announcer:
    """`tell` never waits and never fails: what Redis does not take is logged and gone."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(KEPT)

    def tell(self, user: str, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait((user, event))

    async def run(self) -> None:
        while task_goes_on():
            user, event = await self._queue.get()
            try:
                await user_event_publish(user, event)
            except REDIS_AWAY as problem:
                logger.info("not announced", extra={"user_id": user, "reason": str(problem)[:200]})
