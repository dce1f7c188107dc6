"""Wallet actor: the tasks of one leased wallet (keys, sending, in-flight orders, account sync)."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from django.utils import timezone

from core.errors import DATABASE_ERRORS
from core.leases import Claim, LeaseLost, task_is_running
from core.threads import in_thread
from market.domain.errors import MarketError
from market.hub import UserEventPublisher
from market.venues.base import Signer, Trader
from wallets import services
from wallets.execution import expiry
from wallets.execution.account_sync import AccountSync
from wallets.execution.pending_work import SYNCED, PendingWork
from wallets.execution.sender import Sender
from wallets.execution.venue_connection import AccountEvent, VenueConnection
from wallets.models import Wallet
from wallets.services import key_check_prepare, key_check_store, key_generate
from wallets.services.dto import Event
from wallets.services.user_events import alert_event
from wallets.vault import Unsealer, VaultLocked


async def ensure_key(claim: Claim, trader: Trader, unsealer: Unsealer) -> list[Event]:
    """Generate or verify the key if due. May be called often. Raises `VenueError`, `LeaseLost`."""
    made = await in_thread(key_generate, claim=claim, unsealer=unsealer)
    return made or await verify_key(claim, trader, unsealer)


async def verify_key(claim: Claim, trader: Trader, unsealer: Unsealer) -> list[Event]:
    """Verify the wallet's key at the venue, if due, and store the result."""
    now = int(timezone.now().timestamp() * 1000)
    key_check, events = await in_thread(key_check_prepare, claim=claim, unsealer=unsealer, now=now)
    if key_check is None:
        return events
    verdict = await trader.key_verify(key_check.key, now)
    return await in_thread(key_check_store, claim=claim, key_check=key_check, verdict=verdict, now=now)


logger = logging.getLogger(__name__)

KEY_CHECK_INTERVAL = 3.0
KEY_RETRY_INTERVAL = 600.0  # `ensure_key` itself verifies once a day
RETRY_DELAY = 1.0


