"""Orders and accounts in words of our own: what a venue is asked to do, and the facts that it tells.

Facts are frozen, past tense and never refused. Times are the venue's, in ms. Money and quantities are
Decimal. `address` is the account at the venue; `client_id` the id that we chose and the venue carries.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.events import Side

OrderKind = Literal["market", "limit", "stop_market", "stop_limit", "take_market", "take_limit"]
Tif = Literal["gtc", "ioc", "alo"]
MarginMode = Literal["cross", "isolated"]
# perp: collateral of perpetuals; spot: tokens. A venue keeps them apart, even of the same asset.
Pot = Literal["perp", "spot"]
TRIGGERED: frozenset[OrderKind] = frozenset({"stop_market", "stop_limit", "take_market", "take_limit"})


# --- what a venue is asked ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OrderSpec:
    """One order as it is sent. `price` is the worst that is accepted, also of a market order.

    A market order is an immediate-or-cancel limit order at that price. `trigger_price` belongs to the
    kinds in `TRIGGERED`. `client_id` is 0x and 32 hexadecimal digits.
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
    """An order to be cancelled: by the venue's id where it is known, else by ours."""

    symbol: str
    client_id: str | None = None
    venue_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModifySpec:
    """Replace the order that stands under `target` by `order`, which has a client id of its own."""

    target: CancelSpec
    order: OrderSpec


# --- what it answers ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue has the order. `filled` is what it says was filled at once: a hint, fills are the truth."""

    venue_id: str | None = None
    resting: bool = True
    filled: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no. `status` is its own name for the refusal where there is one."""

    reason: str
    status: str = ""


Answer = Accepted | Refused


# --- facts -------------------------------------------------------------------------------------
# What an order's life at the venue can be, whatever the venue calls it.
VenueStatus = Literal["open", "triggered", "filled", "cancelled", "rejected"]


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue tells it. `remaining` may be stale: sizes are derived from fills only.

    `raw_status` is the venue's word: `marginCanceled`, `badAloPxRejected`… `partial` facts come from a
    stream that does not tell kind, time in force and trigger: those are placeholders then.
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
    time: int  # of its placing
    status_time: int
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One trade of an account. `fee` above zero is paid; `closed_pnl` before fees, of perpetuals."""

    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    time: int
    venue_id: str
    trade_id: str
    client_id: str | None
    fee: Decimal
    fee_asset: str
    closed_pnl: Decimal
    taker: bool
    position_before: Decimal | None = None
    liquidation: bool = False


@dataclass(frozen=True, slots=True)
class VenueFunding:
    """A funding payment. `amount` above zero was received."""

    symbol: str
    amount: Decimal
    asset: str
    rate: Decimal
    position: Decimal
    time: int


@dataclass(frozen=True, slots=True)
class VenueMovement:
    """Money that moved without a trade: `legs` are (pot, asset, amount), amount above zero came in.

    `ref` is unique within the account and the same whenever it is asked for.
    """

    ref: str
    kind: str  # deposit, withdrawal, transfer, …: the venue's word where we have none
    legs: tuple[tuple[Pot, str, Decimal], ...]
    fee: Decimal
    fee_asset: str
    time: int


Fact = VenueOrder | VenueFill | VenueFunding | VenueMovement
AccountStream = Literal["orders", "fills", "fundings", "movements"]


@dataclass(frozen=True, slots=True)
class News:
    """What a stream of an account says. No `fact`: the stream has begun, what comes from now on is told."""

    address: str
    kind: AccountStream
    fact: Fact | None = None


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A perpetual position; `size` below zero is short, `cost` is the signed price paid for it."""

    symbol: str
    size: Decimal
    cost: Decimal
    leverage: int
    mode: MarginMode
    margin_used: Decimal
    unrealised: Decimal
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account at one moment. `cash` is (pot, asset) → amount: for the perp pot equity without the
    unrealised profit of positions, for spot the total."""

    time: int
    cash: dict[tuple[Pot, str], Decimal]
    positions: tuple[VenuePosition, ...]
    equity: Decimal  # of the perp pot, unrealised profit included
    withdrawable: Decimal
    leverages: dict[str, int] | None = None


# --- who a key is ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class KeyRole:
    """What the venue says that an address is. `master` belongs to agents and sub-accounts."""

    role: Literal["agent", "user", "sub_account", "vault", "missing"]
    master: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """A key that may trade for an account. `valid_until` in ms; None does not end by itself."""

    address: str
    name: str
    valid_until: int | None
