"""What every worker process has in common: a lease, a wake a second, and a way to stop."""

import asyncio
import logging
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer
from channels.utils import await_many_dispatch

from market.leases import Keeper, task_goes_on

logger = logging.getLogger(__name__)


class WorkerConsumer(AsyncConsumer):  # type: ignore[misc]
    """A Channels worker that makes reality match the rows, once for every `wake`.

    Handlers only set events; the work lives in tasks that the subclass owns. It listens to its
    worker's queue alone: Channels would give it a second, private channel in Redis, and let it die
    with its sockets whenever Redis does.
    """

    channel: ClassVar[str]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.base_send = send
        self.keeper = Keeper(self.channel)
        self._woken = asyncio.Event()
        life = asyncio.create_task(self._live(), name=f"{self.channel} worker")
        try:
            await await_many_dispatch([receive], self.dispatch)
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            await self.drain()
            await self.keeper.stop()

    # --- for the subclass ----------------------------------------------------------------------
    async def reconcile(self) -> None:
        """Claim what is free, start what should run, stop what should not. Runs under a safe lease."""

    async def drain(self) -> None:
        """Stop everything at once and give it back."""

    # --- messages ------------------------------------------------------------------------------
    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels' own dispatch closes database connections in a thread first, for every message.
        handler = getattr(self, message["type"].replace(".", "_"), None)
        if message["type"].startswith("_") or handler is None:
            logger.warning("no handler", extra={"channel": self.channel, "reason": message["type"]})
            return
        await handler(message)

    async def wake(self, message: dict[str, Any]) -> None:
        self._woken.set()

    async def _live(self) -> None:
        while task_goes_on():
            await self._woken.wait()
            self._woken.clear()
            try:
                if self.keeper.worker is None:
                    await self.keeper.start()
                if self.keeper.safe():  # otherwise the tasks stop by themselves
                    await self.reconcile()
            except Exception:
                logger.warning("a wake came to nothing", extra={"channel": self.channel}, exc_info=True)
