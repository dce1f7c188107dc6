"""Client of `POST /exchange`: every action is sent exactly once, and unknown results are reported as such.

A request is never repeated after a lost connection: aiohttp repeats idempotent methods only, and POST is
not one. Actions that were certainly not executed and actions with an unknown result raise different errors.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import aiohttp
import orjson

from market.domain.errors import ParseError, VenueRejected, VenueUnavailable
from market.venues.base import OutcomeUnknown, Signer
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.codec import guarded
from market.venues.hyperliquid.responses import rejection_read
from market.venues.hyperliquid.rest import REQUESTS
from market.venues.hyperliquid.signing import Network
from market.venues.rate_limiter import Lane, RateLimiter

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
ORDERS_PER_WEIGHT = 40
AMBIGUOUS_ERRORS = 408  # timeout of a proxy, which may have forwarded the request
T = TypeVar("T")


@dataclass(frozen=True)
class ExchangeAction:
    """An action with its signer, nonce, expiry and priority lane. `count` is its number of orders."""

    action: dict[str, Any]
    signer: Signer
    nonce: int
    valid_until: int | None = None
    lane: Lane = "orders"
    count: int = 1

    @property
    def timeout(self) -> float:
        """Seconds left to send the action."""
        return inf if self.valid_until is None else self.valid_until / 1000 - time.time()


class ExchangeClient:
    """Client of one venue's `/exchange`. Raises the errors documented at `market.venues.base.Trader`."""

    def __init__(self, venue: str, base_url: str, *, network: Network, rate_limiter: RateLimiter) -> None:
        self._venue = venue
        self._url = base_url.rstrip("/") + "/exchange"
        self._network = network
        self._rate_limiter = rate_limiter
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: ExchangeAction, read: Callable[[Any], T]) -> T:
        """Sign, send once, and decode the response with `read`."""
        await self._rate_limiter.acquire(1 + request.count // ORDERS_PER_WEIGHT, request.lane)
        if request.timeout <= 0:
            raise VenueUnavailable(self._venue, "expired while waiting for the rate limiter")
        response = await self._post(self._signed(request))
        try:
            return self._decode(response, read)
        except ParseError as problem:
            raise OutcomeUnknown(self._venue, str(problem)) from problem

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    def _signed(self, request: ExchangeAction) -> bytes:
        connection = signing.action_hash(request.action, request.nonce, expires_after=request.valid_until)
        signature = request.signer.sign(signing.l1_digest(connection, self._network))
        body = signing.envelope(request.action, request.nonce, signature, expires_after=request.valid_until)
        return orjson.dumps(body)

    def _decode(self, body: bytes, read: Callable[[Any], T]) -> T:
        response = guarded(lambda: orjson.loads(body), body[:200])
        rejection = guarded(lambda: rejection_read(response), response)
        if rejection is not None:
            raise VenueRejected(self._venue, rejection)
        return guarded(lambda: read(response), response)

    async def _post(self, body: bytes) -> bytes:
        """The body of a response with status 200."""
        try:
            status, response = await self._request(body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._count("not sent")
            raise VenueUnavailable(self._venue, _describe(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count("no answer")
            raise OutcomeUnknown(self._venue, _describe(error)) from error
        self._count(str(status))
        if status == 200:
            return response
        raise await self._failure(status, f"HTTP {status} {response[:100].decode(errors='replace')}")

    async def _request(self, body: bytes) -> tuple[int, bytes]:
        if self._session is None:
            # No connection limit: waiting for a free connection would count against the timeout.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, connector=connector)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    async def _failure(self, status: int, text: str) -> Exception:
        if status == 429:  # the venue checks the limit before it executes
            await self._rate_limiter.exhausted()
            return VenueUnavailable(self._venue, text)
        if 400 <= status < 500 and status != AMBIGUOUS_ERRORS:
            return VenueRejected(self._venue, text)
        return OutcomeUnknown(self._venue, text)

    def _count(self, outcome: str) -> None:
        REQUESTS.labels(self._venue, outcome).inc()


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
