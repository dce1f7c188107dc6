"""Rate limiter of venue requests: one weight budget, shared by all processes of a host, in priority lanes.

A venue counts requests by IP address, so a stop order must not wait for history requests of this or another
process. Each lane leaves a share of the budget to the lanes before it. Within a process a lane is served in
order; between processes the first request that fits is served.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, cast

import redis.asyncio
from prometheus_client import Counter, Histogram

from core.errors import REDIS_ERRORS


class TokenBucket:
    """Token bucket of `capacity` units, refilled at `per_minute`. Only granted weights are charged."""

    def __init__(self, *, capacity: float, per_minute: float) -> None:
        self._capacity = capacity
        self._rate = per_minute / 60
        self._level = capacity
        self._at = 0.0

    def try_acquire(self, weight: float, now: float, *, floor: float = 0.0) -> float:
        """Charge `weight` at `now` (s) if at least `floor` remains; returns 0.

        Otherwise charge nothing and return the seconds to wait. A weight above the capacity is granted when
        the bucket is full.
        """
        self._refill(now)
        need = min(weight + floor, self._capacity)
        if self._level >= need:
            self._level -= weight
            return 0.0
        return (need - self._level) / self._rate

    def charge(self, weight: float, now: float) -> None:
        """Charge weight without a check; later requests wait for it."""
        self._refill(now)
        self._level -= weight

    def drain(self, now: float) -> None:
        """Empty the bucket: the venue reported that the limit was exceeded."""
        self._refill(now)
        self._level = min(self._level, 0.0)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now


logger = logging.getLogger(__name__)

Lane = Literal["urgent", "orders", "queries", "feed"]
# Share of the capacity that a lane must leave unused. Cancels, stops and exits are urgent.
FLOORS: dict[Lane, float] = {"urgent": 0.0, "orders": 0.10, "queries": 0.35, "feed": 0.50}
WEIGHT_PER_MINUTE = 1100  # the venue allows 1200 per IP address; the rest is for other tools
# Without Redis the other processes' usage is unknown: a quarter each suits one feed and three trading ones.
STANDALONE_SHARE = 0.25
REDIS_TIMEOUT = 0.5
REDIS_RETRY_SECONDS = 1.0  # time after an error before Redis is called again
BUDGET_WAIT_SECONDS = Histogram(
    "cryptotrade_venue_budget_wait_seconds", "Wait for request weight.", ["venue", "lane"]
)
FALLBACKS = Counter(
    "cryptotrade_venue_rate_limiter_fallbacks_total", "Requests limited without Redis.", ["venue"]
)

# Token bucket with level and time of the last change, by the clock of Redis. Returns 0 (weight charged) or the
# ms to wait before the next try (nothing charged). A weight above the capacity needs a full bucket. `book`
# charges without a check, `exhaust` empties the bucket.
TAKE_SCRIPT = """
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


class RateLimiter(Protocol):
    """Rate limiter of requests to one venue."""

    async def acquire(self, weight: float, lane: Lane) -> None:
        """Wait until the request may be sent; its weight is then charged."""

    async def charge(self, weight: float) -> None:
        """Charge the extra cost of a response; does not wait, but later requests do."""

    async def exhausted(self) -> None:
        """Handle HTTP 429: the budget is empty, whatever was counted."""

    async def close(self) -> None: ...


async def retry_until_allowed(try_once: Callable[[], Awaitable[float]]) -> float:
    """Call `try_once` after each wait (s) that it returns, until it returns none. Returns the total wait."""
    waited = 0.0
    while True:
        wait = await try_once()
        if wait <= 0:
            return waited
        waited += wait
        await asyncio.sleep(wait)


class LocalRateLimiter:
    """Rate limiter of this process only: `burst` at once (default: one minute's weight), then `per_minute`."""

    def __init__(self, *, per_minute: float = WEIGHT_PER_MINUTE, burst: float | None = None) -> None:
        self._capacity = per_minute if burst is None else burst
        self._bucket = TokenBucket(capacity=self._capacity, per_minute=per_minute)
        self._lane_locks = {lane: asyncio.Lock() for lane in FLOORS}

    async def acquire(self, weight: float, lane: Lane) -> None:
        async with self._lane_locks[lane]:
            await retry_until_allowed(lambda: self.try_acquire(weight, lane))

    async def try_acquire(self, weight: float, lane: Lane) -> float:
        """Charge the weight and return 0, or return the seconds to wait before the next try."""
        return self._bucket.try_acquire(weight, self._now(), floor=FLOORS[lane] * self._capacity)

    async def charge(self, weight: float) -> None:
        self._bucket.charge(weight, self._now())

    async def exhausted(self) -> None:
        self._bucket.drain(self._now())

    async def close(self) -> None:
        """Does nothing: there is no connection."""

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class RedisRateLimiter:
    """Rate limiter shared through Redis by all processes that call `venue` from `egress`.

    While Redis is unavailable, and one second longer, each process uses a quarter of the budget: less than
    one process could use, and never more than the venue allows for four.
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
        self._standalone = LocalRateLimiter(
            per_minute=per_minute * STANDALONE_SHARE, burst=self._capacity * STANDALONE_SHARE
        )
        self._lane_locks = {lane: asyncio.Lock() for lane in FLOORS}
        self._client: Any = None
        self._retry_redis_at = 0.0

    async def acquire(self, weight: float, lane: Lane) -> None:
        async with self._lane_locks[lane]:
            waited = await retry_until_allowed(lambda: self.try_acquire(weight, lane))
        BUDGET_WAIT_SECONDS.labels(self._venue, lane).observe(waited)

    async def try_acquire(self, weight: float, lane: Lane) -> float:
        """Charge the weight and return 0, or return the seconds to wait before the next try."""
        wait = await self._call_redis("take", weight, FLOORS[lane] * self._capacity)
        if wait is not None:
            return wait
        FALLBACKS.labels(self._venue).inc()
        return await self._standalone.try_acquire(weight, lane)

    async def charge(self, weight: float) -> None:
        if await self._call_redis("book", weight) is None:
            await self._standalone.charge(weight)

    async def exhausted(self) -> None:
        await self._standalone.exhausted()
        await self._call_redis("exhaust")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _call_redis(self, command: Verb, weight: float = 0, floor: float = 0) -> float | None:
        """Seconds to wait, or None when Redis is unavailable."""
        now = asyncio.get_running_loop().time()
        if now < self._retry_redis_at:
            return None
        try:
            async with asyncio.timeout(REDIS_TIMEOUT):
                arguments = [command, self._capacity, self._rate, weight, floor]
                ms = await self._redis_script()(keys=[self._key], args=arguments)
        except REDIS_ERRORS as problem:
            self._retry_redis_at = now + REDIS_RETRY_SECONDS
            logger.warning(
                "rate limiter without Redis", extra={"venue": self._venue, "reason": str(problem)[:200]}
            )
            return None
        return cast("int", ms) / 1000

    def _redis_script(self) -> Any:
        if self._client is None:
            self._client = redis.asyncio.Redis.from_url(self._url, socket_timeout=REDIS_TIMEOUT)
            self._registered_script = self._client.register_script(TAKE_SCRIPT)
        return self._registered_script
