"""Account queries of Hyperliquid's `/info`, with pagination and retries."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from market.domain.errors import ParseError, VenueRejected, VenueUnavailable, VenueUnreadable
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
from market.venues.hyperliquid.parsing import JsonObject, time_of
from market.venues.hyperliquid.rest import InfoClient
from market.venues.rate_limiter import Lane
from market.venues.rows import Rows, rejected_count, rejected_text, rows_decode

logger = logging.getLogger(__name__)

LIGHT, HEAVY, ROLE = 2, 20, 60
ROWS_PER_WEIGHT = 20
FILLS_PAGE, PAGE = 2_000, 500
ASSETS_TTL = 3600.0
UNKNOWN_SYMBOL_TTL = 10.0  # seconds before the asset list is read again for an unknown symbol
T = TypeVar("T")


class AccountQueries:
    """Account queries over `/info`. Raises `VenueRejected` or `VenueUnavailable`."""

    def __init__(self, venue: str, rest: InfoClient) -> None:
        self._venue = venue
        self._rest = rest
        self._assets: Mapping[str, int] = {}
        self._assets_at = float("-inf")
        self._assets_lock = asyncio.Lock()

    async def order(self, address: str, oid: int | str) -> VenueOrder | None:
        request = {"type": "orderStatus", "user": address, "oid": oid}
        return await self.post(request, accounts.order_status_read, weight=LIGHT)

    async def orders_open(self, address: str) -> Rows[VenueOrder]:
        request = {"type": "frontendOpenOrders", "user": address}
        return self._reported("open orders", await self.post(request, accounts.open_orders_read))

    async def fills(self, address: str, since: int) -> Rows[VenueFill]:
        rows = await self._since("userFillsByTime", address, since, FILLS_PAGE)
        return self._reported("fills", self._read(rows, accounts.fills_read))

    async def fundings(self, address: str, since: int) -> Rows[VenueFunding]:
        rows = await self._since("userFunding", address, since, PAGE)
        return self._reported("funding payments", self._read(rows, accounts.fundings_read))

    async def movements(self, address: str, since: int) -> Rows[VenueMovement]:
        rows = await self._since("userNonFundingLedgerUpdates", address, since, PAGE)
        read = self._read(rows, lambda rows: movements_read(rows, address))
        return self._reported("ledger updates", read)

    async def account(self, address: str) -> AccountState:
        """Account state of two requests: spot balances may be slightly newer than the rest."""
        perp = await self.post({"type": "clearinghouseState", "user": address}, _identity, weight=LIGHT)
        spot = await self.post({"type": "spotClearinghouseState", "user": address}, _identity, weight=LIGHT)
        state = self._read((perp, spot), lambda both: accounts.account_read(*both))
        rejected_count(self._venue, "account", state.rejected)
        return state

    async def role(self, address: str, *, lane: Lane = "queries") -> KeyRole:
        request = {"type": "userRole", "user": address}
        return await self.post(request, accounts.role_read, weight=ROLE, lane=lane)

    async def action_quota(self, address: str, *, lane: Lane = "queries") -> tuple[int, int]:
        """Actions used by the account, and its cap."""
        request = {"type": "userRateLimit", "user": address}
        return await self.post(request, accounts.action_quota_read, lane=lane)

    async def agents(self, address: str) -> Rows[Agent]:
        rows = await self.post({"type": "extraAgents", "user": address}, accounts.agents_read)
        return self._reported("agents", rows)

    async def assets(self, *symbols: str) -> Mapping[str, int]:
        """Asset numbers of (at least) these symbols. Raises `VenueRejected` for an unlisted symbol."""
        async with self._assets_lock:
            age = time.monotonic() - self._assets_at
            all_known = all(symbol in self._assets for symbol in symbols)
            if age > ASSETS_TTL or (not all_known and age > UNKNOWN_SYMBOL_TTL):
                await self._refresh_assets(all_known=all_known)
        for symbol in symbols:
            if symbol not in self._assets:
                raise VenueRejected(self._venue, f"{symbol} is not listed")
        return self._assets

    async def _refresh_assets(self, *, all_known: bool) -> None:
        """Read the asset numbers. They never change, so cached ones are used while the venue is unavailable."""
        self._assets_at = time.monotonic()
        try:
            meta = await self.post({"type": "meta"}, _identity, lane="orders")
            spot = await self.post({"type": "spotMeta"}, _identity, lane="orders")
            self._assets = self._read((meta, spot), lambda both: accounts.assets_read(*both))
        except VenueUnavailable as problem:
            self._assets_at = float("-inf")
            if not all_known:
                raise
            logger.warning(
                "asset numbers not refreshed", extra={"venue": self._venue, "reason": str(problem)}
            )

    async def post(
        self,
        request: dict[str, Any],
        read: Callable[[Any], T],
        *,
        weight: float = HEAVY,
        lane: Lane = "queries",
    ) -> T:
        body = await self._rest.post(request, weight=weight, lane=lane)
        try:
            return codec.response_read(body, read)
        except ParseError as problem:
            raise VenueUnreadable(self._venue, str(problem)) from problem

    def _read(self, rows: object, read: Callable[[Any], T]) -> T:
        try:
            return codec.guarded(lambda: read(rows), rows)
        except ParseError as problem:
            raise VenueUnreadable(self._venue, str(problem)) from problem

    def _reported(self, what: str, rows: Rows[T]) -> Rows[T]:
        rejected_count(self._venue, what, rows.rejected)
        if rows.rejected:
            logger.error(
                "rows left out", extra={"venue": self._venue, "reason": rejected_text(what, rows.rejected)}
            )
        return rows

    async def _since(self, kind: str, address: str, since: int, page: int) -> list[Any]:
        """All rows with time >= `since`, oldest first.

        A page may end within a millisecond, so the next page starts with that millisecond again and
        replaces the rows already read for it.
        """
        rows: list[Any] = []
        untimed: list[Any] = []  # rows without a valid time, which their decoder then rejects
        while True:
            request = {"type": kind, "user": address, "startTime": since}
            page_rows, without_time = await self.post(request, _sorted_by_time)
            received = len(page_rows) + len(without_time)
            await self._rest.charge(received / ROWS_PER_WEIGHT)
            rows = [row for row in rows if row["time"] < since] + page_rows
            untimed += [row for row in without_time if row not in untimed]
            if received < page or not page_rows:
                return rows + untimed
            if page_rows[-1]["time"] == since:
                raise VenueRejected(self._venue, f"{kind}: more than {page} rows in one millisecond")
            since = page_rows[-1]["time"]


def _identity(response: JsonObject) -> JsonObject:
    return response


def _sorted_by_time(rows: object) -> tuple[list[Any], list[Any]]:
    """The rows sorted by time, and those without a valid one."""
    timed = rows_decode(rows, lambda row: (time_of(row["time"]), row))
    read = [row for _, row in timed]
    assert isinstance(rows, list), "`rows_decode` takes nothing else"
    without = [row for row in rows if not any(row is one for one in read)] if timed.rejected else []
    return [row for _, row in sorted(timed, key=lambda each: each[0])], without
