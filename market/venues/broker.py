"""Who may ask a venue next: one budget of request weight, in lanes.

A venue counts by network address, so a stop must not wait because history was being read. Each lane
leaves a part of the budget to those before it.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol

from market.venues.budget import Budget

Lane = Literal["urgent", "orders", "queries", "feed"]
# The share of the capacity that a lane never touches.
FLOORS: dict[Lane, float] = {"urgent": 0.0, "orders": 0.10, "queries": 0.35, "feed": 0.50}
WEIGHT_PER_MINUTE = 1100  # the venue allows 1200 per address; other tools of the house ask too


class Gate(Protocol):
    """Where a request waits for its turn."""

    async def enter(self, weight: float, lane: Lane) -> None:
        """Returns when the request may be sent; its weight is then booked."""

    async def exhausted(self) -> None:
        """The venue said 429: whatever we counted, there is nothing left."""


async def patiently(take: Callable[[], float]) -> None:
    """Ask `take` again after each wait that it asks for, until it asks for none."""
    wait = take()
    while wait > 0:
        await asyncio.sleep(wait)
        wait = take()


class LocalGate:
    """A budget of this process alone."""

    def __init__(self, *, per_minute: float = WEIGHT_PER_MINUTE) -> None:
        self._budget = Budget(capacity=per_minute, per_minute=per_minute)
        self._capacity = per_minute
        self._turns = {lane: asyncio.Lock() for lane in FLOORS}

    async def enter(self, weight: float, lane: Lane) -> None:
        floor = FLOORS[lane] * self._capacity
        async with self._turns[lane]:  # first come, first served, within a lane
            await patiently(lambda: self._budget.take(weight, self._now(), floor=floor))

    async def exhausted(self) -> None:
        self._budget.exhaust(self._now())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
