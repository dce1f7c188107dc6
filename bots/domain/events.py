"""What happens to a run. `now` is our clock in ms.

An *own* event tells about the bot's own orders and money. It carries `seq`, its number in the bot's
journal: own events are never dropped, and one that is told twice is taken once.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from bots.domain.lifecycle import StopPolicy
from bots.sdk.events import BookSeen, OrderState, Tick
from market.domain.events import Candle, Side


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker took the run: its first start, or the next one after a restart."""

    now: int


@dataclass(frozen=True, slots=True)
class Warmed:
    """Stored candles, oldest first: all that the strategy asked for."""

    now: int
    candles: tuple[Candle, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Everything is there; decisions may begin."""

    now: int


@dataclass(frozen=True, slots=True)
class Ticked:
    now: int
    tick: Tick


@dataclass(frozen=True, slots=True)
class CandleClosed:
    now: int
    candle: Candle


@dataclass(frozen=True, slots=True)
class BookShown:
    now: int
    book: BookSeen


@dataclass(frozen=True, slots=True)
class Woken:
    """Time passed: what was put off is looked at again."""

    now: int


@dataclass(frozen=True, slots=True)
class InputsChanged:
    """`inputs` are those of `inputs_read`. (New code is a new runner, on the snapshot of the old one.)"""

    now: int
    inputs: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """`reason` is a sentence: who stopped it, or which limit did."""

    now: int
    policy: StopPolicy
    reason: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """Its callback broke its deadline, or its process gave up on it."""

    now: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An own order is in another state. An `open` with a reason says that a cancel or change was refused."""

    now: int
    seq: int
    client_id: UUID
    level_id: str
    state: OrderState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Traded:
    """An own order traded. `fee` above zero was paid."""

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
    """The bot's share of a funding payment, above zero when received."""

    now: int
    seq: int
    ref: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left at the venue of the bot's position; less than it traded when some of it went by no order
    of ours. `covered`: the venue's own position is at least that, on the same side."""

    now: int
    seq: int
    size: Decimal
    covered: bool


Own = OrderChanged | Traded | FundingPaid | Remains
Event = (
    Claimed
    | Warmed
    | Started
    | Ticked
    | CandleClosed
    | BookShown
    | Woken
    | InputsChanged
    | StopAsked
    | Crashed
    | Own
)
