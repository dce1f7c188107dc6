"""`POST /exchange`: one send is one send, and what is not known about it is said.

A connection that dies under a request is never tried again: aiohttp repeats idempotent methods only,
and POST is none. What was certainly not done and what may have been done are different exceptions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import aiohttp
import orjson

from market.domain.errors import ParseError, VenueRefused, VenueUnavailable
from market.venues.base import OutcomeUnknown, Signer
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.codec import guarded
from market.venues.hyperliquid.responses import refusal_read
from market.venues.hyperliquid.rest import REQUESTS
from market.venues.hyperliquid.signing import Network
from market.venues.rate_limiter import Gate, Lane

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
ORDERS_PER_WEIGHT = 40
MAYBE_READ = 408  # a proxy gave up; perhaps it had passed the request on
T = TypeVar("T")


@dataclass(frozen=True)
class Act:
    """An action, and how it is sent. `count` is how many orders it holds."""

    action: dict[str, Any]
    signer: Signer
    nonce: int
    valid_until: int | None = None
    lane: Lane = "orders"
    count: int = 1

    @property
    def patience(self) -> float:
        """Seconds in which it can still be sent."""
        return inf if self.valid_until is None else self.valid_until / 1000 - time.time()


class ExchangeClient:
    """One venue's `/exchange`. Raises as `market.venues.base.Trader` says."""

    def __init__(self, venue: str, base_url: str, *, network: Network, gate: Gate) -> None:
        self._venue = venue
        self._url = base_url.rstrip("/") + "/exchange"
        self._network = network
        self._gate = gate
        self._session: aiohttp.ClientSession | None = None

    async def send(self, act: Act, read: Callable[[Any], T]) -> T:
        """Sign, send once, and decode the answer by `read`."""
        await self._gate.enter(1 + act.count // ORDERS_PER_WEIGHT, act.lane)
        if act.patience <= 0:
            raise VenueUnavailable(self._venue, "the budget of requests made it too late to send")
        answer = await self._post(self._signed(act))
        try:
            return self._read(answer, read)
        except ParseError as problem:
            raise OutcomeUnknown(self._venue, str(problem)) from problem

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    def _signed(self, act: Act) -> bytes:
        connection = signing.action_hash(act.action, act.nonce, expires_after=act.valid_until)
        signature = act.signer.sign(signing.l1_digest(connection, self._network))
        body = signing.envelope(act.action, act.nonce, signature, expires_after=act.valid_until)
        return orjson.dumps(body)

    def _read(self, body: bytes, read: Callable[[Any], T]) -> T:
        answer = guarded(lambda: orjson.loads(body), body[:200])
        refusal = guarded(lambda: refusal_read(answer), answer)
        if refusal is not None:
            raise VenueRefused(self._venue, refusal)
        return guarded(lambda: read(answer), answer)

    async def _post(self, body: bytes) -> bytes:
        """The body of a 200."""
        try:
            status, answer = await self._once(body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._count("not sent")
            raise VenueUnavailable(self._venue, _words(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count("no answer")
            raise OutcomeUnknown(self._venue, _words(error)) from error
        self._count(str(status))
        if status == 200:
            return answer
        raise await self._failure(status, f"HTTP {status} {answer[:100].decode(errors='replace')}")

    async def _once(self, body: bytes) -> tuple[int, bytes]:
        if self._session is None:
            # No limit of connections: waiting for one would eat the time that the answer has.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, connector=connector)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.read()

    async def _failure(self, status: int, words: str) -> Exception:
        if status == 429:  # the venue counts before it acts
            await self._gate.exhausted()
            return VenueUnavailable(self._venue, words)
        if 400 <= status < 500 and status != MAYBE_READ:
            return VenueRefused(self._venue, words)
        return OutcomeUnknown(self._venue, words)

    def _count(self, outcome: str) -> None:
        REQUESTS.labels(self._venue, outcome).inc()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
