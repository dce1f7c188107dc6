"""Accounts at Hyperliquid as a `market.venues.base.Trader`. The simulator speaks the same protocol."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from market.domain.errors import ParseError, VenueRefused
from market.domain.orders import (
    AccountState,
    Agent,
    Answer,
    CancelSpec,
    KeyRole,
    MarginMode,
    ModifySpec,
    OrderSpec,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.venues.base import AccountSink, Signer
from market.venues.hyperliquid import order_actions, signing
from market.venues.hyperliquid.action_quotas import Allowances
from market.venues.hyperliquid.client import stream_url
from market.venues.hyperliquid.exchange import Act, ExchangeClient
from market.venues.hyperliquid.private_streams import SLOTS, PrivateStreams
from market.venues.hyperliquid.queries import AccountQueries
from market.venues.hyperliquid.responses import statuses_read
from market.venues.hyperliquid.rest import InfoClient
from market.venues.hyperliquid.signing import Network
from market.venues.rate_limiter import Gate, Lane, LocalGate


class HyperliquidTrader:
    """`market.venues.base.Trader` over `/info`, `/exchange` and `/ws`.

    `network` goes into every signature: an order signed for the other one is refused as a stranger's.
    """

    def __init__(
        self,
        venue: str,
        base_url: str,
        *,
        network: Network,
        gate: Gate | None = None,
        slots: int = SLOTS,
        first_pause: float = 0.5,
    ) -> None:
        self.venue = venue
        self._gate = gate or LocalGate()
        self._rest = InfoClient(venue, base_url, gate=self._gate, first=first_pause)
        self._queries = AccountQueries(venue, self._rest)
        self._allowances = Allowances(venue, self._queries)
        self._exchange = ExchangeClient(venue, base_url, network=network, gate=self._gate)
        self._streams = PrivateStreams(venue, stream_url(base_url), slots=slots, first=first_pause)

    # --- actions -------------------------------------------------------------------------------
    async def place(
        self, orders: Sequence[OrderSpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[Answer]:
        assets = await self._queries.assets(*(order.symbol for order in orders))
        action = self._written(lambda: order_actions.place_action(orders, assets))
        lane = _lane(orders)
        return await self._batch(Act(action, signer, nonce, valid_until, lane, len(orders)))

    async def cancel(self, cancels: Sequence[CancelSpec], *, signer: Signer, nonce: int) -> list[Answer]:
        assets = await self._queries.assets(*(cancel.symbol for cancel in cancels))
        action = self._written(lambda: order_actions.cancel_action(cancels, assets))
        return await self._batch(Act(action, signer, nonce, None, "urgent", len(cancels)))

    async def modify(
        self, changes: Sequence[ModifySpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[Answer]:
        assets = await self._queries.assets(*(change.order.symbol for change in changes))
        action = self._written(lambda: order_actions.modify_action(changes, assets))
        lane = _lane([change.order for change in changes])
        return await self._batch(Act(action, signer, nonce, valid_until, lane, len(changes)))

    async def leverage(
        self, symbol: str, leverage: int, mode: MarginMode, *, signer: Signer, nonce: int, valid_until: int
    ) -> None:
        assets = await self._queries.assets(symbol)
        action = signing.leverage_action(assets[symbol], leverage, mode)
        await self._exchange.send(Act(action, signer, nonce, valid_until), _done)

    async def _batch(self, act: Act) -> list[Answer]:
        if act.lane != "urgent":
            await self._allowances.enter(act.signer.address, act.patience)
        self._allowances.spent(act.signer.address, act.count)
        try:
            return await self._exchange.send(act, lambda answer: statuses_read(answer, act.count))
        except VenueRefused as refusal:
            self._allowances.refused(act.signer.address, refusal)
            raise

    def _written(self, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Raises `VenueRefused` for what cannot be written in the venue's words."""
        try:
            return write()
        except ValueError as problem:
            raise VenueRefused(self.venue, str(problem)) from problem

    # --- queries -------------------------------------------------------------------------------
    async def order_get(
        self, address: str, *, client_id: str | None = None, venue_id: str | None = None
    ) -> VenueOrder | None:
        if client_id is None and venue_id is None:
            raise ValueError("by which id?")
        return await self._queries.order(address, int(venue_id) if venue_id else str(client_id).lower())

    async def orders_open(self, address: str) -> list[VenueOrder]:
        return await self._queries.orders_open(address)

    async def fills(self, address: str, since: int) -> list[VenueFill]:
        return await self._queries.fills(address, since)

    async def fundings(self, address: str, since: int) -> list[VenueFunding]:
        return await self._queries.fundings(address, since)

    async def movements(self, address: str, since: int) -> list[VenueMovement]:
        return await self._queries.movements(address, since)

    async def account(self, address: str) -> AccountState:
        return await self._queries.account(address)

    async def role(self, address: str) -> KeyRole:
        return await self._queries.role(address)

    async def agents(self, address: str) -> list[Agent]:
        return await self._queries.agents(address)

    # --- streams -------------------------------------------------------------------------------
    @property
    def stream_slots(self) -> int:
        return self._streams.slots

    def watch(self, addresses: Iterable[str]) -> None:
        self._streams.watch(addresses)

    async def run(self, sink: AccountSink) -> None:
        await self._streams.run(sink)

    async def close(self) -> None:
        await self._allowances.close()
        await self._rest.close()
        await self._exchange.close()
        await self._gate.close()


def _lane(orders: Sequence[OrderSpec]) -> Lane:
    """What only makes positions smaller goes before what makes them larger."""
    return "urgent" if all(order.reduce_only for order in orders) else "orders"


def _done(answer: Any) -> None:
    """Actions that are done or refused as a whole answer `default`."""
    if answer["response"]["type"] != "default":
        raise ParseError("not an answer to this action", answer)
