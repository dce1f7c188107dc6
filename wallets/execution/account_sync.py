"""Account sync: applies the account events of one wallet and reconciles it with the venue.

Streams may miss events, queries are authoritative: the account is fully reconciled at the start, after every
stream interruption, when balances or positions differ, and once a minute while it has open orders.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from uuid import UUID

from core.errors import DATABASE_ERRORS
from core.leases import Claim, task_is_running
from core.threads import in_thread
from market.domain.errors import MarketError, VenueUnreadable
from market.domain.orders import AccountState
from market.domain.subscriptions import backoff
from market.venues.rows import rejected_of, rejected_text
from wallets import services
from wallets.domain.ledger import LedgerAccount
from wallets.execution.pending_work import PendingWork
from wallets.execution.venue_connection import AccountEvent, VenueConnection
from wallets.models import Balance, Position, Wallet
from wallets.services.dto import Event, InFlightOrder, VenueSnapshot

logger = logging.getLogger(__name__)

MAX_QUEUED = 5_000
APPLY_BATCH_SIZE = 200
CHECK_SECONDS = 60.0
POLL_SECONDS = 4.0  # without a private stream, while there are open orders or positions
ORDERS_SECONDS = 60.0
RETRY_SECONDS = 3.0  # the account changed while it was read: compare again
ENDING_SECONDS = 10.0
STREAM_LAG = 0.7
OVERLAP_MS = 10_000  # a venue may list an event a little late
ZERO = Decimal(0)


def account_matches(wallet_id: UUID, state: AccountState) -> bool:
    """True when ledger and positions match the venue, apart from the known residual."""
    residual = Wallet.objects.values_list("residual", flat=True).get(pk=wallet_id)
    local: defaultdict[str, Decimal] = defaultdict(Decimal)
    rows = Balance.objects.filter(
        wallet=wallet_id, account__in=(LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)
    )
    for account_type, asset, amount in rows.values_list("account_type", "asset", "amount"):
        local[f"{account_type}:{asset}"] += amount
    open_positions = Position.objects.filter(wallet=wallet_id).exclude(size=0)
    for symbol, size in open_positions.values_list("instrument__symbol", "size"):
        local[f"position:{symbol}"] += size
    remote = {f"{account_type}:{asset}": amount for (account_type, asset), amount in state.cash.items()}
    remote |= {f"position:{position.symbol}": position.size for position in state.positions}
    return all(
        remote.get(key, ZERO) - local[key] == Decimal(residual.get(key, 0))
        for key in local.keys() | remote.keys() | residual.keys()
    )


class AccountSync:
    """Applies streamed events and polls the venue for one wallet. `ready` is set after the first full sync."""

    def __init__(
        self,
        claim: Claim,
        connection: VenueConnection,
        work: PendingWork,
        *,
        publish: Callable[[Iterable[Event]], None],
    ) -> None:
        self.ready = asyncio.Event()
        self.work = work
        self._claim = claim
        self._connection = connection
        self._address = work.wallet.address
        self._publish = publish
        self._check_delay = 0.0  # s until the next check, when one is due early
        self._queue: asyncio.Queue[AccountEvent] = asyncio.Queue(MAX_QUEUED)
        self._full_sync = asyncio.Event()  # a full sync is due
        self._full_sync.set()
        self._wakeup = asyncio.Event()  # recompute the time of the next poll
        self._orders_at = float("-inf")

    # --- streamed events --------------------------------------------------------------------------
    def on_event(self, event: AccountEvent) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.request_full_sync()

    def request_full_sync(self) -> None:
        """Events may have been missed: read everything from the venue."""
        self._full_sync.set()
        self._wakeup.set()

    def schedule_check(self) -> None:
        """The venue has executed an action: check soon that the streams delivered its events."""
        self._check_delay = self._check_delay or RETRY_SECONDS
        self._wakeup.set()

    def wake(self) -> None:
        """The poll interval has changed."""
        self._wakeup.set()

    async def run_apply_loop(self) -> None:
        pauses = backoff(random.random)
        batch: list[AccountEvent] = []
        while task_is_running():
            batch = batch or await self._next_batch()
            try:
                events = await in_thread(services.account_events_apply, claim=self._claim, events=batch)
            except DATABASE_ERRORS as problem:
                self._warn("account events not applied", problem)
                await asyncio.sleep(next(pauses))
                continue
            batch, pauses = [], backoff(random.random)
            self._publish(events)

    async def _next_batch(self) -> list[AccountEvent]:
        batch = [await self._queue.get()]
        while len(batch) < APPLY_BATCH_SIZE and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    # --- polling ----------------------------------------------------------------------------------
    async def run_poll_loop(self) -> None:
        pauses = backoff(random.random)
        while task_is_running():
            try:
                await self._poll()
            except (MarketError, *DATABASE_ERRORS) as problem:
                self._full_sync.set()
                self._warn("not reconciled", problem)
                await asyncio.sleep(next(pauses))
                continue
            pauses = backoff(random.random)
            await self._wait_until_due()

    async def _wait_until_due(self) -> None:
        """Wait until the next poll is due; every wake-up recomputes that time."""
        polled_at = _now()
        while not self._full_sync.is_set() and (remaining := polled_at + self._period() - _now()) > 0:
            try:
                async with asyncio.timeout(remaining):
                    await self._wakeup.wait()
            except TimeoutError:
                return
            self._wakeup.clear()

    def _period(self) -> float:
        if self._check_delay:
            return self._check_delay
        streamed = self._connection.stream_of(self._address) == "live"
        return CHECK_SECONDS if streamed or not self.work.busy else POLL_SECONDS

    async def _poll(self) -> None:
        """Compare the account first, which is cheap; sync fully when it differs or a full sync is due."""
        if not self._is_full_sync_due() and await self._matches_venue():
            self._check_delay = 0.0
            return
        self._full_sync.clear()
        self._orders_at = _now()
        stable = await self._reconcile()
        # An account that changes all the time is compared less and less often, instead of continuously.
        self._check_delay = 0.0 if stable else min(CHECK_SECONDS, 2 * self._check_delay or RETRY_SECONDS)
        self.ready.set()

    async def _matches_venue(self) -> bool:
        """Compare twice, because events of the first difference may still be on their way."""
        for pause in (STREAM_LAG, 0.0):
            state = await self._connection.account(self._address)
            if await in_thread(account_matches, self._claim.pk, state):
                return True
            await asyncio.sleep(pause)
        return False

    def _is_full_sync_due(self) -> bool:
        """Is a full sync due? Balances do not show that an order ended; cancels in progress are checked sooner."""
        waited = _now() - self._orders_at
        cancelling, live = self.work.cancelling, self.work.live
        due = (cancelling and waited >= ENDING_SECONDS) or (live and waited >= ORDERS_SECONDS)
        return self._full_sync.is_set() or bool(due)

    async def _reconcile(self) -> bool:
        """Reconcile with a new snapshot. True when the account did not change while it was read."""
        trader, address = self._connection.trader, self._address
        before = await self._connection.account(address)
        until = await in_thread(
            Wallet.objects.values_list("events_synced_until", flat=True).get, pk=self._claim.pk
        )
        since = max(0, until - OVERLAP_MS)
        orders, fills = await trader.orders_open(address), await trader.fills(address, since)
        fundings, movements = (
            await trader.fundings(address, since), await trader.movements(address, since)
        )  # fmt: skip
        after = await self._connection.account(address)
        events = (("Fills", fills), ("Funding payments", fundings), ("Transfers", movements))
        state = (
            rejected_text("Open orders", rejected_of(orders)),
            rejected_text("Account", (*before.rejected, *after.rejected)),
        )
        snapshot = VenueSnapshot(
            before=before,
            since=since,
            open_orders=orders,
            fills=fills,
            fundings=fundings,
            movements=movements,
            after=after,
            rejected_events=" ".join(filter(None, (rejected_text(w, rejected_of(r)) for w, r in events))),
            rejected_state=" ".join(filter(None, state)),
        )
        done = await in_thread(services.account_reconcile, claim=self._claim, snapshot=snapshot)
        self._publish(done.events)
        for order in done.to_query:
            try:
                await self.resolve_in_flight(order)
            except VenueUnreadable as problem:  # one order that cannot be decoded must not stop the others
                self._warn("order not decoded", problem)
        return done.stable

    async def resolve_in_flight(self, order: InFlightOrder) -> None:
        """Query this order at the venue and store the result. Raises `VenueError` when the query fails."""
        find = partial(self._connection.trader.order_get, self._address)
        found = await find(venue_id=order.venue_order_id) if order.venue_order_id else None
        if order.venue_client_id and (found is None or found.status == "cancelled"):
            # An order that was replaced at the venue has another id there, under the same client order id.
            found = await find(client_id=order.venue_client_id) or found
        resolved = partial(
            services.in_flight_resolve, claim=self._claim, order_id=order.order_id, found=found
        )
        self._publish(await in_thread(resolved, now=self._connection.now()))

    def _warn(self, message: str, problem: Exception) -> None:
        extra = {
            "venue": self._connection.venue,
            "subject": str(self._claim.pk),
            "reason": str(problem)[:200],
        }
        logger.warning(message, extra=extra)


def _now() -> float:
    return asyncio.get_running_loop().time()
