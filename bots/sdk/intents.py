"""Intents of a strategy: the actions it requests. The runner validates, risk-checks and executes them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.events import Side

# post_only: rejected if it would trade immediately; gtc: may trade immediately, the rest stays in the book;
# ioc: trades immediately, the rest is cancelled.
Style = Literal["post_only", "gtc", "ioc"]
LEVEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Level:
    """Target order of a strategy. `id` is the strategy's own name for it.

    `price` is the limit price, or for a stop order (with a `trigger`) the worst price: a stop sells when the
    mark price falls to the trigger, or buys when it rises to it. `size` is in base units.
    """

    id: str
    side: Side
    price: Decimal
    size: Decimal
    style: Style = "post_only"
    reduce_only: bool = False
    trigger: Decimal | None = None

    def validation_error(self) -> str | None:
        """Why the level is invalid for any instrument; None when it is valid."""
        identity: object = self.id
        if not isinstance(identity, str) or not LEVEL_ID.fullmatch(identity):
            return f"the level id {identity!r} must be 1 to 32 of a-z, 0-9, '.', '_', '-'"
        if self.side not in ("buy", "sell") or self.style not in ("post_only", "gtc", "ioc"):
            return f"level {self.id} has the side {self.side!r} and the style {self.style!r}"
        flag: object = self.reduce_only
        if not isinstance(flag, bool):
            return f"reduce_only of level {self.id} is {flag!r}; it must be true or false"
        figures: dict[str, object] = {"price": self.price, "size": self.size}
        if self.trigger is not None:
            figures["trigger"] = self.trigger
        for name, figure in figures.items():
            if not isinstance(figure, Decimal) or not figure.is_finite() or figure <= 0:
                return f"the {name} of level {self.id} is {figure!r}; it must be a Decimal above zero"
        return None


@dataclass(frozen=True, slots=True)
class SetOrders:
    """The complete set of target orders. Live orders that match are kept."""

    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Add an order, or replace the one with the same level id."""

    level: Level


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the order with this level id."""

    level_id: str


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel every order of this bot, and of this bot only."""


@dataclass(frozen=True, slots=True)
class Close:
    """Cancel the bot's orders and close its own position, never more than that."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The bot is idle; `reason` is the first condition that is not met, as a sentence."""

    reason: str


Intent = SetOrders | Place | Cancel | CancelAll | Close | Idle
