"""Base class of the Channels worker processes: a lease, a wake-up per second, and a graceful stop."""

import asyncio
import logging
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer
from channels.utils import await_many_dispatch

from core.asgi import Receive, Scope, Send
from core.leases import LeaseKeeper, task_is_running

logger = logging.getLogger(__name__)


class WorkerConsumer(AsyncConsumer):  # type: ignore[misc]
    """Channels worker that reconciles its tasks with the database rows, once per `wake`.

    Handlers only set events; the work runs in tasks that the subclass owns. It listens only to the queue of
    its worker: Channels would add a second, private channel in Redis, and the consumer would end with
    that channel's sockets whenever Redis does.
    """

    channel: ClassVar[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        self.keeper = LeaseKeeper(self.channel)
        self._woken = asyncio.Event()
        main_task = asyncio.create_task(self._reconcile_loop(), name=f"{self.channel} worker")
        try:
            await await_many_dispatch([receive], self.dispatch)
        finally:
            main_task.cancel()
            await asyncio.gather(main_task, return_exceptions=True)
            await self.drain()
            await self.keeper.stop()

    # --- for the subclass ----------------------------------------------------------------------
    async def reconcile(self) -> None:
        """Claim free rows, start their tasks and stop the others. Called while the lease is safe."""

    async def drain(self) -> None:
        """Stop all tasks at once and release their claims."""

    # --- messages ------------------------------------------------------------------------------
    async def dispatch(self, message: dict[str, Any]) -> None:
        # The dispatch of Channels would close database connections in a thread for every message.
        handler = getattr(self, message["type"].replace(".", "_"), None)
        if message["type"].startswith("_") or handler is None:
            logger.warning("no handler", extra={"channel": self.channel, "reason": message["type"]})
            return
        await handler(message)

    async def wake(self, message: dict[str, Any]) -> None:
        self._woken.set()

    async def _reconcile_loop(self) -> None:
        while task_is_running():
            await self._woken.wait()
            self._woken.clear()
            try:
                if self.keeper.worker is None:
                    await self.keeper.start()
                if self.keeper.is_safe():  # otherwise the tasks stop on their own
                    await self.reconcile()
            except Exception:
                logger.warning("reconciliation failed", extra={"channel": self.channel}, exc_info=True)
