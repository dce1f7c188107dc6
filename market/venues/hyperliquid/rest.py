"""`POST /info` with a weight budget, and patience for a venue that is away or says 429."""

import asyncio
import logging
import random
from typing import Any

import aiohttp
import orjson
from prometheus_client import Counter

from market.domain.errors import VenueRefused, VenueUnavailable
from market.domain.subscriptions import backoff
from market.venues.rate_limiter import Gate, Lane

logger = logging.getLogger(__name__)

TRIES = 5
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
REQUESTS = Counter("cryptotrade_venue_requests_total", "Requests to venues by outcome.", ["venue", "outcome"])


class InfoClient:
    """One venue's `/info`. Raises `VenueRefused` (never retried) or `VenueUnavailable` (after 5 tries)."""

    def __init__(self, venue: str, base_url: str, *, gate: Gate, first: float = 0.5) -> None:
        self._venue = venue
        self._url = base_url.rstrip("/") + "/info"
        self._first = first
        self._gate = gate
        self._session: aiohttp.ClientSession | None = None

    async def post(self, request: dict[str, Any], *, weight: float, lane: Lane) -> bytes:
        """The body of the answer, undecoded."""
        pauses = backoff(random.random, first=self._first)
        problem = ""
        for attempt in range(TRIES):
            await self._gate.enter(weight, lane)
            status, body, problem = await self._once(request)
            if status == 200:
                return body
            if status and status != 429 and status < 500:
                raise VenueRefused(self._venue, f"{request['type']}: {problem}")
            if attempt < TRIES - 1:
                await asyncio.sleep(next(pauses))
        raise VenueUnavailable(self._venue, f"{request['type']}: {problem}")

    async def book(self, weight: float) -> None:
        """What an answer cost beyond its request: lists are weighed by their length."""
        await self._gate.book(weight)

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def _once(self, request: dict[str, Any]) -> tuple[int, bytes, str]:
        """Status (0: no answer), body, and what was wrong."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=orjson.dumps(request), headers=headers) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count("no answer")
            return 0, b"", f"{type(error).__name__} {error}".strip()
        self._count(str(answer.status))
        if answer.status == 429:
            await self._gate.exhausted()
        return answer.status, body, f"HTTP {answer.status} {body[:100].decode(errors='replace')}"

    def _count(self, outcome: str) -> None:
        REQUESTS.labels(self._venue, outcome).inc()
