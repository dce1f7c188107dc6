"""Address-based action quota: the venue grants 10,000 actions plus one per USDC traded. Pure.

An address without quota may send one action every ten seconds. Orders are delayed before the quota is used
up, so that cancels and exits, which are never delayed here, are still accepted.
"""

from dataclasses import dataclass

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
