"""Feed aggregator: turns the events of one venue into ticks, books, candles and trades.

It is synchronous and fast, because it is called for every event. It holds the pure cores (`conflate`,
`book_merge`, `candles`, `tape`) of one venue and the set of watched topics; its outputs go to the publisher
and to PostgreSQL.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from market.domain.candles import CandleAggregator
from market.domain.conflate import BookMerger, Conflator, Tape, plain
from market.domain.events import Book, Candle, Event, Quote, Trade, Trades
from market.domain.instruments import Instrument
from market.domain.subscriptions import Subscription
from market.domain.topics import TopicName, UnknownTopic, topic_parse
from market.hub import Publisher

logger = logging.getLogger(__name__)

LATE_AFTER, DOWN_AFTER = 3.0, 10.0
MAX_UNSTORED = 200_000


def candle_body(candle: Candle) -> list[Any]:
    """Stream body of a candle: [t, o, h, l, c, v]."""
    prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [candle.open_time, *map(plain, prices)]


def trade_body(trade: Trade) -> list[Any]:
    """Stream body of a trade: [px, sz, side, t, id]."""
    return [trade.price, trade.size, trade.side, trade.time, trade.id]


class FeedAggregator:
    """Feed aggregator of one venue; implements `market.venues.base.FeedListener`."""

    def __init__(
        self, publisher: Publisher, *, store_trades: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.venue = publisher.venue
        self.resumed = asyncio.Event()  # a connection was opened; data since the previous one is missing
        self.refill = asyncio.Event()  # `to_refill` is not empty
        self.to_refill: set[str] = set()
        self.symbols: list[str] = []  # trading symbols, highest volume first
        self._publisher = publisher
        self._store_trades = store_trades
        self._clock = clock
        self._frame_at = clock()
        self._connections = 0
        self._venue_ms: int | None = None
        self._ticks = Conflator()
        self._aggregators: dict[str, CandleAggregator] = {}
        self._books: dict[str, BookMerger] = {}
        self._tapes: dict[str, Tape] = {}
        self._watched: dict[str, TopicName] = {}
        self._changed_books: set[str] = set()  # symbols with a changed book
        self._changed_candles: set[str] = set()  # symbols with a changed candle
        self._closed: dict[tuple[str, str, int], Candle] = {}
        self._unstored: list[Trade] = []
        self._trades_queued = False  # trades were queued since the last `offer`

    # --- FeedListener --------------------------------------------------------------------------
    def connected(self) -> None:
        self._connections += 1
        self.resumed.set()
        for tape in self._tapes.values():
            tape.pause()
        self._refill_trades(self._tapes)

    def disconnected(self, reason: str) -> None:
        self._connections -= 1
        self._venue_ms = None  # a simulator may restart at another market time
        for candles in self._aggregators.values():
            candles.gap()
        for tape in self._tapes.values():
            tape.pause()

    def event(self, event: Event) -> None:
        self._frame_at = self._clock()
        self._ticks.update(event)
        if isinstance(event, Quote):
            self._venue_ms = event.time
        elif isinstance(event, Candle):
            self._candle(event)
        elif isinstance(event, Book):
            self._book(event)
        elif isinstance(event, Trades):
            self._trades(event)

    # --- instruments and watched topics ------------------------------------------------------------
    def announce(self, instruments: Iterable[Instrument]) -> None:
        """Set the instruments of the venue; those that are trading get ticks, candles and topics."""
        symbols = [instrument.symbol for instrument in instruments if instrument.trading]
        if self._connections and self._aggregators.keys() != set(symbols):
            self.resumed.set()  # the added symbols have no history yet
        self._ticks.instruments(symbols)
        self._aggregators = {
            symbol: self._aggregators.get(symbol) or CandleAggregator(symbol) for symbol in symbols
        }
        self._publisher.symbols(symbols)
        self.symbols = symbols
        if self._store_trades:
            for symbol in set(symbols) - self._tapes.keys():
                self._tapes[symbol] = Tape()
                self._tapes[symbol].pause()
                self._refill_trades([symbol])

    def rank(self) -> None:
        """Sort symbols by volume: the highest are dropped last and backfilled first."""
        self.symbols.sort(key=self._ticks.volume, reverse=True)

    def watch(self, topics: Iterable[str]) -> bool:
        """Set the watched topics. Returns True when the subscriptions change."""
        watched = {name.text: name for name in map(self._parse_known, topics) if name}
        removed, added = self._watched.keys() - watched.keys(), watched.keys() - self._watched.keys()
        previous, self._watched = self._watched, watched
        for topic in removed:
            self._unwatch(previous[topic])
        for topic in added:
            self._start_watching(watched[topic])
        return bool(removed or added)

    def _parse_known(self, topic: str) -> TopicName | None:
        try:
            name = topic_parse(topic)
        except UnknownTopic:
            return None
        return name if name.symbol in self._aggregators else None

    def _start_watching(self, name: TopicName) -> None:
        symbol = str(name.symbol)
        if name.kind == "trades":
            self._tapes.setdefault(symbol, Tape()).pause()
            self._refill_trades([symbol])
        elif name.kind == "candles":
            self._changed_candles.add(symbol)

    def _unwatch(self, name: TopicName) -> None:
        symbol = str(name.symbol)
        self._publisher.forget(name.text)
        if name.kind == "book":
            self._books.pop(symbol, None)
            self._changed_books.discard(symbol)
        elif name.kind == "trades" and not self._store_trades:
            self._tapes.pop(symbol, None)

    def _refill_trades(self, symbols: Iterable[str]) -> None:
        self.to_refill.update(symbols)
        if self.to_refill:
            self.refill.set()

    def is_watched(self, symbol: str) -> bool:
        """True when a topic of this instrument is watched."""
        return any(name.symbol == symbol for name in self._watched.values())

    def subscriptions(self) -> list[Subscription]:
        """Desired subscriptions at the venue, the most important first."""
        subscriptions = [Subscription("mids")]
        for name in self._watched.values():
            symbol = str(name.symbol)
            if name.kind == "book":
                subscriptions += [Subscription("fast_book", symbol), Subscription("book", symbol)]
            elif name.kind == "trades":
                subscriptions.append(Subscription("trades", symbol))
        subscriptions += [Subscription("quote", symbol) for symbol in self.symbols]
        subscriptions += [Subscription("context", symbol) for symbol in self.symbols]
        subscriptions += [Subscription("candle", symbol, "1m") for symbol in self.symbols]
        if self._store_trades:
            subscriptions += [Subscription("trades", symbol) for symbol in self.symbols]
        return subscriptions

    # --- events ----------------------------------------------------------------------------------
    def _candle(self, candle: Candle) -> None:
        candles = self._aggregators.get(candle.symbol)
        if candles and candle.interval == "1m":
            self._close(candles.live(candle))
            self._changed_candles.add(candle.symbol)

    def _book(self, book: Book) -> None:
        if f"book.{self.venue}.{book.symbol}" in self._watched:
            self._books.setdefault(book.symbol, BookMerger()).apply(book)
            self._changed_books.add(book.symbol)

    def _trades(self, event: Trades) -> None:
        if tape := self._tapes.get(event.symbol):
            self._queue_trades(event.symbol, tape.add(event.trades))

    def fill(self, symbol: str, missing: Iterable[Trade]) -> None:
        """Add the venue's newest trades after a gap (none when they are unavailable)."""
        if tape := self._tapes.get(symbol):
            self._queue_trades(symbol, tape.fill(missing))

    def _queue_trades(self, symbol: str, trades: list[Trade]) -> None:
        if trades and f"trades.{self.venue}.{symbol}" in self._watched:
            self._publisher.queue_trades(symbol, map(trade_body, trades))
            self._trades_queued = True
        if self._store_trades:
            self._unstored = (self._unstored + trades)[-MAX_UNSTORED:]

    def backfill_candles(self, symbol: str, minutes: Iterable[Candle], covered_since: int) -> None:
        """Add 1m candles, oldest first, complete from `covered_since` (ms) on."""
        if candles := self._aggregators.get(symbol):
            self._close(candles.backfill(minutes, covered_since))
            self._changed_candles.add(symbol)

    def settle(self) -> None:
        """Close the candles that ended without a later trade."""
        for candles in self._aggregators.values():
            self._close(candles.finalize(self.venue_now()))

    def _close(self, candles: Iterable[Candle]) -> None:
        for candle in candles:
            self._closed[candle.symbol, candle.interval, candle.open_time] = candle

    # --- outputs -----------------------------------------------------------------------------------
    def offer(self) -> bool:
        """Queue all changes at the publisher. Returns True when there were any."""
        changed_books, self._changed_books = self._changed_books, set()
        changed_candles, self._changed_candles = self._changed_candles, set()
        ticks = self._ticks.flush()
        if ticks:
            self._publisher.queue_ticks(ticks)
        for symbol in changed_books:
            if body := self._books[symbol].to_json():
                self._publisher.queue_book(symbol, body)
        for name in self._watched.values():
            if name.kind == "candles" and name.symbol in changed_candles:
                self._offer_candle(name.symbol, str(name.interval))
        trades_queued, self._trades_queued = self._trades_queued, False
        return bool(ticks or changed_books or changed_candles or trades_queued)

    def _offer_candle(self, symbol: str, interval: str) -> None:
        candles = self._aggregators.get(symbol)
        if candles and (candle := candles.open(interval)):
            self._publisher.queue_candle(symbol, interval, candle_body(candle))

    def pop_closed(self) -> list[Candle]:
        """Closed candles to store; return them with `restore_unstored` when that fails."""
        closed, self._closed = self._closed, {}
        return list(closed.values())

    def pop_trades(self) -> list[Trade]:
        """Trades to store; return them with `restore_unstored` when that fails."""
        trades, self._unstored = self._unstored, []
        return trades

    def restore_unstored(self, candles: list[Candle], trades: list[Trade]) -> None:
        """Take back rows that could not be stored. Newer values win; the oldest are dropped over the maximum."""
        closed, self._closed = self._closed, {}
        self._close(candles[-MAX_UNSTORED:])
        self._closed |= closed
        self._unstored = (trades + self._unstored)[-MAX_UNSTORED:]

    # --- status ------------------------------------------------------------------------------------
    def venue_now(self) -> int:
        """The venue's time in ms: that of its newest quote, else the local time."""
        return self._venue_ms if self._venue_ms is not None else int(time.time() * 1000)

    def status(self) -> tuple[str, int]:
        """Status (live, late or down) and the age of the newest frame in ms."""
        age = self._clock() - self._frame_at
        if not self._connections or age >= DOWN_AFTER:
            return "down", int(age * 1000)
        return ("late" if age >= LATE_AFTER else "live"), int(age * 1000)
