"""The ports to a venue: `Feed` hears its markets, `Trader` acts for accounts. One pair per protocol."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from market.domain.errors import VenueError
from market.domain.events import Candle, Context, Event, Trade
from market.domain.instruments import Instrument
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
from market.domain.subscriptions import Subscription


class Sink(Protocol):
    """What a feed tells its owner, synchronously and in order."""

    def connected(self) -> None:
        """A connection is open. Whatever happened since the last one was missed."""

    def disconnected(self, reason: str) -> None:
        """A connection is gone."""

    def event(self, event: Event) -> None:
        """The venue said this."""


Tap = Callable[[bytes, int], None]  # raw frame, receive time in ns since 1970


class Feed(Protocol):
    """Public data of one venue. Requests raise `VenueError` or `ParseError`."""

    venue: str

    async def instruments(self) -> list[Instrument]:
        """All that the venue lists, also what no longer trades."""

    async def contexts(self) -> list[Context]:
        """Mark, volume and price of yesterday of everything, in one go."""

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> list[Candle]:
        """Candles that opened in [start, end] (ms), oldest first, as many as the venue still has."""

    async def recent_trades(self, symbol: str) -> list[Trade]:
        """The newest trades, oldest first."""

    def desire(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        """Replace the set of streams wanted, the most important first. Returns those over the limit."""

    async def run(self, sink: Sink) -> None:
        """Stay connected until cancelled."""

    async def close(self) -> None:
        """Give back what `instruments`, `candles`, … opened."""


# --- accounts ----------------------------------------------------------------------------------
class OutcomeUnknown(VenueError):
    """The request may have arrived: nobody knows whether it was done until the venue is asked.

    Everything else that a send raises (`VenueRefused`, and `VenueUnavailable` for a request that never
    left us) means that nothing was done.
    """


class Signer(Protocol):
    """A key that signs and cannot be read. Made by the vault, held by `execution` alone."""

    address: str

    def sign(self, digest: bytes) -> dict[str, object]:
        """r, s and v over a digest of 32 bytes."""


class AccountSink(Protocol):
    """What the private streams tell, synchronously and in order. Facts may repeat, be late or be missed."""

    def connected(self) -> None:
        """Streams are open. Whatever happened before is unknown: reconcile."""

    def disconnected(self, reason: str) -> None:
        """Streams are gone; poll until they are back."""

    def order(self, address: str, order: VenueOrder) -> None: ...

    def fill(self, address: str, fill: VenueFill) -> None: ...

    def funding(self, address: str, funding: VenueFunding) -> None: ...

    def movement(self, address: str, movement: VenueMovement) -> None: ...


class Trader(Protocol):
    """What an account does at one venue. One instance per venue and process; safe for many tasks.

    `place`, `cancel`, `modify` and `leverage` send exactly once and never retry: they raise
    `OutcomeUnknown`, `VenueRefused` (nothing was done, the text is the venue's) or `VenueUnavailable`
    (nothing left us). Queries retry by themselves and raise `VenueRefused` or `VenueUnavailable`.
    `address` is the account; `nonce` and `valid_until` are ms and were written down before the call.
    """

    venue: str

    @property
    def stream_slots(self) -> int:
        """Accounts that private streams can carry for this process at once."""

    async def place(
        self, orders: Sequence[OrderSpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[Answer]:
        """One answer per order, in order."""

    async def cancel(self, cancels: Sequence[CancelSpec], *, signer: Signer, nonce: int) -> list[Answer]:
        """`Refused` when the order is not open (any more, or not yet)."""

    async def modify(
        self, changes: Sequence[ModifySpec], *, signer: Signer, nonce: int, valid_until: int
    ) -> list[Answer]:
        """Each takes the place of the order that stands, under a new id at the venue."""

    async def leverage(
        self, symbol: str, leverage: int, mode: MarginMode, *, signer: Signer, nonce: int, valid_until: int
    ) -> None: ...

    async def order_get(
        self, address: str, *, client_id: str | None = None, venue_id: str | None = None
    ) -> VenueOrder | None:
        """The newest order under that id, or None when the venue never saw one."""

    async def orders_open(self, address: str) -> list[VenueOrder]:
        """Everything that stands, triggers that wait included."""

    async def fills(self, address: str, since: int) -> list[VenueFill]:
        """All with time >= `since`, oldest first; pages by itself."""

    async def fundings(self, address: str, since: int) -> list[VenueFunding]: ...

    async def movements(self, address: str, since: int) -> list[VenueMovement]: ...

    async def account(self, address: str) -> AccountState: ...

    async def role(self, address: str) -> KeyRole: ...

    async def agents(self, address: str) -> list[Agent]: ...

    def watch(self, addresses: Iterable[str]) -> None:
        """Replace the set of accounts that the private streams carry; at most `stream_slots`."""

    async def run(self, sink: AccountSink) -> None:
        """Keep the private streams open until cancelled."""

    async def close(self) -> None: ...
