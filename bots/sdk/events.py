"""Event data passed to strategy callbacks: frozen dataclasses; times in ms, amounts in Decimal."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.events import Side

# State of one of the bot's own orders. `placing`: not yet confirmed by the venue.
OrderState = Literal["placing", "open", "cancelling", "filled", "cancelled", "rejected"]


@dataclass(frozen=True, slots=True)
class Tick:
    """Prices of an instrument at one time. `bid` is below `ask`."""

    time: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    mark: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        """Mid price."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """The best order book levels as (price, size), best first."""

    time: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """State change of one of the bot's own orders. `rejected` covers denied, rejected and expired orders."""

    level_id: str
    state: OrderState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill of one of the bot's own orders. `fee` above zero was paid, in `fee_asset`."""

    level_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    time: int
