"""Market data for bots: the newest usable tick, and stored candles."""

from typing import Any

from bots.sdk import Candle, Instrument, Tick
from core.formatting import decimal_parse
from market.selectors import candles_before, instrument_get
from wallets.selectors import Prices

STALE_MS = 10_000


def tick_read(prices: Prices, symbol: str) -> Tick | None:
    """The newest tick; None when a bot must not act on it: no price, a stale price, or a crossed book."""
    if prices.age is None or prices.age > STALE_MS:
        return None
    tick: dict[str, Any] = prices.ticks.get(symbol, {})
    bid, ask, last = (decimal_parse(tick.get(name)) for name in ("bid", "ask", "last"))
    if bid is None or ask is None or last is None or not 0 < bid < ask:
        return None
    return Tick(int(tick.get("t") or 0), bid, ask, last, decimal_parse(tick.get("mark")))


def candles_stored(instrument: Instrument, interval: str, count: int) -> tuple[Candle, ...]:
    """The newest `count` closed candles, oldest first."""
    row = instrument_get(instrument.venue, instrument.symbol)
    if row is None:
        return ()
    return tuple(candles_before(row, interval, limit=count))
