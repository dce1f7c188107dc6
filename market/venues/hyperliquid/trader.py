"""Hyperliquid trader: trading and account data as a `market.venues.base.Trader`. Also for the simulator."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from market.domain.errors import ParseError, VenueRejected
from market.domain.keys import KeyVerdict, RegisteredKey
from market.domain.orders import (
    AccountState,
    CancelSpec,
    MarginMode,
    ModifySpec,
    OrderResponse,
    OrderSpec,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.venues.base import AccountListener, Signer
from market.venues.hyperliquid import order_actions, signing
from market.venues.hyperliquid.action_quotas import ActionQuotas
from market.venues.hyperliquid.client import stream_url
from market.venues.hyperliquid.credentials import evaluate_key
from market.venues.hyperliquid.exchange import ExchangeAction, ExchangeClient
from market.venues.hyperliquid.parsing import JsonObject
from market.venues.hyperliquid.private_streams import SLOTS, PrivateStreams
from market.venues.hyperliquid.queries import AccountQueries
from market.venues.hyperliquid.responses import statuses_read
from market.venues.hyperliquid.rest import InfoClient
from market.venues.hyperliquid.signing import Network
from market.venues.rate_limiter import Lane, LocalRateLimiter, RateLimiter
from market.venues.rows import Rows


class HyperliquidTrader:
    """`market.venues.base.Trader` over `/info`, `/exchange` and `/ws`.

    `network` is part of every signature: an order signed for the other network recovers to an unknown
    address and is rejected.
    """

    def __init__(
        self,
        venue: str,
        base_url: str,
        *,
        network: Network,
        rate_limiter: RateLimiter | None = None,
        slots: int = SLOTS,
        first_pause: float = 0.5,
    ) -> None:
        self.venue = venue
        self._rate_limiter = rate_limiter or LocalRateLimiter()
        self._rest = InfoClient(venue, base_url, rate_limiter=self._rate_limiter, first=first_pause)
        self._queries = AccountQueries(venue, self._rest)
        self._quotas = ActionQuotas(venue, self._queries)
        self._exchange = ExchangeClient(venue, base_url, network=network, rate_limiter=self._rate_limiter)
        self._streams = PrivateStreams(venue, stream_url(base_url), slots=slots, first=first_pause)

    # --- actions -------------------------------------------------------------------------------
    async def place(
        self, orders: Sequence[OrderSpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[OrderResponse]:
        assets = await self._queries.assets(*(order.symbol for order in orders))
        action = self._encoded(lambda: order_actions.place_action(orders, assets))
        lane = _lane(orders)
        return await self._batch(ExchangeAction(action, signer, nonce, valid_until, lane, len(orders)))

    async def cancel(
        self, cancels: Sequence[CancelSpec], *, signer: Signer, nonce: int
    ) -> list[OrderResponse]:
        assets = await self._queries.assets(*(cancel.symbol for cancel in cancels))
        action = self._encoded(lambda: order_actions.cancel_action(cancels, assets))
        return await self._batch(ExchangeAction(action, signer, nonce, None, "urgent", len(cancels)))

    async def modify(
        self, changes: Sequence[ModifySpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[OrderResponse]:
        assets = await self._queries.assets(*(change.order.symbol for change in changes))
        action = self._encoded(lambda: order_actions.modify_action(changes, assets))
        lane = _lane([change.order for change in changes])
        return await self._batch(ExchangeAction(action, signer, nonce, valid_until, lane, len(changes)))

    async def leverage(
        self, symbol: str, leverage: int, mode: MarginMode, *, signer: Signer, nonce: int, valid_until: int
    ) -> None:
        assets = await self._queries.assets(symbol)
        action = signing.leverage_action(assets[symbol], leverage, mode)
        await self._exchange.send(ExchangeAction(action, signer, nonce, valid_until), _done)

    async def _batch(self, request: ExchangeAction) -> list[OrderResponse]:
        if request.lane != "urgent":
            await self._quotas.acquire(request.signer.key_id, request.timeout)
        self._quotas.record_orders(request.signer.key_id, request.count)
        try:
            return await self._exchange.send(request, lambda response: statuses_read(response, request.count))
        except VenueRejected as rejection:
            self._quotas.on_rejection(request.signer.key_id, rejection)
            raise

    def _encoded(self, encode: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Call `encode`. Raises `VenueRejected` for orders that cannot be encoded."""
        try:
            return encode()
        except ValueError as problem:
            raise VenueRejected(self.venue, str(problem)) from problem

    # --- queries -------------------------------------------------------------------------------
    async def order_get(
        self, address: str, *, client_id: str | None = None, venue_id: str | None = None
    ) -> VenueOrder | None:
        if client_id is None and venue_id is None:
            raise ValueError("client_id or venue_id is required")
        return await self._queries.order(address, int(venue_id) if venue_id else str(client_id).lower())

    async def orders_open(self, address: str) -> Rows[VenueOrder]:
        return await self._queries.orders_open(address)

    async def fills(self, address: str, since: int) -> Rows[VenueFill]:
        return await self._queries.fills(address, since)

    async def fundings(self, address: str, since: int) -> Rows[VenueFunding]:
        return await self._queries.fundings(address, since)

    async def movements(self, address: str, since: int) -> Rows[VenueMovement]:
        return await self._queries.movements(address, since)

    async def account(self, address: str) -> AccountState:
        return await self._queries.account(address)

    async def key_verify(self, key: RegisteredKey, now: int) -> KeyVerdict:
        role = await self._queries.role(key.key_id)
        agents = await self._queries.agents(key.account) if role.role == "agent" else []
        return evaluate_key(key, role, agents, now)

    # --- streams -------------------------------------------------------------------------------
    @property
    def stream_slots(self) -> int:
        return self._streams.slots

    def watch(self, addresses: Iterable[str]) -> None:
        self._streams.watch(addresses)

    async def run(self, listener: AccountListener) -> None:
        await self._streams.run(listener)

    async def close(self) -> None:
        await self._quotas.close()
        await self._rest.close()
        await self._exchange.close()
        await self._rate_limiter.close()


def _lane(orders: Sequence[OrderSpec]) -> Lane:
    """Priority lane: reduce-only orders are sent before orders that increase positions."""
    return "urgent" if all(order.reduce_only for order in orders) else "orders"


def _done(response: JsonObject) -> None:
    """Check the response of an action without per-order statuses, which has the type `default`."""
    if response["response"]["type"] != "default":
        raise ParseError("not a response to this action", response)
