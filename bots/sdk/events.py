"""What a strategy is told. Frozen, past tense; times in ms, money and quantities in Decimal."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.events import Side

# Where one of the bot's own orders is. `placing`: not yet confirmed by the venue.
OrderState = Literal["placing", "open", "cancelling", "filled", "cancelled", "refused"]


@dataclass(frozen=True, slots=True)
class Tick:
    """The market of one instrument at one moment. `bid` is below `ask`."""

    time: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    mark: Decimal | None = None

    @property
    def middle(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class BookSeen:
    """The best levels as (price, size), best first."""

    time: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class OrderNews:
    """One of the bot's own orders changed. `refused` covers denied by us, rejected and expired."""

    level_id: str
    state: OrderState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade of one of the bot's own orders. `fee` above zero was paid, in `fee_asset`."""

    level_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    time: int
