"""`bots-supervisor`: the Channels worker that runs bots. It also deletes expired rows, once an hour."""

import asyncio
import logging
from typing import Any

from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.services import expired_delete
from bots.services import journal_trim
from bots.supervisor.worker import Supervisor
from core.leases import workers_sweep
from core.nudges import NudgeSubscription
from core.threads import in_thread
from core.workers import WorkerConsumer

logger = logging.getLogger(__name__)

CLEANUP_INTERVAL = 3600.0


class SupervisorConsumer(WorkerConsumer):
    """Channels consumer of the supervisor: runs one bot actor for each bot that this process has claimed.

    It also deletes expired sessions, codes, worker rows and journal entries. Several supervisors may do so
    at the same time; each row is deleted once.
    """

    channel = "bots-supervisor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clean_due = 0.0
        self._supervisor: Supervisor | None = None
        self._listening: asyncio.Task[None] | None = None

    async def reconcile(self) -> None:
        if self._supervisor is None:
            self._supervisor = Supervisor(lease_is_safe=self.keeper.is_safe)
            self._listening = asyncio.create_task(self._listen(self._supervisor), name="nudges")
        assert self.keeper.worker is not None
        await self._supervisor.reconcile(self.keeper.worker)
        await self.clean()

    async def _listen(self, supervisor: Supervisor) -> None:
        async for key in NudgeSubscription(self.channel):
            if not supervisor.nudge(key):
                self._woken.set()  # possibly a bot that no supervisor has claimed yet: reconcile at once

    async def clean(self) -> None:
        """Delete what has expired, when the last clean-up is an hour old."""
        now = asyncio.get_running_loop().time()
        if now < self._clean_due:
            return
        self._clean_due = now + CLEANUP_INTERVAL
        removed = await database_sync_to_async(expired_delete)(now=timezone.now())
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
