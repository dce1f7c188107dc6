"""Strategy preview: the orders a bot would place now, with totals and fees, before it is created."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bots.sdk.context import Terms
from bots.sdk.intents import Level
from market.domain.events import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class SidePreview:
    """The orders of one side. `notional` is their cost if all of them fill; `power` is the buying power.

    Both are in quote units.
    """

    side: Side
    levels: int
    size: Decimal
    notional: Decimal
    power: Decimal

    @property
    def share(self) -> Decimal:
        """Notional as a percentage of the buying power."""
        return 100 * self.notional / self.power if self.power else ZERO


@dataclass(frozen=True, slots=True)
class StrategyPreview:
    """Dry run of a strategy. `reason` says why there are no (or no more) levels; no `price`, no levels."""

    terms: Terms
    levels: tuple[Level, ...]
    reason: str
    price: Decimal | None

    @property
    def buys(self) -> SidePreview:
        return self._side_preview("buy")

    @property
    def sells(self) -> SidePreview:
        return self._side_preview("sell")

    @property
    def sides(self) -> tuple[SidePreview, SidePreview]:
        """Both sides; each is its own worst case, in which the market fills all orders of that side."""
        return self.buys, self.sells

    @property
    def each(self) -> Decimal:
        """Average notional of one order, in quote units."""
        notional = self.buys.notional + self.sells.notional
        return notional / len(self.levels) if self.levels else ZERO

    @property
    def round_trip_fees(self) -> Decimal:
        """Maker fees for buying and selling one average order, in quote units."""
        return 2 * self.terms.fees.maker * self.each

    @property
    def trip_percent(self) -> Decimal:
        """Maker fees of a round trip, in per cent of its notional."""
        return 200 * self.terms.fees.maker

    def _side_preview(self, side: Side) -> SidePreview:
        levels = [level for level in self.levels if level.side == side]
        return SidePreview(
            side, len(levels), _sum(level.size for level in levels),
            _sum(level.size * level.price for level in levels), self.terms.buying_power,
        )  # fmt: skip


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
