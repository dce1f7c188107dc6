"""Interfaces to a venue: `Feed` delivers market data, `Trader` trades for accounts. One pair per protocol."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from market.domain.errors import VenueError
from market.domain.events import Candle, Context, Event, Trade
from market.domain.instruments import Instrument
from market.domain.orders import (
    AccountState,
    Agent,
    CancelSpec,
    KeyRole,
    MarginMode,
    ModifySpec,
    OrderResponse,
    OrderSpec,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.domain.subscriptions import Subscription


class FeedListener(Protocol):
    """Callbacks of a feed, called synchronously and in order."""

    def connected(self) -> None:
        """A connection was opened. Events since the previous connection are missing."""

    def disconnected(self, reason: str) -> None:
        """A connection was lost."""

    def event(self, event: Event) -> None:
        """An event was received."""


Tap = Callable[[bytes, int], None]  # raw frame, receive time in ns since 1970


class Feed(Protocol):
    """Public market data of one venue. Requests raise `VenueError` or `ParseError`."""

    venue: str

    async def instruments(self) -> list[Instrument]:
        """All listed instruments, including those that are no longer trading."""

    async def contexts(self) -> list[Context]:
        """Asset contexts of all instruments (mark, volume, previous day's price)."""

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> list[Candle]:
        """Candles with open time in [start, end] (ms), oldest first, as far as the venue has them."""

    async def recent_trades(self, symbol: str) -> list[Trade]:
        """The newest trades, oldest first."""

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        """Replace the desired subscriptions, most important first. Returns those over the limit."""

    async def run(self, listener: FeedListener) -> None:
        """Stay connected until cancelled."""

    async def close(self) -> None:
        """Close the connections that `instruments`, `candles`, … opened."""


# --- accounts ----------------------------------------------------------------------------------
class OutcomeUnknown(VenueError):
    """The request may have arrived: its result is unknown until the venue is queried.

    Every other error of a send (`VenueRejected`, and `VenueUnavailable` for a request that was never sent)
    means that the venue did not execute it.
    """


class Signer(Protocol):
    """A private key that can sign but not be read. Created by the vault, used only by `execution`."""

    address: str

    def sign(self, digest: bytes) -> dict[str, object]:
        """The signature (r, s, v) of a 32-byte digest."""


class AccountListener(Protocol):
    """Callbacks of the private streams, called synchronously and in order.

    Events may be repeated, late or missing.
    """

    def connected(self) -> None:
        """All streams are open. Earlier events may be missing: reconcile."""

    def disconnected(self, reason: str) -> None:
        """Streams were lost; poll until they are open again."""

    def order(self, address: str, order: VenueOrder) -> None: ...

    def fill(self, address: str, fill: VenueFill) -> None: ...

    def funding(self, address: str, funding: VenueFunding) -> None: ...

    def movement(self, address: str, movement: VenueMovement) -> None: ...


class Trader(Protocol):
    """Trading interface of one venue. One instance per venue and process; safe for concurrent tasks.

    `place`, `cancel`, `modify` and `leverage` send exactly once and never retry: they raise
    `OutcomeUnknown`, `VenueRejected` (not executed, with the venue's text) or `VenueUnavailable` (not
    sent). Queries retry and raise `VenueRejected` or `VenueUnavailable`. `address` is the account;
    `nonce` and `valid_until` are ms and must be stored before the call.
    """

    venue: str

    @property
    def stream_slots(self) -> int:
        """Maximum number of accounts with private streams in this process."""

    async def place(
        self, orders: Sequence[OrderSpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[OrderResponse]:
        """Place orders. Returns one response per order, in the same order."""

    async def cancel(
        self, cancels: Sequence[CancelSpec], *, signer: Signer, nonce: int
    ) -> list[OrderResponse]:
        """Cancel orders. The response is `Rejected` for an order that is not open (anymore, or yet)."""

    async def modify(
        self, changes: Sequence[ModifySpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[OrderResponse]:
        """Replace open orders; each replacement gets a new id at the venue."""

    async def leverage(
        self, symbol: str, leverage: int, mode: MarginMode, *, signer: Signer, nonce: int, valid_until: int
    ) -> None: ...

    async def order_get(
        self, address: str, *, client_id: str | None = None, venue_id: str | None = None
    ) -> VenueOrder | None:
        """The newest order with that id, or None when the venue has none."""

    async def orders_open(self, address: str) -> list[VenueOrder]:
        """All open orders, including untriggered ones."""

    async def fills(self, address: str, since: int) -> list[VenueFill]:
        """All fills with time >= `since`, oldest first; handles pagination."""

    async def fundings(self, address: str, since: int) -> list[VenueFunding]: ...

    async def movements(self, address: str, since: int) -> list[VenueMovement]: ...

    async def account(self, address: str) -> AccountState: ...

    async def role(self, address: str) -> KeyRole: ...

    async def agents(self, address: str) -> list[Agent]: ...

    def watch(self, addresses: Iterable[str]) -> None:
        """Replace the set of accounts with private streams; at most `stream_slots`."""

    async def run(self, listener: AccountListener) -> None:
        """Keep the private streams open until cancelled."""

    async def close(self) -> None: ...
