"""Venue-independent order and account types: order requests, responses and account events.

Account events are immutable and are never rejected. Times are venue times in ms. Amounts and sizes are
Decimal. `address` is the account at the venue; `client_id` is the id that the client assigns to an order.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.errors import ParseError
from market.domain.events import Side
from market.domain.instruments import Kind

# other: a word of the venue that is not known here; never sent.
OrderKind = Literal[
    "market", "limit", "stop_market", "stop_limit", "take_profit_market", "take_profit_limit", "other"
]
Tif = Literal["gtc", "ioc", "alo", "other"]
MarginMode = Literal["cross", "isolated"]
# perp: collateral of perpetuals; spot: tokens. A venue keeps the two apart, even for the same asset.
# unified: one balance for both.
AccountType = Literal["perp", "spot", "unified"]
# How a venue keeps balances. split: perpetuals and spot apart.
MarginModel = Literal["split", "unified"]
TRIGGERED: frozenset[OrderKind] = frozenset(
    {"stop_market", "stop_limit", "take_profit_market", "take_profit_limit"}
)


def account_type_of(model: MarginModel, kind: Kind) -> AccountType:
    """The account type that pays for orders of a kind of instrument."""
    return "unified" if model == "unified" else kind


# --- requests ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OrderSpec:
    """One order as it is sent. `price` is the worst accepted price, for market orders too.

    A market order is an immediate-or-cancel limit order at that price. Only the kinds in `TRIGGERED` have a
    `trigger_price`. `client_id` is made by `VenueAdapter.client_order_id`.
    """

    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    tif: Tif
    price: Decimal
    size: Decimal
    reduce_only: bool = False
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CancelSpec:
    """An order to cancel: by the venue's id where it is known, else by client id."""

    symbol: str
    client_id: str | None = None
    venue_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModifySpec:
    """Replace the order identified by `target` with `order`, which has a client id of its own."""

    target: CancelSpec
    order: OrderSpec


# --- responses ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue accepted the order. `filled` is the size filled at once: a hint; fills are authoritative."""

    venue_id: str | None = None
    resting: bool = True
    filled: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue rejected the order. `status` is the venue's name of the reason, if it has one."""

    reason: str
    status: str = ""


OrderResponse = Accepted | Rejected


# --- account events ----------------------------------------------------------------------------
# Normalised status of an order at the venue; other: a word that is not known here.
VenueStatus = Literal["open", "triggered", "filled", "cancelled", "rejected", "other"]


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as reported by the venue. `remaining` may be stale: sizes are derived from fills only.

    `raw_status` is the venue's own status: `marginCanceled`, `badAloPxRejected`… `incomplete` events come
    from a stream that omits kind, time in force and trigger price: these fields are placeholders then.
    """

    symbol: str
    side: Side
    kind: OrderKind
    tif: Tif
    price: Decimal
    size: Decimal
    remaining: Decimal
    venue_id: str
    client_id: str | None
    status: VenueStatus
    raw_status: str
    time: int  # when it was placed
    status_time: int
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    incomplete: bool = False
    unknown_words: str = ""  # the venue's own words for fields that are `other`


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One fill of an account; `closed_pnl` is before fees, perpetuals only.

    `fees` are (asset, amount), one per asset; a positive amount was paid. Venues charge up to two assets for one
    fill: a token of their own and the received asset, or a fee and a rebate.
    """

    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    time: int
    venue_id: str
    trade_id: str
    client_id: str | None
    fees: tuple[tuple[str, Decimal], ...]
    closed_pnl: Decimal
    taker: bool
    position_before: Decimal | None = None
    liquidation: bool = False

    def fee_in(self, asset: str) -> Decimal:
        """The fee paid in `asset`."""
        return sum((amount for charged, amount in self.fees if charged == asset), Decimal(0))


@dataclass(frozen=True, slots=True)
class VenueFunding:
    """A funding payment. A positive `amount` was received."""

    symbol: str
    amount: Decimal
    asset: str
    rate: Decimal
    position: Decimal
    time: int


@dataclass(frozen=True, slots=True)
class VenueMovement:
    """A transfer without a trade: `legs` are (account_type, asset, amount), a positive amount was received.

    `ref` is unique within the account and the same in every response.
    """

    ref: str
    kind: str  # deposit, withdrawal, transfer, …; else the venue's own name
    legs: tuple[tuple[AccountType, str, Decimal], ...]
    fee: Decimal
    fee_asset: str
    time: int


AccountEvent = VenueOrder | VenueFill | VenueFunding | VenueMovement
AccountStream = Literal["orders", "fills", "fundings", "movements"]


@dataclass(frozen=True, slots=True)
class AccountMessage:
    """A message of an account stream. No `event`: the stream has started, later events will be sent."""

    address: str
    kind: AccountStream
    event: AccountEvent | None = None


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A perpetual position; a negative `size` is short, `cost` is the signed notional paid for it."""

    symbol: str
    size: Decimal
    cost: Decimal
    leverage: int
    mode: MarginMode
    margin_used: Decimal
    unrealised_pnl: Decimal
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """Snapshot of an account. `cash` is (account_type, asset) → amount: for the perp account the equity
    without unrealised PnL, for spot the total."""

    time: int
    cash: dict[tuple[AccountType, str], Decimal]
    positions: tuple[VenuePosition, ...]
    equity: Decimal  # of the perp account, unrealised PnL included
    withdrawable: Decimal
    leverages: dict[str, int] | None = None
    rejected: tuple[ParseError, ...] = ()  # of positions and balances that were left out


# --- keys --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class KeyRole:
    """Role of an address at the venue. `master` is set for agents and sub-accounts."""

    role: Literal["agent", "user", "sub_account", "vault", "missing"]
    master: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Agent (API wallet): a key that may trade for an account. `valid_until` in ms; None: no expiry."""

    address: str
    name: str
    valid_until: int | None
