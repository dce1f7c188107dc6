"""What a strategy may want. Intents are judged and carried out by others; wanting costs nothing."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.domain.events import Side

# post_only: refused rather than trading at once; resting: may trade at once, the rest waits;
# ioc: trades at once or is gone.
Style = Literal["post_only", "resting", "ioc"]
LEVEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Level:
    """One order as the strategy wants it to stand. `id` is the strategy's own name for its place.

    `price` is the limit, or the worst price of an order that waits for `trigger`: such an order sells
    when the mark falls to the trigger, or buys when it rises to it. `size` is in base units.
    """

    id: str
    side: Side
    price: Decimal
    size: Decimal
    style: Style = "post_only"
    reduce_only: bool = False
    trigger: Decimal | None = None

    def problem(self) -> str | None:
        """Why no instrument could take this order; None when nothing is wrong with it as such."""
        identity: object = self.id
        if not isinstance(identity, str) or not LEVEL_ID.fullmatch(identity):
            return f"the level id {identity!r} must be 1 to 32 of a-z, 0-9, '.', '_', '-'"
        if self.side not in ("buy", "sell") or self.style not in ("post_only", "resting", "ioc"):
            return f"level {self.id} has the side {self.side!r} and the style {self.style!r}"
        figures: dict[str, object] = {"price": self.price, "size": self.size}
        if self.trigger is not None:
            figures["trigger"] = self.trigger
        for name, figure in figures.items():
            if not isinstance(figure, Decimal) or not figure.is_finite() or figure <= 0:
                return f"the {name} of level {self.id} is {figure!r}; it must be a Decimal above zero"
        return None


@dataclass(frozen=True, slots=True)
class Quotes:
    """The whole set of orders that should stand, from now on. What stands already is kept."""

    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One order more, or instead of the one that stands under the same level id."""

    level: Level


@dataclass(frozen=True, slots=True)
class Cancel:
    level_id: str


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Every order of this bot, and of no one else."""


@dataclass(frozen=True, slots=True)
class Close:
    """Cancel the bot's orders and trade its own position away, never more than that."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is done at the moment, and why: the first condition that is not met, as a sentence."""

    reason: str


Intent = Quotes | Place | Cancel | CancelAll | Close | Idle
