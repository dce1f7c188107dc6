"""Live orders of a bot as its snapshot holds them, and the actions on them."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.sdk.events import OrderState
from bots.sdk.intents import Level


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """An order that may still trade. `level` is what was requested, `remaining` the unfilled size.

    While an order is being replaced both are live: the old one is `cancelling`, the new one `replaces` it.
    """

    client_id: UUID
    level: Level
    remaining: Decimal
    state: OrderState = "placing"
    replaces: UUID | None = None

    @property
    def notional(self) -> Decimal:
        """Remaining notional, in quote units."""
        return self.remaining * self.level.price


@dataclass(frozen=True, slots=True)
class PlaceAction:
    """Place an order at this level."""

    level: Level


@dataclass(frozen=True, slots=True)
class CancelAction:
    """Cancel this order."""

    client_id: UUID


@dataclass(frozen=True, slots=True)
class ModifyAction:
    """Replace this resting order by one at this level."""

    client_id: UUID
    level: Level


Action = PlaceAction | CancelAction | ModifyAction


def crosses(level: Level, other: Level) -> bool:
    """Whether these two orders of one bot would trade with each other. An untriggered stop does not."""
    if level.side == other.side or level.trigger is not None or other.trigger is not None:
        return False
    buy, sell = (level, other) if level.side == "buy" else (other, level)
    return buy.price >= sell.price
