"""Action quotas of all signers, refreshed in the background so that no order waits for the query."""

import asyncio
import logging
from dataclasses import dataclass

from market.domain.errors import VenueError, VenueRejected, VenueUnavailable
from market.venues.hyperliquid.queries import AccountQueries

REFRESH_INTERVAL = 300.0
LOW_QUOTA_SHARE = 0.10  # of the cap
LOW_QUOTA_DELAY = 1.0
EXHAUSTED_DELAY = 10.0


@dataclass
class ActionQuota:
    """Action quota of one account. Times are seconds of any monotonic clock."""

    used: int = 0
    cap: int | None = None  # None: not queried yet
    refreshed_at: float = float("-inf")
    next_order_at: float = float("-inf")  # when the next order may be sent

    def is_due(self, now: float) -> bool:
        """True when the quota should be queried again; the query then counts as done."""
        if now - self.refreshed_at < REFRESH_INTERVAL:
            return False
        self.refreshed_at = now
        return True

    def update(self, used: int, cap: int) -> None:
        """Set the values reported by the venue."""
        self.used, self.cap = used, cap

    def record_orders(self, count: int) -> None:
        """Count an action with `count` orders as sent."""
        self.used += count

    def mark_exhausted(self, now: float) -> None:
        """Handle a rejection for lack of quota: the quota is empty until the next query, which is due now."""
        self.next_order_at = now + EXHAUSTED_DELAY
        self.cap = min(self.used, self.cap or self.used)
        self.refreshed_at = float("-inf")

    def wait_seconds(self, now: float, max_wait: float) -> float | None:
        """Seconds to wait before this order, which reserves its slot; later orders wait longer.

        None, without a reservation, when the wait exceeds `max_wait` seconds.
        """
        start = max(now, self.next_order_at)
        if start - now > max(0.0, max_wait):
            return None
        self.next_order_at = start + self._spacing()
        return start - now

    def _spacing(self) -> float:
        if self.cap is None or self.cap - self.used >= LOW_QUOTA_SHARE * self.cap:
            return 0.0
        return LOW_QUOTA_DELAY if self.used < self.cap else EXHAUSTED_DELAY


logger = logging.getLogger(__name__)

QUOTA_EXHAUSTED = "Too many cumulative requests sent"


class ActionQuotas:
    """Action quotas by address of the signer. An agent uses the quota of its master account."""

    def __init__(self, venue: str, queries: AccountQueries) -> None:
        self._venue = venue
        self._queries = queries
        self._quotas: dict[str, ActionQuota] = {}
        self._accounts: dict[str, str] = {}
        self._refreshes: set[asyncio.Task[None]] = set()

    async def acquire(self, signer: str, max_wait: float) -> None:
        """Wait until the signer may send an order. Raises `VenueUnavailable` at once when that would take
        more than `max_wait` seconds."""
        quota = self._quotas.setdefault(signer, ActionQuota())
        if quota.is_due(self._now()):
            task = asyncio.create_task(self._refresh(signer, quota))
            self._refreshes.add(task)
            task.add_done_callback(self._refreshes.discard)
        wait = quota.wait_seconds(self._now(), max_wait)
        if wait is None:
            raise VenueUnavailable(self._venue, "the action quota of the account is almost used up")
        await asyncio.sleep(wait)

    def record_orders(self, signer: str, count: int) -> None:
        self._quotas.setdefault(signer, ActionQuota()).record_orders(count)

    def on_rejection(self, signer: str, rejection: VenueRejected) -> None:
        """Mark the quota as exhausted when the rejection says so."""
        if rejection.problem.startswith(QUOTA_EXHAUSTED):
            self._quotas.setdefault(signer, ActionQuota()).mark_exhausted(self._now())

    async def close(self) -> None:
        for task in self._refreshes:
            task.cancel()
        await asyncio.gather(*self._refreshes, return_exceptions=True)

    async def _refresh(self, signer: str, quota: ActionQuota) -> None:
        """Query the quota in the lowest-priority lane: it is expensive and not urgent.

        After an error the next refresh is due in `REFRESH_INTERVAL`.
        """
        try:
            if signer not in self._accounts:
                role = await self._queries.role(signer, lane="feed")
                self._accounts[signer] = role.master or signer
            quota.update(*await self._queries.action_quota(self._accounts[signer], lane="feed"))
        except VenueError as problem:
            logger.warning(
                "action quota not read", extra={"venue": self._venue, "reason": str(problem)[:200]}
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
