"""Input events of a bot run. `now` is the local clock in ms.

An *own* event concerns the bot's own orders, fills, funding or position. It carries `seq`, its number
within the run: own events are never dropped, and one that is delivered twice is applied once.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from bots.domain.lifecycle import StopPolicy
from bots.sdk.events import BookSnapshot, OrderState, Tick
from market.domain.events import Candle, Side


@dataclass(frozen=True, slots=True)
class Claimed:
    """A supervisor claimed the run: at its first start, or again after a restart."""

    now: int


@dataclass(frozen=True, slots=True)
class CandlesLoaded:
    """The stored candles that the strategy requires, oldest first."""

    now: int
    candles: tuple[Candle, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Start-up is complete (price and candles are available): the strategy starts."""

    now: int


@dataclass(frozen=True, slots=True)
class TickReceived:
    """A new best bid and ask of the bot's instrument."""

    now: int
    tick: Tick


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """A candle of the strategy's interval closed."""

    now: int
    candle: Candle


@dataclass(frozen=True, slots=True)
class BookUpdated:
    """A new order book of the bot's instrument."""

    now: int
    book: BookSnapshot


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Time passed: postponed work, such as levels in backoff, is checked again."""

    now: int


@dataclass(frozen=True, slots=True)
class PositionChecked:
    """The bot's position was compared with the wallet's: `conflict` says why both cannot be true; empty if they can."""

    now: int
    conflict: str


@dataclass(frozen=True, slots=True)
class InputsChanged:
    """New inputs, as parsed by `parse_inputs`. (New code needs a new runner, on the old one's snapshot.)"""

    now: int
    inputs: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Stop the run. `reason` is a sentence that names the user or the limit that stopped it."""

    now: int
    policy: StopPolicy
    reason: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A callback exceeded its deadline, or the supervisor gave up restarting the run."""

    now: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderUpdated:
    """An own order changed its state. `open` with a reason: a cancel or modify request was rejected."""

    now: int
    seq: int
    client_id: UUID
    level_id: str
    state: OrderState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """An own order was filled, wholly or in part. A `fee` above zero was paid."""

    now: int
    seq: int
    client_id: UUID
    level_id: str
    ref: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """The bot's share of a funding payment; above zero when received."""

    now: int
    seq: int
    ref: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PositionAdjusted:
    """The size that remains at the venue of the bot's position.

    It is smaller than the traded size when a part was closed externally (without an order of this
    application). `covered`: the venue's net position is at least that large, on the same side.
    """

    now: int
    seq: int
    size: Decimal
    covered: bool


OwnEvent = OrderUpdated | OrderFilled | FundingPaid | PositionAdjusted
Event = (
    Claimed
    | CandlesLoaded
    | Started
    | TickReceived
    | CandleClosed
    | BookUpdated
    | TimerFired
    | PositionChecked
    | InputsChanged
    | StopRequested
    | Crashed
    | OwnEvent
)
