"""`bots-supervisor`: the Channels worker that runs bots. It also keeps the house clean, once an hour."""

import asyncio
import logging
from typing import Any

from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.services import expired_remove
from bots.services import journal_trim
from bots.supervisor.worker import Supervisor
from market.hub import Nudges, WorkerConsumer, in_thread
from market.leases import workers_sweep

logger = logging.getLogger(__name__)

CLEAN_EVERY = 3600.0


class SupervisorConsumer(WorkerConsumer):
    """One desk for each bot that this process has claimed.

    Removes what has expired as well. Several supervisors may do so at once: it is gone once.
    """

    channel = "bots-supervisor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clean_due = 0.0
        self._supervisor: Supervisor | None = None
        self._listening: asyncio.Task[None] | None = None

    async def reconcile(self) -> None:
        if self._supervisor is None:
            self._supervisor = Supervisor(safe=self.keeper.safe)
            self._listening = asyncio.create_task(self._listen(self._supervisor), name="nudges")
        assert self.keeper.worker is not None
        await self._supervisor.reconcile(self.keeper.worker)
        await self.clean()

    async def _listen(self, supervisor: Supervisor) -> None:
        async for key in Nudges(self.channel):
            if not supervisor.nudge(key):
                self._woken.set()  # perhaps a bot that nobody has claimed yet

    async def clean(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._clean_due:
            return
        self._clean_due = now + CLEAN_EVERY
        removed = await database_sync_to_async(expired_remove)(now=timezone.now())
        swept = await database_sync_to_async(workers_sweep)()
        trimmed = await in_thread(journal_trim, now=timezone.now())
        count = sum(removed.values()) + swept + trimmed
        logger.info("cleaned", extra={"channel": self.channel, "count": count})

    async def drain(self) -> None:
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._supervisor:
            await self._supervisor.drain()
