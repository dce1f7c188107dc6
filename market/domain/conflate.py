"""Latest wins: many events in, one tick per changed instrument out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from market.domain.events import Candle, Context, Event, Mids, Quote, Trades

CHANGE_STEP = Decimal("0.0001")
TICK_KEYS = ("bid", "ask", "last", "mark", "change24h", "volume24h", "t")


class Conflator:
    """The current tick of every instrument, and which of them changed since the last `flush`.

    Symbols that were not announced by `instruments` are ignored. A newer time alone is no change.
    """

    def __init__(self) -> None:
        self._ticks: dict[str, dict[str, Any]] = {}
        self._previous_day: dict[str, Decimal] = {}
        self._guessed: set[str] = set()
        self._changed: set[str] = set()

    def instruments(self, symbols: Iterable[str]) -> None:
        """Those that may tick. Values of known ones are kept, those of others dropped."""
        symbols = set(symbols)
        for gone in self._ticks.keys() - symbols:
            del self._ticks[gone]
        for new in symbols - self._ticks.keys():
            self._ticks[new] = dict.fromkeys(TICK_KEYS)
            self._guessed.add(new)
        self._changed &= symbols

    def offer(self, event: Event) -> None:
        """Take a fact. Books, and candles other than 1m, do not make ticks."""
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
        """Whole ticks of the instruments that changed; then nothing is changed any more."""
        changed, self._changed = self._changed, set()
        return {symbol: self._with_change(symbol) for symbol in sorted(changed)}

    def volume(self, symbol: str) -> Decimal:
        """Quote volume of 24 hours; zero when unknown."""
        return Decimal((self._ticks.get(symbol) or {}).get("volume24h") or 0)

    def _context(self, context: Context) -> None:
        if context.symbol in self._ticks:
            self._previous_day[context.symbol] = Decimal(context.previous_day)
        self._set(context.symbol, mark=context.mark, volume24h=context.volume24h)

    def _last(self, symbol: str, price: str, time: int | None = None) -> None:
        self._guessed.discard(symbol)
        self._set(symbol, time, last=price)

    def _mids(self, mids: dict[str, str]) -> None:
        # Until the first trade is seen, the middle price stands in for the last one.
        for symbol in self._guessed & mids.keys():
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
        price, before = tick["last"] or tick["mark"], self._previous_day.get(symbol)
        if price and before:
            per_cent = (Decimal(price) / before - 1) * 100
            tick["change24h"] = plain(per_cent.quantize(CHANGE_STEP))
        return dict(tick)


def plain(number: Decimal) -> str:
    """A decimal without exponent: what venues write, and what browsers can compare."""
    return format(number, "f")
