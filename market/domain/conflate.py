"""Conflation of market data: latest ticks, the merged book, the trade tape."""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from operator import gt, lt
from typing import Any

from market.domain.events import Book, Candle, Context, Event, Level, Mids, Quote, Trade, Trades

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


MAX_TRADES = 2048


class Tape:
    """Trade tape. While paused (after a gap, until the missing trades arrive) live trades are buffered."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], None] = {}
        self._paused: deque[Trade] | None = None

    def pause(self) -> None:
        """Buffer live trades until `fill`."""
        if self._paused is None:
            self._paused = deque(maxlen=MAX_TRADES)

    def add(self, trades: Iterable[Trade]) -> list[Trade]:
        """Add live trades, oldest first. Returns those to publish now."""
        if self._paused is not None:
            self._paused.extend(trades)
            return []
        return self._fresh(trades)

    def fill(self, missing: Iterable[Trade]) -> list[Trade]:
        """Add the trades of the gap (none when unavailable). Returns them and the buffered ones by time."""
        paused, self._paused = self._paused or (), None
        # The sort is stable: trades of one millisecond keep the order in which the venue sent them.
        return self._fresh(sorted([*missing, *paused], key=lambda trade: trade.time))

    def _fresh(self, trades: Iterable[Trade]) -> list[Trade]:
        fresh = []
        for trade in trades:
            key = (trade.time, trade.id)
            if key not in self._seen:
                self._seen[key] = None
                fresh.append(trade)
        while len(self._seen) > MAX_TRADES:
            del self._seen[next(iter(self._seen))]
        return fresh


class BookMerger:
    """Book merger: stores the newest fast and the newest deep book of one instrument and combines them.

    The newer book defines the levels from the best price down to its own deepest price; the deep book
    supplies the levels below. Levels of the deep book that would cross the other side are omitted, so
    the result is never crossed when neither input is.
    """

    def __init__(self) -> None:
        self._deep: Book | None = None
        self._fast: Book | None = None

    def apply(self, book: Book) -> None:
        """Store a book; ignored when the stored book of the same depth is newer."""
        stored = self._fast if book.shallow else self._deep
        if stored and book.time < stored.time:
            return
        if book.shallow:
            self._fast = book
        else:
            self._deep = book

    def to_json(self) -> dict[str, Any] | None:
        """{"bids": [[px, sz]…], "asks": …, "t": ms}, best first; None before the first book."""
        deep, fast = self._deep, self._fast
        if deep and (not fast or fast.time <= deep.time):
            return _body(deep.bids, deep.asks, deep.time)
        if not fast:
            return None
        if not deep:
            return _body(fast.bids, fast.asks, fast.time)
        return _body(
            _below(fast.bids, deep.bids, fast.asks, lt),
            _below(fast.asks, deep.asks, fast.bids, gt),
            fast.time,
        )


def _body(bids: tuple[Level, ...], asks: tuple[Level, ...], time: int) -> dict[str, Any]:
    return {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks], "t": time}


def _below(
    fast: tuple[Level, ...],
    deep: tuple[Level, ...],
    opposite: tuple[Level, ...],
    worse: Callable[[Decimal, Decimal], bool],
) -> tuple[Level, ...]:
    """`fast` plus the levels of `deep` that are `worse` than its deepest price and the opposite best."""
    bounds = [Decimal(level[0]) for level in (*fast[-1:], *opposite[:1])]
    return fast + tuple(level for level in deep if all(worse(Decimal(level[0]), bound) for bound in bounds))
