"""Rate limits of the venue and their counters per client address. Has no clock: callers pass ms."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

MINUTE = 60_000
LOW_WEIGHT = 2
DEFAULT_WEIGHT = 20
WEIGHTS = dict.fromkeys(
    ("l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"),
    LOW_WEIGHT,
) | {"userRole": 60}
ITEMS_PER_WEIGHT = {"candleSnapshot": 60} | dict.fromkeys(
    ("recentTrades", "historicalOrders", "userFills", "userFillsByTime", "fundingHistory", "userFunding",
     "userNonFundingLedgerUpdates", "twapHistory", "userTwapSliceFills"),
    20,
)  # fmt: skip


@dataclass(frozen=True)
class VenueLimits:
    """Limits per IP address, as documented by the venue. None switches a limit off."""

    weight_per_minute: int | None = 1200
    connections: int | None = 10
    new_connections_per_minute: int | None = 30
    subscriptions: int | None = 1000
    messages_per_minute: int | None = 2000
    pending_posts: int | None = 100
    users: int | None = 10


DOCUMENTED = VenueLimits()
# On one machine every client has the same address; a few tests would use up the documented limits.
LENIENT = VenueLimits(None, None, None, 10_000, None, 1000, None)
PROFILES = {"documented": DOCUMENTED, "lenient": LENIENT}


def info_weight(kind: str, body: Any) -> int:
    """Request weight: by request type, plus one per so many returned items."""
    per_item = ITEMS_PER_WEIGHT.get(kind)
    extra = len(body) // per_item if per_item and isinstance(body, list) else 0
    return WEIGHTS.get(kind, DEFAULT_WEIGHT) + extra


@dataclass
class Window:
    """Sliding window: the sum of costs in the last minute."""

    spent: deque[tuple[int, int]] = field(default_factory=deque)
    total: int = 0

    def allows(self, maximum: int | None, now: int) -> bool:
        """Whether one more request is within `maximum`; None means no limit."""
        while self.spent and self.spent[0][0] <= now - MINUTE:
            self.total -= self.spent.popleft()[1]
        return maximum is None or self.total < maximum

    def spend(self, cost: int, now: int) -> None:
        self.spent.append((now, cost))
        self.total += cost


@dataclass
class ClientLimits:
    """Usage counters of one client address."""

    weight: Window = field(default_factory=Window)
    arrivals: Window = field(default_factory=Window)
    messages: Window = field(default_factory=Window)
    connections: int = 0
    subscriptions: int = 0
    users: Counter[str] = field(default_factory=Counter)
