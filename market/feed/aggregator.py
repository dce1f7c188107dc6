"""What one venue said so far, and what the publisher and PostgreSQL should hear of it.

Synchronous and fast: it is called for every event. It holds the pure cores (`conflate`, `book`,
`candles`, `tape`) of one venue, and knows which topics somebody watches.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from market.domain.book_merge import BookMerger
from market.domain.candles import Fold
from market.domain.conflate import Conflator, plain
from market.domain.events import Book, Candle, Event, Quote, Trade, Trades
from market.domain.instruments import Instrument
from market.domain.subscriptions import Subscription
from market.domain.tape import Tape
from market.domain.topics import TopicName, UnknownTopic, topic_parse
from market.hub import Publisher

logger = logging.getLogger(__name__)

LATE_AFTER, DOWN_AFTER = 3.0, 10.0
UNSTORED_KEPT = 200_000


def candle_body(candle: Candle) -> list[Any]:
    """[t, o, h, l, c, v] as topics carry it."""
    prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [candle.open_time, *map(plain, prices)]


def trade_body(trade: Trade) -> list[Any]:
    """[px, sz, side, t, id] as topics carry it."""
    return [trade.price, trade.size, trade.side, trade.time, trade.id]


class Desk:
    """A `market.venues.base.Sink`."""

    def __init__(
        self, publisher: Publisher, *, store_trades: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.venue = publisher.venue
        self.resumed = asyncio.Event()  # a connection was opened: what is in between was missed
        self.refill = asyncio.Event()  # `to_refill` is not empty
        self.to_refill: set[str] = set()
        self.symbols: list[str] = []  # trading, most traded first
        self._publisher = publisher
        self._store_trades = store_trades
        self._clock = clock
        self._frame_at = clock()
        self._connections = 0
        self._venue_ms: int | None = None
        self._ticks = Conflator()
        self._folds: dict[str, Fold] = {}
        self._books: dict[str, BookMerger] = {}
        self._tapes: dict[str, Tape] = {}
        self._watched: dict[str, TopicName] = {}
        self._moved: set[str] = set()  # symbols whose book moved
        self._grew: set[str] = set()  # symbols whose candle moved
        self._closed: dict[tuple[str, str, int], Candle] = {}
        self._unstored: list[Trade] = []
        self._printed = False  # trades are offered as they come

    # --- Sink ----------------------------------------------------------------------------------
    def connected(self) -> None:
        self._connections += 1
        self.resumed.set()
        for tape in self._tapes.values():
            tape.hold()
        self._refill_trades(self._tapes)

    def disconnected(self, reason: str) -> None:
        self._connections -= 1
        self._venue_ms = None  # a simulator may come back at another time of its market
        for fold in self._folds.values():
            fold.gap()
        for tape in self._tapes.values():
            tape.hold()

    def event(self, event: Event) -> None:
        self._frame_at = self._clock()
        self._ticks.offer(event)
        if isinstance(event, Quote):
            self._venue_ms = event.time
        elif isinstance(event, Candle):
            self._candle(event)
        elif isinstance(event, Book):
            self._book(event)
        elif isinstance(event, Trades):
            self._trades(event)

    # --- what there is and who looks ---------------------------------------------------------------
    def announce(self, instruments: Iterable[Instrument]) -> None:
        """The instruments of the venue; those that trade get ticks, candles and topics."""
        symbols = [instrument.symbol for instrument in instruments if instrument.trading]
        if self._connections and self._folds.keys() != set(symbols):
            self.resumed.set()  # the new ones have no history yet
        self._ticks.instruments(symbols)
        self._folds = {symbol: self._folds.get(symbol) or Fold(symbol) for symbol in symbols}
        self._publisher.symbols(symbols)
        self.symbols = symbols
        if self._store_trades:
            for symbol in set(symbols) - self._tapes.keys():
                self._tapes[symbol] = Tape()
                self._tapes[symbol].hold()
                self._refill_trades([symbol])

    def rank(self) -> None:
        """Put the most traded first: they are the last to be dropped, and the first to get history."""
        self.symbols.sort(key=self._ticks.volume, reverse=True)

    def watch(self, topics: Iterable[str]) -> bool:
        """Somebody looks at exactly these topics. True when that changes what to subscribe to."""
        watched = {name.text: name for name in map(self._known, topics) if name}
        gone, new = self._watched.keys() - watched.keys(), watched.keys() - self._watched.keys()
        before, self._watched = self._watched, watched
        for topic in gone:
            self._leave(before[topic])
        for topic in new:
            self._join(watched[topic])
        return bool(gone or new)

    def _known(self, topic: str) -> TopicName | None:
        try:
            name = topic_parse(topic)
        except UnknownTopic:
            return None
        return name if name.symbol in self._folds else None

    def _join(self, name: TopicName) -> None:
        symbol = str(name.symbol)
        if name.kind == "trades":
            self._tapes.setdefault(symbol, Tape()).hold()
            self._refill_trades([symbol])
        elif name.kind == "candles":
            self._grew.add(symbol)

    def _leave(self, name: TopicName) -> None:
        symbol = str(name.symbol)
        self._publisher.forget(name.text)
        if name.kind == "book":
            self._books.pop(symbol, None)
            self._moved.discard(symbol)
        elif name.kind == "trades" and not self._store_trades:
            self._tapes.pop(symbol, None)

    def _refill_trades(self, symbols: Iterable[str]) -> None:
        self.to_refill.update(symbols)
        if self.to_refill:
            self.refill.set()

    def is_watched(self, symbol: str) -> bool:
        """True when somebody looks at this very instrument."""
        return any(name.symbol == symbol for name in self._watched.values())

    def subscriptions(self) -> list[Subscription]:
        """What we want of the venue, the most important first."""
        wanted = [Subscription("mids")]
        for name in self._watched.values():
            symbol = str(name.symbol)
            if name.kind == "book":
                wanted += [Subscription("fast_book", symbol), Subscription("book", symbol)]
            elif name.kind == "trades":
                wanted.append(Subscription("trades", symbol))
        wanted += [Subscription("quote", symbol) for symbol in self.symbols]
        wanted += [Subscription("context", symbol) for symbol in self.symbols]
        wanted += [Subscription("candle", symbol, "1m") for symbol in self.symbols]
        if self._store_trades:
            wanted += [Subscription("trades", symbol) for symbol in self.symbols]
        return wanted

    # --- events ----------------------------------------------------------------------------------
    def _candle(self, candle: Candle) -> None:
        fold = self._folds.get(candle.symbol)
        if fold and candle.interval == "1m":
            self._close(fold.live(candle))
            self._grew.add(candle.symbol)

    def _book(self, book: Book) -> None:
        if f"book.{self.venue}.{book.symbol}" in self._watched:
            self._books.setdefault(book.symbol, BookMerger()).apply(book)
            self._moved.add(book.symbol)

    def _trades(self, event: Trades) -> None:
        if tape := self._tapes.get(event.symbol):
            self._print(event.symbol, tape.take(event.trades))

    def fill(self, symbol: str, missing: Iterable[Trade]) -> None:
        """The venue's newest trades after a gap (none when they could not be had)."""
        if tape := self._tapes.get(symbol):
            self._print(symbol, tape.fill(missing))

    def _print(self, symbol: str, trades: list[Trade]) -> None:
        if trades and f"trades.{self.venue}.{symbol}" in self._watched:
            self._publisher.offer_trades(symbol, map(trade_body, trades))
            self._printed = True
        if self._store_trades:
            self._unstored = (self._unstored + trades)[-UNSTORED_KEPT:]

    def heal(self, symbol: str, minutes: Iterable[Candle], covers: int) -> None:
        """1m candles, oldest first, complete from `covers` (ms) on."""
        if fold := self._folds.get(symbol):
            self._close(fold.heal(minutes, covers))
            self._grew.add(symbol)

    def settle(self) -> None:
        """Close candles whose time is over though nothing traded since."""
        for fold in self._folds.values():
            self._close(fold.settle(self.venue_now()))

    def _close(self, candles: Iterable[Candle]) -> None:
        for candle in candles:
            self._closed[candle.symbol, candle.interval, candle.open_time] = candle

    # --- what goes out -----------------------------------------------------------------------------
    def offer(self) -> bool:
        """Hand the publisher what changed. True when there was something."""
        moved, self._moved = self._moved, set()
        grew, self._grew = self._grew, set()
        ticks = self._ticks.flush()
        if ticks:
            self._publisher.offer_ticks(ticks)
        for symbol in moved:
            if body := self._books[symbol].body():
                self._publisher.offer_book(symbol, body)
        for name in self._watched.values():
            if name.kind == "candles" and name.symbol in grew:
                self._offer_candle(name.symbol, str(name.interval))
        printed, self._printed = self._printed, False
        return bool(ticks or moved or grew or printed)

    def _offer_candle(self, symbol: str, interval: str) -> None:
        fold = self._folds.get(symbol)
        if fold and (candle := fold.open(interval)):
            self._publisher.offer_candle(symbol, interval, candle_body(candle))

    def take_closed(self) -> list[Candle]:
        """Closed candles to store; give them back when that fails."""
        closed, self._closed = self._closed, {}
        return list(closed.values())

    def take_trades(self) -> list[Trade]:
        """Trades to store; give them back when that fails."""
        trades, self._unstored = self._unstored, []
        return trades

    def give_back(self, candles: list[Candle], trades: list[Trade]) -> None:
        """They could not be stored. Later words win; the oldest go when there are too many."""
        closed, self._closed = self._closed, {}
        self._close(candles[-UNSTORED_KEPT:])
        self._closed |= closed
        self._unstored = (trades + self._unstored)[-UNSTORED_KEPT:]

    # --- how it is ---------------------------------------------------------------------------------
    def venue_now(self) -> int:
        """The venue's time in ms: that of its newest quote, else ours."""
        return self._venue_ms if self._venue_ms is not None else int(time.time() * 1000)

    def status(self) -> tuple[str, int]:
        """live, late or down, and the age of the newest frame in ms."""
        age = self._clock() - self._frame_at
        if not self._connections or age >= DOWN_AFTER:
            return "down", int(age * 1000)
        return ("late" if age >= LATE_AFTER else "live"), int(age * 1000)
