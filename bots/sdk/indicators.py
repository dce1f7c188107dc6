"""Figures computed from closed candles, oldest first. None while there are too few of them."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from market.domain.events import Candle


def ema(values: Sequence[Decimal], period: int) -> Decimal | None:
    """Exponential moving average with the weight 2 / (period + 1), begun with a simple average."""
    if period < 1 or len(values) < period:
        return None
    weight = Decimal(2) / (period + 1)
    average = sum(values[:period], Decimal(0)) / period
    for value in values[period:]:
        average += weight * (value - average)
    return average


def atr(candles: Sequence[Candle], period: int) -> Decimal | None:
    """Wilder's average true range, in quote units; it needs `period` + 1 candles."""
    if period < 1 or len(candles) < period + 1:
        return None
    ranges = [max(now.high, before.close) - min(now.low, before.close) for before, now in pairwise(candles)]
    average = sum(ranges[:period], Decimal(0)) / period
    for value in ranges[period:]:
        average = (average * (period - 1) + value) / period
    return average


def returns(candles: Sequence[Candle]) -> list[Decimal]:
    """Logarithmic returns from close to close."""
    logs = [candle.close.ln() for candle in candles]
    return [later - earlier for earlier, later in pairwise(logs)]


def volatility(candles: Sequence[Candle]) -> Decimal | None:
    """Realised volatility of one candle: standard deviation of its log return (0.01 is one per cent).

    It scales with the square root of time: times sqrt(n) for n candles.
    """
    moves = returns(candles)
    if len(moves) < 2:
        return None
    mean = sum(moves, Decimal(0)) / len(moves)
    return (sum(((move - mean) ** 2 for move in moves), Decimal(0)) / (len(moves) - 1)).sqrt()


def ewma(candles: Sequence[Candle], decay: Decimal) -> Decimal | None:
    """Volatility of one candle that forgets: variance = decay × variance + (1 − decay) × return²."""
    moves = returns(candles)
    if not moves:
        return None
    variance = moves[0] ** 2
    for move in moves[1:]:
        variance = decay * variance + (1 - decay) * move**2
    return variance.sqrt()


def trend_score(candles: Sequence[Candle]) -> Decimal | None:
    """How far the closes went from first to last, in standard deviations of a walk without direction."""
    step = volatility(candles)
    if not step:
        return None
    moved = candles[-1].close.ln() - candles[0].close.ln()
    return moved / (step * Decimal(len(candles) - 1).sqrt())
