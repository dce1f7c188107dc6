"""What Hyperliquid tells about accounts, asked for as often as it takes."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from market.domain.errors import ParseError, VenueRefused, VenueUnavailable
from market.domain.orders import (
    AccountState,
    Agent,
    KeyRole,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.venues.hyperliquid import accounts, codec
from market.venues.hyperliquid.ledger_updates import movements_read
from market.venues.hyperliquid.parsing import time_of
from market.venues.hyperliquid.rest import InfoClient
from market.venues.rate_limiter import Lane

logger = logging.getLogger(__name__)

LIGHT, HEAVY, ROLE = 2, 20, 60
ROWS_PER_WEIGHT = 20
FILLS_PAGE, PAGE = 2_000, 500
ASSETS_KEPT = 3600.0
ASSETS_TRUSTED = 10.0  # a symbol that was unknown so recently is not asked for again
T = TypeVar("T")


class AccountQueries:
    """`/info` about accounts. Raises `VenueRefused` or `VenueUnavailable`."""

    def __init__(self, venue: str, rest: InfoClient) -> None:
        self._venue = venue
        self._rest = rest
        self._assets: Mapping[str, int] = {}
        self._assets_at = float("-inf")
        self._asking = asyncio.Lock()

    async def order(self, address: str, oid: int | str) -> VenueOrder | None:
        request = {"type": "orderStatus", "user": address, "oid": oid}
        return await self.ask(request, accounts.order_status_read, weight=LIGHT)

    async def orders_open(self, address: str) -> list[VenueOrder]:
        request = {"type": "frontendOpenOrders", "user": address}
        return await self.ask(request, accounts.standing_list_read)

    async def fills(self, address: str, since: int) -> list[VenueFill]:
        rows = await self._since("userFillsByTime", address, since, FILLS_PAGE)
        return self._read(rows, accounts.fills_read)

    async def fundings(self, address: str, since: int) -> list[VenueFunding]:
        return self._read(await self._since("userFunding", address, since, PAGE), accounts.fundings_read)

    async def movements(self, address: str, since: int) -> list[VenueMovement]:
        """Rows that we cannot book are left out and said loudly: the books of cash will not agree."""
        rows = await self._since("userNonFundingLedgerUpdates", address, since, PAGE)
        good, bad = movements_read(rows, address)
        for problem in bad:
            logger.error("a movement of money is not understood", extra=self._about(problem))
        return good

    async def account(self, address: str) -> AccountState:
        """Two requests, so not one moment: spot balances may be a little younger than the rest."""
        perp = await self.ask({"type": "clearinghouseState", "user": address}, _as_it_is, weight=LIGHT)
        spot = await self.ask({"type": "spotClearinghouseState", "user": address}, _as_it_is, weight=LIGHT)
        return self._read((perp, spot), lambda both: accounts.account_read(*both))

    async def role(self, address: str, *, lane: Lane = "queries") -> KeyRole:
        request = {"type": "userRole", "user": address}
        return await self.ask(request, accounts.role_read, weight=ROLE, lane=lane)

    async def requests_left(self, address: str, *, lane: Lane = "queries") -> tuple[int, int]:
        """Actions that the account has used, and how many there may be."""
        request = {"type": "userRateLimit", "user": address}
        return await self.ask(request, accounts.requests_left_read, lane=lane)

    async def agents(self, address: str) -> list[Agent]:
        return await self.ask({"type": "extraAgents", "user": address}, accounts.agents_read)

    async def assets(self, *symbols: str) -> Mapping[str, int]:
        """Numbers of (at least) these symbols. Raises `VenueRefused` for one that is not listed."""
        async with self._asking:
            age = time.monotonic() - self._assets_at
            known = all(symbol in self._assets for symbol in symbols)
            if age > ASSETS_KEPT or (not known and age > ASSETS_TRUSTED):
                await self._assets_ask(known=known)
        for symbol in symbols:
            if symbol not in self._assets:
                raise VenueRefused(self._venue, f"{symbol} is not listed")
        return self._assets

    async def _assets_ask(self, *, known: bool) -> None:
        """Numbers never change, so old ones do where the venue cannot be asked for new ones."""
        self._assets_at = time.monotonic()
        try:
            meta = await self.ask({"type": "meta"}, _as_it_is, lane="orders")
            spot = await self.ask({"type": "spotMeta"}, _as_it_is, lane="orders")
            self._assets = self._read((meta, spot), lambda both: accounts.assets_read(*both))
        except VenueUnavailable as problem:
            self._assets_at = float("-inf")
            if not known:
                raise
            logger.warning("symbols are not refreshed", extra={"venue": self._venue, "reason": str(problem)})

    async def ask(
        self,
        request: dict[str, Any],
        read: Callable[[Any], T],
        *,
        weight: float = HEAVY,
        lane: Lane = "queries",
    ) -> T:
        body = await self._rest.post(request, weight=weight, lane=lane)
        try:
            return codec.answer_read(body, read)
        except ParseError as problem:
            raise VenueUnavailable(self._venue, str(problem)) from problem

    def _read(self, rows: Any, read: Callable[[Any], T]) -> T:
        try:
            return codec.guarded(lambda: read(rows), rows)
        except ParseError as problem:
            raise VenueUnavailable(self._venue, str(problem)) from problem

    async def _since(self, kind: str, address: str, since: int, page: int) -> list[Any]:
        """All rows with time >= `since`, oldest first.

        A page may end within a millisecond, so the next one begins with that millisecond again, and
        takes the place of what was already known of it.
        """
        rows: list[Any] = []
        while True:
            request = {"type": kind, "user": address, "startTime": since}
            found = await self.ask(request, _dated)
            await self._rest.book(len(found) / ROWS_PER_WEIGHT)
            rows = [row for row in rows if row["time"] < since] + found
            if len(found) < page:
                return rows
            if found[-1]["time"] == since:
                raise VenueRefused(self._venue, f"{kind}: more than {page} rows in one millisecond")
            since = found[-1]["time"]

    def _about(self, problem: ParseError) -> dict[str, str]:
        return {"venue": self._venue, "reason": str(problem)}


def _as_it_is(answer: Any) -> Any:
    return answer


def _dated(rows: Any) -> list[Any]:
    """Rows in order of their times."""
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    return sorted(rows, key=lambda row: time_of(row["time"]))
