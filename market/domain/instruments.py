"""Instruments and their price and size rules."""

from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Literal

Kind = Literal["perp", "spot"]
Direction = Literal["linear", "inverse"]
InstrumentStatus = Literal["trading", "pre_launch", "halted", "delisted"]
Rounding = Literal["down", "up", "nearest"]

ZERO, ONE = Decimal(0), Decimal(1)
# Exact arithmetic: a result with more than 120 digits is an error instead of being rounded.
EXACT = Context(prec=120, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])


def canonical(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without a positive exponent: 0.010 is 0.01, 1E+1 is 10."""
    reduced = EXACT.normalize(value)
    return EXACT.quantize(reduced, ONE) if _exponent(reduced) > 0 else reduced


def decimals_of(step: Decimal) -> int:
    """The number of decimals needed to write multiples of `step`."""
    return max(0, -_exponent(EXACT.normalize(step)))


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, str):
        raise ValueError(f"{value} is not a finite number.")
    return exponent


def _rounded(value: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """`value` rounded to a multiple of `step`, exactly. "down" is towards zero, "up" away from it."""
    whole, rest = EXACT.divmod(value, step)
    if rest and _rounds_up(rounding, whole, rest, step):
        whole = EXACT.add(whole, ONE.copy_sign(rest))
    return EXACT.multiply(whole, step)


def _rounds_up(rounding: Rounding, whole: Decimal, rest: Decimal, step: Decimal) -> bool:
    if rounding != "nearest":
        return rounding == "up"
    twice = EXACT.multiply(rest.copy_abs(), 2)
    return twice > step or (twice == step and EXACT.remainder(whole, 2) != 0)  # ties to even


def _is_multiple(value: Decimal, step: Decimal) -> bool:
    try:
        return EXACT.remainder(value, step) == 0
    except DecimalException:  # too many digits to be a valid price or size
        return False


@dataclass(frozen=True)
class InstrumentRules:
    """Price and size rules of an instrument: tick size, size step, bounds, minimum notional, contract.

    A price is a multiple of `tick_size` and, where `significant_figures` is given, has at most that many
    significant figures, except that whole numbers are always valid. A size is a multiple of `size_step`
    between `min_size` and `max_size`. Spot and linear contracts: sizes are in base units, `contract_size`
    is the base units of one contract, and `size_step` the venue's lot in contracts times `contract_size`.
    Inverse contracts: sizes are in contracts, and `contract_size` is in quote units. `min_notional` is in
    quote units. Raises `ValueError` for rules that cannot be.
    """

    tick_size: Decimal
    size_step: Decimal
    significant_figures: int | None = None
    min_size: Decimal = ZERO
    max_size: Decimal | None = None
    min_notional: Decimal = ZERO
    contract_size: Decimal = ONE
    direction: Direction = "linear"

    def __post_init__(self) -> None:
        for name in ("tick_size", "size_step", "contract_size", "min_size", "min_notional"):
            object.__setattr__(self, name, canonical(getattr(self, name)))
        if self.max_size is not None:
            object.__setattr__(self, "max_size", canonical(self.max_size))
        if min(self.tick_size, self.size_step, self.contract_size) <= 0:
            raise ValueError("Tick size, size step and contract size must be greater than 0.")
        if min(self.min_size, self.min_notional) < 0:
            raise ValueError("Minimum size and minimum notional must not be negative.")
        if self.max_size is not None and not 0 < self.max_size >= self.min_size:
            raise ValueError("The maximum size must be greater than 0 and at least the minimum size.")
        if self.significant_figures is not None and (
            self.significant_figures < 1 or self.tick_size.scaleb(-self.tick_size.adjusted()) != 1
        ):
            raise ValueError(
                "Significant figures are at least 1 and need a tick size that is a power of ten."
            )

    @classmethod
    def from_decimals(
        cls,
        size_decimals: int,
        price_decimals: int,
        significant_figures: int | None = None,
        min_notional: Decimal = ZERO,
    ) -> "InstrumentRules":
        """Rules with powers of ten as tick size and size step, given by their decimals."""
        return cls(
            tick_size=ONE.scaleb(-price_decimals),
            size_step=ONE.scaleb(-size_decimals),
            significant_figures=significant_figures,
            min_notional=min_notional,
        )

    @property
    def size_decimals(self) -> int:
        """Decimals needed to write a size."""
        return decimals_of(self.size_step)

    @property
    def price_decimals(self) -> int:
        """Decimals needed to write a price."""
        return decimals_of(self.tick_size)

    def tick_at(self, price: Decimal) -> Decimal:
        """The tick size near `price` (which must be positive)."""
        if self.significant_figures is None:
            return self.tick_size
        by_figures = ONE.scaleb(price.adjusted() - self.significant_figures + 1)
        return max(self.tick_size, min(by_figures, ONE))

    def round_price(self, price: Decimal, rounding: Rounding = "nearest") -> Decimal:
        """`price` (which must be positive) rounded to a valid price, or to zero."""
        return _rounded(price, self.tick_at(price), rounding)

    def round_size(self, size: Decimal, rounding: Rounding = "down") -> Decimal:
        """`size` rounded to a multiple of the size step; never to a larger one unless asked."""
        return _rounded(size, self.size_step, rounding)

    def fit_size(self, size: Decimal) -> Decimal:
        """The largest valid size at or below `size`; zero when there is none."""
        largest = self.round_size(size if self.max_size is None else min(size, self.max_size))
        return largest if largest >= self.min_size and largest > 0 else ZERO

    def price_is_valid(self, price: Decimal) -> bool:
        """True for a positive multiple of the tick size."""
        return price > 0 and _is_multiple(price, self.tick_at(price))

    def size_is_valid(self, size: Decimal) -> bool:
        """True for a positive multiple of the size step within the bounds."""
        if size <= 0 or size < self.min_size or (self.max_size is not None and size > self.max_size):
            return False
        return _is_multiple(size, self.size_step)

    def notional(self, price: Decimal, size: Decimal) -> Decimal:
        """The value of `size` at `price` in quote units; of inverse contracts it does not depend on the price."""
        return EXACT.multiply(size, self.contract_size if self.direction == "inverse" else price)

    def contracts(self, size: Decimal) -> Decimal:
        """The number of contracts of `size`. Raises `ValueError` when it is not a whole number of lots."""
        return EXACT.multiply(self._lots(size, self.size_step), self._lot)

    def size_of(self, contracts: Decimal) -> Decimal:
        """The size of a number of contracts. Raises `ValueError` when it is not a whole number of lots."""
        return EXACT.multiply(self._lots(contracts, self._lot), self.size_step)

    @property
    def _lot(self) -> Decimal:
        """The size step in contracts."""
        if self.direction == "inverse":
            return self.size_step
        try:
            return EXACT.divide(self.size_step, self.contract_size)
        except Inexact:
            raise ValueError("The size step is not a decimal number of contracts.") from None

    @staticmethod
    def _lots(amount: Decimal, lot: Decimal) -> Decimal:
        try:
            whole, rest = EXACT.divmod(amount, lot)
        except DecimalException:
            raise ValueError(f"{amount} is not a number of lots.") from None
        if rest:
            raise ValueError(f"{amount} is not a multiple of {lot}.")
        return whole


@dataclass(frozen=True)
class LeverageTier:
    """Maximum leverage of positions up to `max_notional`, in quote units; None: without a bound."""

    max_notional: Decimal | None
    max_leverage: int


@dataclass(frozen=True)
class Instrument:
    """One instrument of one venue. `symbol` is the venue's name for it.

    `max_leverage` is that of the highest tier; `settle_asset` is the asset of margin and PnL, the quote asset
    when it is empty; `listed_at` and `expires_at` are in ms since 1970, UTC.
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
        """The venue accepts orders for it."""
        return self.status == "trading"

    def max_leverage_at(self, notional: Decimal) -> int | None:
        """Maximum leverage of a position of `notional`; above all tiers the lowest, without tiers `max_leverage`."""
        tiers = self.leverage_tiers
        fitting = [t.max_leverage for t in tiers if t.max_notional is None or notional <= t.max_notional]
        if fitting:
            return max(fitting)
        return min((tier.max_leverage for tier in tiers), default=self.max_leverage)
