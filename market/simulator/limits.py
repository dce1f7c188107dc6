"""The venue's limits as numbers, and the counters that hold somebody to them. No clock: ms come in."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

MINUTE = 60_000
CHEAP = 2
USUAL = 20
WEIGHTS = dict.fromkeys(
    ("l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"),
    CHEAP,
) | {"userRole": 60}
ITEMS_PER_WEIGHT = {"candleSnapshot": 60} | dict.fromkeys(
    ("recentTrades", "historicalOrders", "userFills", "userFillsByTime", "fundingHistory", "userFunding",
     "userNonFundingLedgerUpdates", "twapHistory", "userTwapSliceFills"),
    20,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Per address, as documented by the venue. None switches a limit off."""

    weight_per_minute: int | None = 1200
    connections: int | None = 10
    new_connections_per_minute: int | None = 30
    subscriptions: int | None = 1000
    messages_per_minute: int | None = 2000
    pending_posts: int | None = 100
    users: int | None = 10


DOCUMENTED = Limits()
# Everything on one machine comes from one address; a page of tests would spend the documented budget.
LENIENT = Limits(None, None, None, 10_000, None, 1000, None)
PROFILES = {"documented": DOCUMENTED, "lenient": LENIENT}


def info_weight(kind: str, body: Any) -> int:
    """What a request cost: by its type, and by how much it returned."""
    per_item = ITEMS_PER_WEIGHT.get(kind)
    extra = len(body) // per_item if per_item and isinstance(body, list) else 0
    return WEIGHTS.get(kind, USUAL) + extra


@dataclass
class Window:
    """Costs within the last minute."""

    spent: deque[tuple[int, int]] = field(default_factory=deque)
    total: int = 0

    def allows(self, most: int | None, now: int) -> bool:
        """Whether one more is within `most`."""
        while self.spent and self.spent[0][0] <= now - MINUTE:
            self.total -= self.spent.popleft()[1]
        return most is None or self.total < most

    def spend(self, cost: int, now: int) -> None:
        self.spent.append((now, cost))
        self.total += cost


@dataclass
class Account:
    """What one address used."""

    weight: Window = field(default_factory=Window)
    arrivals: Window = field(default_factory=Window)
    messages: Window = field(default_factory=Window)
    connections: int = 0
    subscriptions: int = 0
    users: Counter[str] = field(default_factory=Counter)
