"""Client of `POST /info` with rate limiting, and retries with backoff on errors and HTTP 429."""

import asyncio
import logging
import random
from typing import Any

import aiohttp
import orjson
from prometheus_client import Counter

from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.subscriptions import backoff
from market.venues.rate_limiter import Lane, RateLimiter

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
REQUESTS = Counter("cryptotrade_venue_requests_total", "Requests to venues by outcome.", ["venue", "outcome"])


class InfoClient:
    """Client of one venue's `/info`. Raises `VenueRejected` (not retried) or `VenueUnavailable` (5 attempts)."""

    def __init__(self, venue: str, base_url: str, *, rate_limiter: RateLimiter, first: float = 0.5) -> None:
        self._venue = venue
        self._url = base_url.rstrip("/") + "/info"
        self._first = first
        self._rate_limiter = rate_limiter
        self._session: aiohttp.ClientSession | None = None

    async def post(self, request: dict[str, Any], *, weight: float, lane: Lane) -> bytes:
        """The undecoded body of the response."""
        pauses = backoff(random.random, first=self._first)
        problem = ""
        for attempt in range(MAX_ATTEMPTS):
            await self._rate_limiter.acquire(weight, lane)
            status, body, problem = await self._request(request)
            if status == 200:
                return body
            if status and status != 429 and status < 500:
                raise VenueRejected(self._venue, f"{request['type']}: {problem}")
            if attempt < MAX_ATTEMPTS - 1:
                await asyncio.sleep(next(pauses))
        raise VenueUnavailable(self._venue, f"{request['type']}: {problem}")

    async def charge(self, weight: float) -> None:
        """Charge the extra weight of a response: lists cost weight by their length."""
        await self._rate_limiter.charge(weight)

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def _request(self, request: dict[str, Any]) -> tuple[int, bytes, str]:
        """Status (0: no response), body, and error description."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=orjson.dumps(request), headers=headers) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count("no answer")
            return 0, b"", f"{type(error).__name__} {error}".strip()
        self._count(str(response.status))
        if response.status == 429:
            await self._rate_limiter.exhausted()
        return response.status, body, f"HTTP {response.status} {body[:100].decode(errors='replace')}"

    def _count(self, outcome: str) -> None:
        REQUESTS.labels(self._venue, outcome).inc()
