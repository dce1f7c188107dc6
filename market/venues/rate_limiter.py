"""Who may ask a venue next: one budget of request weight for all processes of a host, in lanes.

A venue counts by network address, so a stop must not wait because history was being read, here or in
another process. Each lane leaves a part of the budget to those before it. Within a process a lane is
served in order; between processes whoever fits goes first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, cast

import redis.asyncio
from prometheus_client import Counter, Histogram

from market.venues.token_bucket import Budget

logger = logging.getLogger(__name__)

Lane = Literal["urgent", "orders", "queries", "feed"]
# The share of the capacity that a lane never touches. Cancels, stops and exits are urgent.
FLOORS: dict[Lane, float] = {"urgent": 0.0, "orders": 0.10, "queries": 0.35, "feed": 0.50}
WEIGHT_PER_MINUTE = 1100  # the venue allows 1200 per address; other tools of the house ask too
# Without Redis nobody knows what the others ask: a quarter each suits a feed and three that trade.
ALONE = 0.25
ANSWER_WITHIN = 0.5
AWAY_SECONDS = 1.0  # how long Redis is not asked again
REDIS_AWAY = (redis.RedisError, OSError, TimeoutError)
WAITED = Histogram("cryptotrade_venue_budget_wait_seconds", "Waiting for a turn.", ["venue", "lane"])
FALLBACKS = Counter("cryptotrade_venue_budget_alone_total", "Turns given without Redis.", ["venue"])

# Level and time of the last change, by the clock of Redis. The answer is 0 (booked), or how many ms to
# wait before asking again (nothing booked). A weight that never fits needs a full bucket. `book` does not
# ask, `exhaust` leaves nothing.
TAKE = """
local verb, capacity, per_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) / 60000
local weight, floor = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(known[1] or capacity), tonumber(known[2] or now)
level = math.min(capacity, level + math.max(0, now - at) * per_ms)
local need = math.min(weight + floor, capacity)
local wait = 0
if verb == 'exhaust' then level = math.min(level, 0)
elseif verb == 'book' then level = level - weight
elseif level >= need then level = level - weight
else wait = math.ceil((need - level) / per_ms) end
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 120000)
return wait
"""
Verb = Literal["take", "book", "exhaust"]


class Gate(Protocol):
    """Where a request waits for its turn."""

    async def enter(self, weight: float, lane: Lane) -> None:
        """Returns when the request may be sent; its weight is then booked."""

    async def book(self, weight: float) -> None:
        """An answer turned out to cost so much more; nobody waits now, and those who come do."""

    async def exhausted(self) -> None:
        """The venue said 429: whatever we counted, there is nothing left."""

    async def close(self) -> None: ...


async def patiently(take: Callable[[], Awaitable[float]]) -> float:
    """Ask `take` again after each wait (s) that it asks for, until it asks for none. Returns the sum."""
    waited = 0.0
    while True:
        wait = await take()
        if wait <= 0:
            return waited
        waited += wait
        await asyncio.sleep(wait)


class LocalGate:
    """A budget of this process alone: `burst` at once (a minute's worth, if not said), then `per_minute`."""

    def __init__(self, *, per_minute: float = WEIGHT_PER_MINUTE, burst: float | None = None) -> None:
        self._capacity = per_minute if burst is None else burst
        self._budget = Budget(capacity=self._capacity, per_minute=per_minute)
        self._turns = {lane: asyncio.Lock() for lane in FLOORS}

    async def enter(self, weight: float, lane: Lane) -> None:
        async with self._turns[lane]:
            await patiently(lambda: self.take(weight, lane))

    async def take(self, weight: float, lane: Lane) -> float:
        """Book it, or say how long to wait before asking again (s)."""
        return self._budget.take(weight, self._now(), floor=FLOORS[lane] * self._capacity)

    async def book(self, weight: float) -> None:
        self._budget.book(weight, self._now())

    async def exhausted(self) -> None:
        self._budget.exhaust(self._now())

    async def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class SharedGate:
    """A budget of all processes that ask `venue` through `egress`, kept in Redis.

    While Redis is away, and a second longer, each process has a quarter of the budget to itself: less
    than there is for one alone, and never more than the venue allows for four.
    """

    def __init__(
        self,
        venue: str,
        egress: str,
        redis_url: str,
        *,
        per_minute: float = WEIGHT_PER_MINUTE,
        burst: float | None = None,
    ) -> None:
        self._venue = venue
        self._key = f"ct:budget:{venue}:{egress}"
        self._url = redis_url
        self._rate = per_minute
        self._capacity = per_minute if burst is None else burst
        self._alone = LocalGate(per_minute=per_minute * ALONE, burst=self._capacity * ALONE)
        self._turns = {lane: asyncio.Lock() for lane in FLOORS}
        self._client: Any = None
        self._away_until = 0.0

    async def enter(self, weight: float, lane: Lane) -> None:
        async with self._turns[lane]:
            waited = await patiently(lambda: self.take(weight, lane))
        WAITED.labels(self._venue, lane).observe(waited)

    async def take(self, weight: float, lane: Lane) -> float:
        """Book it, or say how long to wait before asking again (s)."""
        wait = await self._ask("take", weight, FLOORS[lane] * self._capacity)
        if wait is not None:
            return wait
        FALLBACKS.labels(self._venue).inc()
        return await self._alone.take(weight, lane)

    async def book(self, weight: float) -> None:
        if await self._ask("book", weight) is None:
            await self._alone.book(weight)

    async def exhausted(self) -> None:
        await self._alone.exhausted()
        await self._ask("exhaust")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _ask(self, verb: Verb, weight: float = 0, floor: float = 0) -> float | None:
        """Seconds to wait, or None: Redis is away."""
        now = asyncio.get_running_loop().time()
        if now < self._away_until:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                arguments = [verb, self._capacity, self._rate, weight, floor]
                ms = await self._script()(keys=[self._key], args=arguments)
        except REDIS_AWAY as problem:
            self._away_until = now + AWAY_SECONDS
            logger.warning(
                "the budget is not shared", extra={"venue": self._venue, "reason": str(problem)[:200]}
            )
            return None
        return cast("int", ms) / 1000

    def _script(self) -> Any:
        if self._client is None:
            self._client = redis.asyncio.Redis.from_url(self._url, socket_timeout=ANSWER_WITHIN)
            self._take = self._client.register_script(TAKE)
        return self._take
