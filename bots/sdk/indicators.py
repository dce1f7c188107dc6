"""Figures computed from closed candles, oldest first. None while there are too few of them."""

from collections.abc import Sequence
from decimal import Context, Decimal
from itertools import pairwise

from market.domain.events import Candle

ZERO = Decimal(0)
STATISTICS = Context(prec=16)  # logarithms to more digits say no more about a market, and cost more


def ema(values: Sequence[Decimal], period: int) -> Decimal | None:
    """Exponential moving average with the weight 2 / (period + 1), begun with a simple average."""
    if period < 1 or len(values) < period:
        return None
    weight = Decimal(2) / (period + 1)
    average = sum(values[:period], ZERO) / period
    for value in values[period:]:
        average += weight * (value - average)
    return average


def atr(candles: Sequence[Candle], period: int) -> Decimal | None:
    """Wilder's average true range, in quote units; it needs `period` + 1 candles."""
    if period < 1 or len(candles) < period + 1:
        return None
    ranges = [max(now.high, before.close) - min(now.low, before.close) for before, now in pairwise(candles)]
    average = sum(ranges[:period], ZERO) / period
    for value in ranges[period:]:
        average = (average * (period - 1) + value) / period
    return average


def returns(candles: Sequence[Candle]) -> list[Decimal]:
    """Logarithmic returns from close to close: 0.01 is about one per cent."""
    logs = [candle.close.ln(STATISTICS) for candle in candles]
    return [later - earlier for earlier, later in pairwise(logs)]


def volatility(moves: Sequence[Decimal]) -> Decimal | None:
    """Realised volatility: the standard deviation of these returns.

    It is that of one candle, and scales with the square root of time: times sqrt(n) for n candles.
    """
    if len(moves) < 2:
        return None
    mean = sum(moves, ZERO) / len(moves)
    return (sum(((move - mean) ** 2 for move in moves), ZERO) / (len(moves) - 1)).sqrt(STATISTICS)


def ewma(moves: Sequence[Decimal], decay: Decimal) -> Decimal | None:
    """Volatility that forgets: variance = decay × variance + (1 − decay) × return²."""
    if not moves:
        return None
    variance = moves[0] ** 2
    for move in moves[1:]:
        variance = decay * variance + (1 - decay) * move**2
    return variance.sqrt(STATISTICS)


def trend_score(moves: Sequence[Decimal]) -> Decimal | None:
    """How far these returns lead, in standard deviations of a walk without direction."""
    step = volatility(moves)
    return sum(moves, ZERO) / (step * Decimal(len(moves)).sqrt(STATISTICS)) if step else None
