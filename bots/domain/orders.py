"""The orders of one bot as its runner knows them."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.sdk.events import OrderState
from bots.sdk.intents import Level


@dataclass(frozen=True, slots=True)
class Live:
    """An order that may still trade. `level` is what was asked for, `left` what is not filled of it.

    While an order is replaced both stand here: the old one `cancelling`, the new one `replaces` it.
    """

    client_id: UUID
    level: Level
    left: Decimal
    state: OrderState = "placing"
    replaces: UUID | None = None

    @property
    def notional(self) -> Decimal:
        """What it may still cost, in quote units."""
        return self.left * self.level.price


@dataclass(frozen=True, slots=True)
class Put:
    """Place an order at this level."""

    level: Level


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Cancel this order."""

    client_id: UUID


@dataclass(frozen=True, slots=True)
class Move:
    """Replace this resting order by one at this level."""

    client_id: UUID
    level: Level


Action = Put | Withdraw | Move


def crosses(level: Level, other: Level) -> bool:
    """Would these two orders of one owner trade with each other? One that waits for a trigger does not."""
    if level.side == other.side or level.trigger is not None or other.trigger is not None:
        return False
    buy, sell = (level, other) if level.side == "buy" else (other, level)
    return buy.price >= sell.price
