"""`bots-supervisor`: the worker that will run bots. Until then it keeps the house clean, once an hour."""

import asyncio
import logging
from typing import Any

from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.services import expired_remove
from market.hub import WorkerConsumer
from market.leases import workers_sweep

logger = logging.getLogger(__name__)

CLEAN_EVERY = 3600.0


class SupervisorConsumer(WorkerConsumer):
    """Removes what has expired. Several supervisors may do so at once: it is gone once."""

    channel = "bots-supervisor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clean_due = 0.0

    async def reconcile(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._clean_due:
            return
        self._clean_due = now + CLEAN_EVERY
        removed = await database_sync_to_async(expired_remove)(now=timezone.now())
        swept = await database_sync_to_async(workers_sweep)()
        logger.info("cleaned", extra={"channel": self.channel, "count": sum(removed.values()) + swept})
