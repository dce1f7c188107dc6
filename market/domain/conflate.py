"""Tick conflation (the latest value wins): many events in, one tick per changed instrument out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from market.domain.events import Candle, Context, Event, Mids, Quote, Trades

CHANGE_STEP = Decimal("0.0001")
TICK_KEYS = ("bid", "ask", "last", "mark", "change24h", "volume24h", "t")


class Conflator:
    """Conflator: the current tick of every instrument, and which of them changed since the last `flush`.

    Symbols that were not passed to `instruments` are ignored. A newer time alone is not a change.
    """

    def __init__(self) -> None:
        self._ticks: dict[str, dict[str, Any]] = {}
        self._previous_day: dict[str, Decimal] = {}
        self._without_trade: set[str] = set()
        self._changed: set[str] = set()

    def instruments(self, symbols: Iterable[str]) -> None:
        """Replace the set of symbols; ticks of symbols that remain are kept, the others dropped."""
        symbols = set(symbols)
        for removed in self._ticks.keys() - symbols:
            del self._ticks[removed]
        for added in symbols - self._ticks.keys():
            self._ticks[added] = dict.fromkeys(TICK_KEYS)
            self._without_trade.add(added)
        self._changed &= symbols

    def update(self, event: Event) -> None:
        """Apply an event. Books, and candles other than 1m, do not change ticks."""
        match event:
            case Quote(symbol, bid, ask, time):
                self._set(symbol, time, bid=bid, ask=ask)
            case Context():
                self._context(event)
            case Candle(symbol=symbol, interval="1m", close=close):
                self._last(symbol, plain(close))
            case Trades(symbol=symbol, trades=trades) if trades:
                self._last(symbol, trades[-1].price, trades[-1].time)
            case Mids(mids):
                self._mids(mids)

    def pending(self) -> bool:
        """True when `flush` would return something."""
        return bool(self._changed)

    def flush(self) -> dict[str, dict[str, Any]]:
        """Full ticks of the instruments that changed since the last call; clears the set of changes."""
        changed, self._changed = self._changed, set()
        return {symbol: self._with_change(symbol) for symbol in sorted(changed)}

    def volume(self, symbol: str) -> Decimal:
        """24-hour volume in quote units; zero when unknown."""
        return Decimal((self._ticks.get(symbol) or {}).get("volume24h") or 0)

    def _context(self, context: Context) -> None:
        if context.symbol in self._ticks:
            self._previous_day[context.symbol] = Decimal(context.previous_day)
        self._set(context.symbol, mark=context.mark, volume24h=context.volume24h)

    def _last(self, symbol: str, price: str, time: int | None = None) -> None:
        self._without_trade.discard(symbol)
        self._set(symbol, time, last=price)

    def _mids(self, mids: dict[str, str]) -> None:
        # Until the first trade arrives, the mid price is used as the last price.
        for symbol in self._without_trade & mids.keys():
            self._set(symbol, last=mids[symbol])

    def _set(self, symbol: str, time: int | None = None, **values: str | None) -> None:
        tick = self._ticks.get(symbol)
        if tick is None:
            return
        if any(tick[key] != value for key, value in values.items()):
            tick.update(values)
            self._changed.add(symbol)
        if time is not None and time > (tick["t"] or 0):
            tick["t"] = time

    def _with_change(self, symbol: str) -> dict[str, Any]:
        tick = self._ticks[symbol]
        price, day_ago = tick["last"] or tick["mark"], self._previous_day.get(symbol)
        if price and day_ago:
            change = (Decimal(price) / day_ago - 1) * 100
            tick["change24h"] = plain(change.quantize(CHANGE_STEP))
        return dict(tick)


def plain(number: Decimal) -> str:
    """A decimal without exponent: the format that venues send and browsers can compare."""
    return format(number, "f")
