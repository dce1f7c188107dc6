"""Instruments and their price and size rules, in exact decimals.

Sizes are in base units for spot and linear contracts, and in contracts for inverse ones.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

Kind = Literal["perp", "spot"]
Direction = Literal["linear", "inverse"]
InstrumentStatus = Literal["trading", "pre_launch", "halted", "delisted"]
Rounding = Literal["down", "up", "nearest"]
_MODES = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}
_WIDE = Context(prec=80)  # a quotient or product of two stored numbers is exact
ZERO, ONE = Decimal(0), Decimal(1)


def round_to(value: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """`value` rounded to a multiple of `step`, with the decimals of `step`."""
    count = _WIDE.divide(value, step).quantize(ONE, rounding=_MODES[rounding], context=_WIDE)
    return _WIDE.multiply(count, step)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return _WIDE.remainder(value, step) == 0


def as_step(value: Decimal) -> Decimal:
    """A stored step without trailing zeros and without an exponent: 0.010000 → 0.01, 1E+1 → 10."""
    return Decimal(format(value.normalize(_WIDE), "f"))


def decimals_of(step: Decimal) -> int:
    """The decimals that a multiple of `step` can have: 0.00025 has 5, 10 has 0."""
    exponent = step.normalize(_WIDE).as_tuple().exponent
    return max(0, -int(exponent))


@dataclass(frozen=True)
class LeverageTier:
    """Maximum leverage of positions up to `max_notional` in quote units; None: of any size."""

    max_notional: Decimal | None
    max_leverage: int


@dataclass(frozen=True)
class InstrumentRules:
    """Tick size, size step, and bounds of the size and the notional of an order.

    A price is a multiple of `tick_size`; where `significant_figures` is given it also has at most that many
    significant figures, except that whole numbers are always valid (Hyperliquid). A size is a multiple of
    `size_step`. `min_notional` is in quote units. `contract_size` is the size of one contract of the venue, in base
    units for a linear and in quote units for an inverse contract.
    """

    tick_size: Decimal
    size_step: Decimal
    significant_figures: int | None = None
    min_notional: Decimal = ZERO
    min_size: Decimal = ZERO
    max_size: Decimal | None = None
    contract_size: Decimal = ONE
    direction: Direction = "linear"

    def __post_init__(self) -> None:
        if self.tick_size <= 0 or self.size_step <= 0 or self.contract_size <= 0:
            raise ValueError("tick size, size step and contract size are above zero")

    @classmethod
    def from_decimals(
        cls,
        size_decimals: int,
        price_decimals: int,
        significant_figures: int | None = None,
        min_notional: Decimal = ZERO,
    ) -> "InstrumentRules":
        """Rules of a venue that states numbers of decimals."""
        tick, step = ONE.scaleb(-price_decimals), ONE.scaleb(-size_decimals)
        return cls(tick, step, significant_figures, min_notional)

    @property
    def size_decimals(self) -> int:
        return decimals_of(self.size_step)

    @property
    def price_decimals(self) -> int:
        return decimals_of(self.tick_size)

    # --- prices ------------------------------------------------------------------------------------
    def tick_at(self, price: Decimal) -> Decimal:
        """The tick size near `price` (which must be positive)."""
        if self.significant_figures is None:
            return self.tick_size
        by_figures = ONE.scaleb(price.adjusted() - self.significant_figures + 1)
        return max(self.tick_size, min(by_figures, ONE))

    def round_price(self, price: Decimal, rounding: Rounding = "nearest") -> Decimal:
        """`price` rounded to a valid price."""
        return round_to(price, self.tick_at(price), rounding)

    def price_is_valid(self, price: Decimal) -> bool:
        """True for a positive multiple of the tick size."""
        return price > 0 and is_multiple(price, self.tick_at(price))

    # --- sizes -------------------------------------------------------------------------------------
    def round_size(self, size: Decimal, rounding: Rounding = "down") -> Decimal:
        """`size` rounded to a multiple of the size step; never up unless asked for."""
        return round_to(size, self.size_step, rounding)

    def size_is_valid(self, size: Decimal) -> bool:
        """True for a multiple of the size step within the bounds."""
        too_large = self.max_size is not None and size > self.max_size
        return size > 0 and size >= self.min_size and not too_large and is_multiple(size, self.size_step)

    def notional(self, price: Decimal, size: Decimal) -> Decimal:
        """Value of `size` in quote units."""
        return size * (self.contract_size if self.direction == "inverse" else price)

    def contracts(self, size: Decimal) -> Decimal:
        """`size` in contracts of the venue. Raises `ValueError` if it is not a multiple of the size step."""
        if not is_multiple(size, self.size_step):
            raise ValueError(f"{size} is not a multiple of {self.size_step}")
        return size if self.direction == "inverse" else _WIDE.divide(size, self.contract_size)

    def size_of(self, contracts: Decimal) -> Decimal:
        """The size of a number of contracts of the venue. Raises `ValueError` if it is not valid here."""
        size = contracts if self.direction == "inverse" else _WIDE.multiply(contracts, self.contract_size)
        if not is_multiple(size, self.size_step):
            raise ValueError(f"{contracts} contracts are not a multiple of {self.size_step}")
        return size


@dataclass(frozen=True)
class Instrument:
    """One instrument of one venue. `symbol` is the venue's name for it; times are in ms.

    `settle_asset` is the asset of margin and PnL; empty: the quote. `max_leverage` is that of the smallest position.
    """

    venue: str
    symbol: str
    kind: Kind
    base: str
    quote: str
    rules: InstrumentRules
    max_leverage: int | None = None
    status: InstrumentStatus = "trading"
    settle_asset: str = ""
    listed_at: int | None = None
    expires_at: int | None = None
    leverage_tiers: tuple[LeverageTier, ...] = ()

    @property
    def trading(self) -> bool:
        return self.status == "trading"

    def max_leverage_at(self, notional: Decimal) -> int | None:
        """The maximum leverage of a position of `notional`, by its tier."""
        for tier in self.leverage_tiers:
            if tier.max_notional is None or notional <= tier.max_notional:
                return tier.max_leverage
        return self.leverage_tiers[-1].max_leverage if self.leverage_tiers else self.max_leverage
