"""What a bot would do now, in figures, before anybody makes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bots.sdk.context import Terms
from bots.sdk.intents import Level
from market.domain.events import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ladder:
    """The orders of one side. `notional` is what they cost when all of them are filled, in quote units."""

    side: Side
    levels: int
    size: Decimal
    notional: Decimal
    power: Decimal

    @property
    def share(self) -> Decimal:
        """Of what may be at work, in per cent."""
        return 100 * self.notional / self.power if self.power else ZERO


@dataclass(frozen=True, slots=True)
class Outlook:
    """`reason` says why there are no levels, or no more of them. Without a price nothing is known."""

    terms: Terms
    levels: tuple[Level, ...]
    reason: str
    price: Decimal | None

    @property
    def buys(self) -> Ladder:
        return self._ladder("buy")

    @property
    def sells(self) -> Ladder:
        return self._ladder("sell")

    @property
    def sides(self) -> tuple[Ladder, Ladder]:
        """Each is a worst case of its own: the market runs through all of one side."""
        return self.buys, self.sells

    @property
    def each(self) -> Decimal:
        """What one order is worth on average, in quote units."""
        notional = self.buys.notional + self.sells.notional
        return notional / len(self.levels) if self.levels else ZERO

    @property
    def trip_fees(self) -> Decimal:
        """What buying and selling one order's worth costs, both as maker, in quote units."""
        return 2 * self.terms.fees.maker * self.each

    @property
    def trip_percent(self) -> Decimal:
        return 200 * self.terms.fees.maker

    def _ladder(self, side: Side) -> Ladder:
        mine = [level for level in self.levels if level.side == side]
        return Ladder(
            side, len(mine), _sum(level.size for level in mine), _sum(level.size * level.price for level in mine),
            self.terms.power,
        )  # fmt: skip


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
