"""`wallets-execution`: the Channels worker that claims wallets and trades for them at their venues."""

import asyncio
import logging
from typing import Any

from django.conf import settings

from core.nudges import NudgeSubscription
from core.threads import in_thread
from core.workers import WorkerConsumer
from wallets.execution.worker import ExecutionWorker
from wallets.vault import Unsealer, VaultLocked, harden

logger = logging.getLogger(__name__)

CHANNEL = "wallets-execution"


def _report_sealing_keys(unsealer: Unsealer) -> None:
    """Log missing sealing keys at the start, not at the first order; wallets with other keys still work."""
    try:
        unsealer.check()
    except VaultLocked as locked:
        logger.error("sealing keys are locked", extra={"channel": CHANNEL, "reason": locked.reason})


class ExecutionConsumer(WorkerConsumer):
    """The consumer of the execution worker: runs one wallet actor per claimed wallet."""

    channel = CHANNEL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._execution: ExecutionWorker | None = None
        self._listening: asyncio.Task[None] | None = None

    async def reconcile(self) -> None:
        if self._execution is None:
            harden()
            unsealer = Unsealer(settings.SEALING_KEY_DIR)
            await in_thread(_report_sealing_keys, unsealer)
            self._execution = ExecutionWorker(unsealer, safe=self.keeper.is_safe)
            self._listening = asyncio.create_task(self._listen(self._execution), name="nudges")
        assert self.keeper.worker is not None
        await self._execution.reconcile(self.keeper.worker)

    async def _listen(self, execution: ExecutionWorker) -> None:
        async for key in NudgeSubscription(self.channel):
            if not execution.nudge(key):
                self._woken.set()  # possibly a wallet that no worker has claimed yet

    async def drain(self) -> None:
        if self._execution:
            await self._execution.drain()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
