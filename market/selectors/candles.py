"""Queries of stored candles."""

from collections.abc import Iterable
from typing import Any

from django.db.models import FloatField
from django.db.models.functions import Cast

from core.formatting import plain
from market.domain.candles import gaps_filled
from market.domain.events import INTERVALS, Candle
from market.models import Candle as CandleRow
from market.models import Instrument

DAY_MS = 24 * 3600 * 1000
SPARK_INTERVAL = "15m"
SPARK_POINTS = 40


def candles_before(
    instrument: Instrument, interval: str, *, before: int | None = None, limit: int = 500
) -> list[Candle]:
    """Closed candles that open before `before` (ms): the newest `limit` of them, ascending, gaps filled.

    Intervals without trades have flat candles (`gaps_filled`), also between the newest one before `before` and the next.
    """
    rows = CandleRow.objects.filter(instrument=instrument, interval=interval).order_by("-open_time")
    older = rows if before is None else rows.filter(open_time__lt=before)
    found = [_candle(row, instrument.symbol) for row in older[:limit]][::-1]
    if before is None:
        return gaps_filled(found, limit)
    # The next one shows that the intervals up to it had no trades.
    after = [_candle(row, instrument.symbol) for row in rows.filter(open_time__gte=before).reverse()[:1]]
    filled = gaps_filled([*found, *after], limit + _intervals_from(before, after, interval))
    return [candle for candle in filled if candle.open_time < before][-limit:]


def _intervals_from(before: int, after: list[Candle], interval: str) -> int:
    """How many candles there are from `before` to the one after it."""
    return (after[0].open_time - before) // INTERVALS[interval] + 1 if after else 0


def _candle(row: CandleRow, symbol: str) -> Candle:
    return Candle(symbol, row.interval, row.open_time, row.open, row.high, row.low, row.close, row.volume)


def candle_row(candle: Candle) -> list[Any]:
    """Stream body of a candle: [t, o, h, l, c, v]; t in ms, the others decimal strings."""
    values = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [candle.open_time, *map(plain, values)]


def sparklines(instruments: Iterable[int], now_ms: int) -> dict[int, list[float]]:
    """Instrument id → at most 40 closing prices of the 24 h before `now_ms`, oldest first."""
    closes: dict[int, list[float]] = {}
    rows = CandleRow.objects.filter(
        instrument__in=list(instruments),
        interval=SPARK_INTERVAL,
        open_time__gte=now_ms - DAY_MS,
        open_time__lte=now_ms,
    ).order_by("instrument", "open_time")
    for instrument, close in rows.values_list("instrument", Cast("close", FloatField())):
        closes.setdefault(instrument, []).append(close)
    return {instrument: _downsample(values) for instrument, values in closes.items()}


def _downsample(values: list[float]) -> list[float]:
    """At most 40 of the values, evenly spaced, including the first and the last."""
    if len(values) <= SPARK_POINTS:
        return values
    step = (len(values) - 1) / (SPARK_POINTS - 1)
    return [values[round(index * step)] for index in range(SPARK_POINTS)]
