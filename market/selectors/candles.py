"""Queries of stored candles."""

from collections.abc import Iterable
from typing import Any

from django.db.models import FloatField
from django.db.models.functions import Cast

from core.formatting import plain
from market.models import Candle, Instrument

DAY_MS = 24 * 3600 * 1000
SPARK_INTERVAL = "15m"
SPARK_POINTS = 40


def candles_before(
    instrument: Instrument, interval: str, *, before: int | None = None, limit: int = 500
) -> list[Candle]:
    """Closed candles that open before `before` (ms): the newest `limit` of them, ascending."""
    rows = Candle.objects.filter(instrument=instrument, interval=interval)
    if before is not None:
        rows = rows.filter(open_time__lt=before)
    return list(rows.order_by("-open_time")[:limit])[::-1]


def candle_row(candle: Candle) -> list[Any]:
    """Stream body of a candle: [t, o, h, l, c, v]; t in ms, the others decimal strings."""
    values = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [candle.open_time, *map(plain, values)]


def sparklines(instruments: Iterable[int], now_ms: int) -> dict[int, list[float]]:
    """Instrument id → at most 40 closing prices of the 24 h before `now_ms`, oldest first."""
    closes: dict[int, list[float]] = {}
    rows = Candle.objects.filter(
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
