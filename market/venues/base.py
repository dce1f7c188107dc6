"""Interfaces to a venue, three per protocol (docs/adding-a-venue.md).

`VenueAdapter` states the facts of the venue that the money path needs, `Feed` delivers market data, `Trader` trades
for accounts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

from market.domain.errors import VenueError
from market.domain.events import Candle, Context, Event, Trade
from market.domain.instruments import Instrument, Kind
from market.domain.keys import KeyVerdict, RegisteredKey
from market.domain.orders import (
    AccountState,
    CancelSpec,
    MarginMode,
    MarginModel,
    ModifySpec,
    OrderResponse,
    OrderSpec,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.domain.subscriptions import Subscription
from market.venues.rows import Rows


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
    """Public market data of one venue. Requests raise `VenueError` or `ParseError`.

    Lists are decoded row by row (`market.venues.rows`): a row that cannot be decoded is left out and reported.
    """

    venue: str

    async def instruments(self) -> Rows[Instrument]:
        """All listed instruments, including those that are no longer trading."""

    async def contexts(self) -> Rows[Context]:
        """Asset contexts of all instruments (mark, volume, previous day's price)."""

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> Rows[Candle]:
        """Candles with open time in [start, end] (ms), oldest first, as far as the venue has them."""

    async def recent_trades(self, symbol: str) -> Rows[Trade]:
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
    """A secret that can sign but not be read. Created by the vault, used only by `execution`.

    `key_id` is its public id: the address of the key, or the API key that goes with the secret.
    """

    key_id: str

    def sign(self, payload: bytes) -> dict[str, object]:
        """What the venue wants beside the payload: a signature, and for some venues a passphrase."""


RequestKind = Literal["place", "modify", "leverage"]
# Meaning of the rejection of a whole request. reject: final. again: nothing was executed, retry. key_gone: the key may
# no longer trade. ambiguous: the request may have been executed, so the orders have to be queried.
RejectionMeaning = Literal["reject", "again", "key_gone", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Validity:
    """How long the venue may execute a request after it was signed. Times are in ms.

    `mechanism`: `expiry` (the request carries the time at which it ends), `receive_window` (it carries its time and a
    window) or `none` (nothing that the venue enforces: `duration` is then the longest delay that is assumed, and an
    order without a known result is never sent again). `settle` after the end the venue shows the result.
    """

    mechanism: Literal["expiry", "receive_window", "none"]
    duration: int
    settle: int


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Fees as a share of the notional; a negative maker fee is a rebate."""

    maker: Decimal
    taker: Decimal


class CredentialScheme(Protocol):
    """What the credentials of a venue look like. A secret is one sequence of bytes, sealed by the vault as a whole.

    The messages of `ValueError` are shown to the user and never repeat the input.
    """

    can_generate: bool  # the execution worker can make a key, which the owner then approves at the venue

    def account_parse(self, text: str) -> str:
        """The normalised id of an account at the venue. Raises `ValueError`."""

    def secret_parse(self, text: str, account: str) -> bytes:
        """The secret of a pasted key for `account`. Raises `ValueError`."""

    def secret_generate(self) -> bytes:
        """A new secret. Only where `can_generate`."""

    def key_id(self, secret: bytes) -> str:
        """The public id of a secret."""

    def sign(self, payload: bytes, secret: bytes) -> dict[str, object]:
        """As `Signer.sign`."""


class VenueAdapter(Protocol):
    """Facts of a venue, without I/O. Everything above `market/venues/<venue>/` knows a venue by these only."""

    credentials: CredentialScheme
    collateral: str  # asset of margin, balances and limits
    margin_model: MarginModel  # split: perpetuals and spot have balances of their own
    lookup_horizon: (
        int | None
    )  # ms after which the venue has forgotten an order that ended unfilled; None: never

    def client_order_id(self, order_id: UUID) -> str:
        """The client order id at the venue; another order never gets it."""

    def validity(self, request: RequestKind) -> Validity:
        """Validity of a kind of request. A cancel may be repeated at any time and needs none."""

    def rejection_meaning(self, text: str) -> RejectionMeaning:
        """What the rejection of a whole request means, by the venue's text."""

    def fee_rates(self, kind: Kind, tier: str = "") -> FeeRates:
        """The fees of an account's tier, of the lowest tier if it is unknown."""

    async def simulated_account_open(self, amount: Decimal) -> tuple[str, str]:
        """Open a funded account at a simulated venue: its id and the text of a key. Raises `VenueError`."""


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
    sent). Queries retry and raise `VenueRejected` or `VenueUnavailable` (`VenueUnreadable` for an answer that cannot be
    decoded); their lists are decoded row by row. `address` is the account;
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

    async def orders_open(self, address: str) -> Rows[VenueOrder]:
        """All open orders, including untriggered ones."""

    async def fills(self, address: str, since: int) -> Rows[VenueFill]:
        """All fills with time >= `since`, oldest first; handles pagination."""

    async def fundings(self, address: str, since: int) -> Rows[VenueFunding]: ...

    async def movements(self, address: str, since: int) -> Rows[VenueMovement]: ...

    async def account(self, address: str) -> AccountState: ...

    async def key_verify(self, key: RegisteredKey, now: int) -> KeyVerdict:
        """What the key may do, according to the venue; `now` in ms."""

    def watch(self, addresses: Iterable[str]) -> None:
        """Replace the set of accounts with private streams; at most `stream_slots`."""

    async def run(self, listener: AccountListener) -> None:
        """Keep the private streams open until cancelled."""

    async def close(self) -> None: ...
