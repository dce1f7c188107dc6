"""Instruments and their price and size rules."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

Kind = Literal["perp", "spot"]
Rounding = Literal["down", "up", "nearest"]
_MODES = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}


@dataclass(frozen=True)
class Rules:
    """Price tick, lot size and minimum notional of an instrument.

    A price may have at most `price_decimals` decimals and, where `significant_figures` is given, at
    most that many significant figures, except that whole numbers are always valid (Hyperliquid:
    5 figures, 6 - size_decimals decimals for perps, 8 - size_decimals for spot). A size is a multiple
    of 10 ** -size_decimals. `min_notional` is in quote units.
    """

    size_decimals: int
    price_decimals: int
    significant_figures: int | None = None
    min_notional: Decimal = Decimal(0)

    def tick_at(self, price: Decimal) -> Decimal:
        """The tick size near `price` (which must be positive)."""
        finest = Decimal(1).scaleb(-self.price_decimals)
        if self.significant_figures is None:
            return finest
        by_figures = Decimal(1).scaleb(price.adjusted() - self.significant_figures + 1)
        return max(finest, min(by_figures, Decimal(1)))

    def round_price(self, price: Decimal, rounding: Rounding = "nearest") -> Decimal:
        """`price` rounded to a valid price."""
        tick = self.tick_at(price)
        return (price / tick).quantize(Decimal(1), rounding=_MODES[rounding]) * tick

    def round_size(self, size: Decimal, rounding: Rounding = "down") -> Decimal:
        """`size` rounded to a valid size."""
        return size.quantize(Decimal(1).scaleb(-self.size_decimals), rounding=_MODES[rounding])

    def price_is_valid(self, price: Decimal) -> bool:
        """True for a positive multiple of the tick size."""
        return price > 0 and price % self.tick_at(price) == 0


@dataclass(frozen=True)
class Instrument:
    """One instrument of one venue. `symbol` is the venue's name for it."""

    venue: str
    symbol: str
    kind: Kind
    base: str
    quote: str
    rules: Rules
    max_leverage: int | None = None
    trading: bool = True
