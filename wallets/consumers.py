"""`wallets-execution`: the Channels worker that claims wallets and acts for them at their venues."""

import asyncio
import logging
from typing import Any

from django.conf import settings

from market.hub import Nudges, WorkerConsumer, in_thread
from wallets.execution.worker import Execution
from wallets.vault import Opener, VaultLocked, harden

logger = logging.getLogger(__name__)

CHANNEL = "wallets-execution"


def _complain(opener: Opener) -> None:
    """Say at the start, not at the first order, when a key is missing; the other wallets are served."""
    try:
        opener.check()
    except VaultLocked as locked:
        logger.error("keys are locked", extra={"channel": CHANNEL, "reason": locked.reason})


class ExecutionConsumer(WorkerConsumer):
    """One desk for each wallet that this process has claimed."""

    channel = CHANNEL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._execution: Execution | None = None
        self._listening: asyncio.Task[None] | None = None

    async def reconcile(self) -> None:
        if self._execution is None:
            harden()
            opener = Opener(settings.EXECUTION_KEYS)
            await in_thread(_complain, opener)
            self._execution = Execution(opener, safe=self.keeper.safe)
            self._listening = asyncio.create_task(self._listen(self._execution), name="nudges")
        assert self.keeper.worker is not None
        await self._execution.reconcile(self.keeper.worker)

    async def _listen(self, execution: Execution) -> None:
        async for key in Nudges(self.channel):
            if not execution.nudge(key):
                self._woken.set()  # perhaps a wallet that nobody has claimed yet

    async def drain(self) -> None:
        if self._execution:
            await self._execution.drain()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
