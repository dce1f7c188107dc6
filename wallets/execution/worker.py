"""Execution worker: claims wallets, runs one wallet actor for each, and releases them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import DATABASE_ERRORS
from core.leases import LeaseLost, release
from core.threads import in_thread
from market.hub import UserEventPublisher
from market.venues import trader_for
from wallets.execution.pending_work import PendingWork, pending_work, wallets_claim
from wallets.execution.venue_connection import VenueConnection
from wallets.execution.wallet_actor import WalletActor
from wallets.services.user_events import alert_event
from wallets.vault import Unsealer

logger = logging.getLogger(__name__)

FIRST_PAUSE, MAX_PAUSE = 1.0, 60.0
STEADY_SECONDS = 60.0
FINISH_TIMEOUT = 3.0


@dataclass
class _RunningWallet:
    """A running wallet actor and its task."""

    actor: WalletActor
    connection: VenueConnection
    task: asyncio.Task[None]
    started_at: float
    release_at: float | None = None  # set once the task has ended


class ExecutionWorker:
    """Runs the wallets of one process. `safe` returns whether its lease is still valid by the local clock."""

    def __init__(self, unsealer: Unsealer, *, safe: Callable[[], bool]) -> None:
        self._unsealer = unsealer
        self._safe = safe
        self._publisher = UserEventPublisher()
        self._publishing = asyncio.create_task(self._publisher.run(), name="publisher")
        self._connections: dict[str, tuple[VenueConnection, asyncio.Task[None]]] = {}
        self._running: dict[UUID, _RunningWallet] = {}
        self._released: set[UUID] = set()  # since the last reconcile
        self._crashes: dict[UUID, int] = {}

    def nudge(self, key: str) -> bool:
        """Work for this wallet was committed. False when this worker does not run it."""
        for pk, running in self._running.items():
            if str(pk) == key:
                running.actor.nudge()
                return True
        return False

    async def reconcile(self, worker: UUID) -> None:
        """Claim free wallets, and make the running actors match the wallets of this worker."""
        if claimed := await in_thread(wallets_claim, worker):
            logger.info("wallets claimed", extra={"count": claimed})
        work_by_wallet = await in_thread(pending_work, worker)
        for pk, running in list(self._running.items()):
            if pk not in work_by_wallet or work_by_wallet[pk].claim != running.actor.claim:
                logger.info("wallet released", extra={"subject": str(pk), "epoch": running.actor.claim.epoch})
                await self._release(pk)
        await self._reap()
        for pk, work in work_by_wallet.items():
            if pk in self._running:
                self._running[pk].actor.update(work)
            elif pk not in self._released:
                self._start(work)
        self._released.clear()
        self._assign_streams(work_by_wallet)

    # --- connections and actors -------------------------------------------------------------------
    def _connection(self, venue: str) -> VenueConnection:
        if venue not in self._connections:
            connection = VenueConnection(trader_for(venue))
            self._connections[venue] = (
                connection,
                asyncio.create_task(connection.run(), name=f"streams {venue}"),
            )
        return self._connections[venue][0]

    def _start(self, work: PendingWork) -> None:
        connection, pk = self._connection(work.wallet.venue_id), work.wallet.pk
        actor = WalletActor(work, connection, self._unsealer, self._publisher, safe=self._safe)
        connection.add(actor)
        task = asyncio.create_task(actor.run(), name=f"wallet {pk}")
        self._running[pk] = _RunningWallet(actor, connection, task, started_at=_now())

    def _assign_streams(self, work_by_wallet: dict[UUID, PendingWork]) -> None:
        for venue, (connection, _) in self._connections.items():
            busy: dict[str, bool] = {}
            for work in work_by_wallet.values():
                if work.wallet.venue_id == venue and work.is_synced:
                    address = work.wallet.address
                    busy[address] = busy.get(address, False) or work.busy
            connection.streams_assign(busy)

    # --- the end of an actor ----------------------------------------------------------------------
    async def _reap(self) -> None:
        """Release lost wallets; a crashed wallet is kept for a while, so that it does not crash other workers."""
        for pk, running in list(self._running.items()):
            if not running.task.done():
                continue
            if running.release_at is None:
                running.release_at = _now() + self._retry_delay(pk, running)
            if _now() >= running.release_at:
                await self._release(pk)

    def _retry_delay(self, pk: UUID, running: _RunningWallet) -> float:
        """Log why an actor ended. Returns how long to keep the wallet before it is run again, in s."""
        problem = None if running.task.cancelled() else running.task.exception()
        running.connection.remove(running.actor)
        if problem is None or isinstance(problem, LeaseLost):
            logger.warning("wallet lost", extra={"subject": str(pk), "reason": str(problem)})
            return 0.0
        if _now() - running.started_at > STEADY_SECONDS:
            self._crashes.pop(pk, None)
        self._crashes[pk] = crashes = self._crashes.get(pk, 0) + 1
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** (crashes - 1))
        logger.error("wallet crashed", extra={"subject": str(pk), "delay_s": pause}, exc_info=problem)
        text = f"Trading stopped by an internal error; retrying in {pause:g} s."
        self._publisher.publish(running.actor.user, [alert_event(running.actor.wallet, "error", text)])
        return pause

    async def _release(self, pk: UUID) -> None:
        """Stop the actor and release the wallet. If the release fails, the next reconcile starts a new actor."""
        running = self._running.pop(pk)
        self._released.add(pk)
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
        running.connection.remove(running.actor)
        await in_thread(release, running.actor.claim)

    async def drain(self) -> None:
        """Finish requests in flight, then release all wallets."""
        finishing = [running.actor.finish() for running in self._running.values() if not running.task.done()]
        try:
            async with asyncio.timeout(FINISH_TIMEOUT):
                await asyncio.gather(*finishing)
        except TimeoutError:
            logger.warning("requests in flight were cut off; the next worker resolves them")
        for pk in list(self._running):
            try:
                await self._release(pk)
            except DATABASE_ERRORS as problem:
                logger.warning("wallet not released", extra={"subject": str(pk), "reason": str(problem)})
        ending: list[asyncio.Task[Any]] = [
            self._publishing,
            *(task for _, task in self._connections.values()),
        ]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for connection, _ in self._connections.values():
            await connection.trader.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
