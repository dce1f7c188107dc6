"""Closed candles as they are stored."""

from bots.sdk import Candle, Instrument, Needs
from market.domain.events import INTERVALS
from market.selectors import candles_before, instrument_get


def candles_stored(instrument: Instrument, needs: Needs) -> tuple[Candle, ...]:
    """The newest that the strategy asked for, oldest first."""
    row = instrument_get(instrument.venue, instrument.symbol)
    if row is None or needs.interval is None or not needs.candles:
        return ()
    return tuple(
        Candle(
            instrument.symbol, needs.interval, one.open_time, one.open, one.high, one.low, one.close,
            one.volume,
        )
        for one in candles_before(row, needs.interval, limit=needs.candles)
    )  # fmt: skip


def is_due(needs: Needs, last: int, now: int) -> bool:
    """Has a candle closed since the one that opened at `last` (ms)?"""
    return needs.interval is not None and now >= last + 2 * INTERVALS[needs.interval]