class WalletActor:
    """Runs one wallet; an `AccountEventListener`. `update` is called once a second, `nudge` on new work."""

    def __init__(
        self,
        work: PendingWork,
        connection: VenueConnection,
        unsealer: Unsealer,
        publisher: UserEventPublisher,
        *,
        safe: Callable[[], bool],
    ) -> None:
        self.address = work.wallet.address
        self.user = str(work.wallet.user_id)
        self.claim = work.claim
        self._work = work
        self.wallet = work.wallet
        self._connection = connection
        self._unsealer = unsealer
        self._publisher = publisher
        self._updated = asyncio.Event()
        self._new_work = asyncio.Event()
        self._lock_reason = ""  # why the key cannot be unsealed
        self._sync = AccountSync(self.claim, connection, work, publish=self._publish)
        self._sender = Sender(
            self.claim,
            connection,
            safe=safe,
            new_work=self._new_work,
            publish=self._publish,
            schedule_check=self._sync.schedule_check,
        )

    # --- from the worker and the connection -------------------------------------------------------
    def update(self, work: PendingWork) -> None:
        self._work = self._sync.work = work
        self._updated.set()
        if work.pending or work.cancels or work.leverage_changes:
            self._new_work.set()
        if work.wallet.ledger_opened_at and not work.wallet.reconciled_at:
            self._sync.request_full_sync()  # a service requested it
        if work.cancelling:
            self._sync.schedule_check()  # for the events of the cancel

    def nudge(self) -> None:
        self._new_work.set()

    def on_event(self, event: AccountEvent) -> None:
        self._sync.on_event(event)

    def streams_opened(self) -> None:
        self._sync.request_full_sync()
        self._updated.set()

    def streams_lost(self) -> None:
        self._sync.wake()
        self._updated.set()

    async def finish(self) -> None:
        """Send nothing new, and wait for the response to the request in flight."""
        self._sender.closed = True
        async with self._sender.busy:
            return

    # --- the tasks --------------------------------------------------------------------------------
    async def run(self) -> None:
        """Run all tasks until cancelled. Raises `LeaseLost` when another worker has the wallet."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for loop in (
                    self._ensure_key_loop,
                    self._stream_status_loop,
                    self._send_loop,
                    self._in_flight_loop,
                    self._sync_loop,
                ):
                    tasks.create_task(loop(), name=f"{loop.__name__} {self.claim.pk}")
        except* LeaseLost:
            raise LeaseLost(f"{self.claim.pk} was taken by another worker") from None

    async def _sync_loop(self) -> None:
        while self._work.wallet.status not in SYNCED:
            await self._next_update()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sync.run_apply_loop(), name=f"apply {self.claim.pk}")
            tasks.create_task(self._sync.run_poll_loop(), name=f"poll {self.claim.pk}")

    async def _next_update(self) -> None:
        self._updated.clear()
        await self._updated.wait()

    # --- sending ----------------------------------------------------------------------------------
    async def _send_loop(self) -> None:
        while task_is_running():
            await self._new_work.wait()
            self._new_work.clear()
            try:
                if signer := await self._signer():
                    await self._sender.send_all(signer)
                else:
                    await self._sender.expire_pending()
            except DATABASE_ERRORS as problem:
                self._warn("not sent", problem)
                await asyncio.sleep(RETRY_DELAY)

    async def _signer(self) -> Signer | None:
        """The signer; None before the first sync, without permission to trade, or with a locked key: orders wait."""
        wallet = self._work.wallet
        if wallet.status != Wallet.Status.ACTIVE or not self._sync.ready.is_set():
            return None
        try:
            signer: Signer = await in_thread(self._unsealer.signer, wallet)
        except VaultLocked as locked:
            if locked.reason != self._lock_reason:
                self._publish([alert_event(wallet, "error", f"Orders are waiting: {locked.reason}.")])
                self._warn("key locked", locked)
            self._lock_reason = locked.reason
            return None
        self._lock_reason = ""
        return signer

    async def _in_flight_loop(self) -> None:
        """Query in-flight orders at the venue once their validity has passed."""
        while task_is_running():
            await self._next_update()
            validity = expiry.request_validity(self._connection.venue)
            if not self._work.in_flight or not self._connection.clock.is_trusted(validity.duration):
                continue
            try:
                until = expiry.final_before(self._connection.now(), validity.settle)
                for order in await in_thread(services.in_flight_due, claim=self.claim, now=until, margin=0):
                    await self._sync.resolve_in_flight(order)
            except (MarketError, *DATABASE_ERRORS) as problem:
                self._warn("in-flight orders not resolved", problem)

    # --- keys -------------------------------------------------------------------------------------
    async def _ensure_key_loop(self) -> None:
        """Verify the key: often while it is new or was replaced, seldom while it trades."""
        seen, retry_at = "", 0.0
        while task_is_running():
            await self._next_update()
            status, now = self._work.wallet.status, asyncio.get_running_loop().time()
            if status == seen and now < retry_at:
                continue
            seen = status
            retry_at = now + (KEY_RETRY_INTERVAL if status == Wallet.Status.ACTIVE else KEY_CHECK_INTERVAL)
            try:
                self._publish(await ensure_key(self.claim, self._connection.trader, self._unsealer))
            except (MarketError, *DATABASE_ERRORS) as problem:
                self._warn("key not checked", problem)

    # --- stream status ----------------------------------------------------------------------------
    async def _stream_status_loop(self) -> None:
        """Keep `Wallet.stream_status` current."""
        while task_is_running():
            await self._next_update()
            stream = self._connection.stream_of(self.address)
            if stream == self._work.wallet.stream_status or self._work.wallet.status not in SYNCED:
                continue
            try:
                self._publish(await in_thread(services.wallet_stream_set, claim=self.claim, stream=stream))
            except DATABASE_ERRORS as problem:
                self._warn("stream status not stored", problem)

    def _publish(self, events: Iterable[Event]) -> None:
        self._publisher.publish(self.user, events)

    def _warn(self, message: str, problem: Exception) -> None:
        extra = {"venue": self._connection.venue, "subject": str(self.claim.pk), "reason": str(problem)[:200]}
        logger.warning(message, extra=extra)
