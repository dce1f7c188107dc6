"""Indicators computed from closed candles, oldest first. They return None for too few candles."""

from collections.abc import Sequence
from decimal import Context, Decimal
from itertools import pairwise

from market.domain.events import Candle

ZERO = Decimal(0)
STATISTICS = Context(prec=16)  # more digits of a logarithm carry no information here and cost time


def ema(values: Sequence[Decimal], period: int) -> Decimal | None:
    """Exponential moving average with the weight 2 / (period + 1), seeded with a simple average."""
    if period < 1 or len(values) < period:
        return None
    weight = Decimal(2) / (period + 1)
    average = sum(values[:period], ZERO) / period
    for value in values[period:]:
        average += weight * (value - average)
    return average


def atr(candles: Sequence[Candle], period: int) -> Decimal | None:
    """Wilder's average true range (ATR), in quote units; it needs `period` + 1 candles."""
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

    It is the volatility per candle; multiply by sqrt(n) for n candles.
    """
    if len(moves) < 2:
        return None
    mean = sum(moves, ZERO) / len(moves)
    return (sum(((move - mean) ** 2 for move in moves), ZERO) / (len(moves) - 1)).sqrt(STATISTICS)


def ewma(moves: Sequence[Decimal], decay: Decimal) -> Decimal | None:
    """Exponentially weighted volatility: variance = decay × variance + (1 − decay) × return²."""
    if not moves:
        return None
    variance = moves[0] ** 2
    for move in moves[1:]:
        variance = decay * variance + (1 - decay) * move**2
    return variance.sqrt(STATISTICS)


def trend_score(moves: Sequence[Decimal]) -> Decimal | None:
    """Sum of these returns in standard deviations of a random walk without drift."""
    step = volatility(moves)
    return sum(moves, ZERO) / (step * Decimal(len(moves)).sqrt(STATISTICS)) if step else None
