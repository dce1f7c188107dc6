"""Candles in price units and lots: time buckets, aggregation, and the tape of recent one-minute candles."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple, Protocol

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
INTERVALS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR,
    "1d": DAY, "3d": 3 * DAY, "1w": 7 * DAY, "1M": 31 * DAY,
}  # fmt: skip
MAX_SNAPSHOT = 5000
TAPE_RETENTION = DAY


class Bar(NamedTuple):
    """Candle: open time in ms, prices in units, volume in lots, number of trades."""

    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


class History(Protocol):
    """Deterministic price history since `start`: the same interval always gives the same bar."""

    start: int

    def span(self, begin: int, end: int) -> Bar:
        """The bar of [begin, end): exact, for intervals of a few minutes at most."""
        ...

    def coarse(self, begin: int, end: int) -> Bar:
        """The bar of a long interval at low cost: open and close exact, high and low approximate."""
        ...


def fold(bars: Iterable[Bar]) -> Bar:
    """Aggregate consecutive bars into one; there must be at least one."""
    time, opened, high, low, close, volume, trades = next(iterator := iter(bars))
    for bar in iterator:
        high, low = max(high, bar.high), min(low, bar.low)
        close, volume, trades = bar.close, volume + bar.volume, trades + bar.trades
    return Bar(time, opened, high, low, close, volume, trades)


def bucket(interval: str, time: int) -> tuple[int, int]:
    """Begin and end (ms) of the interval that contains `time`. Months are UTC calendar months."""
    if interval != "1M":
        length = INTERVALS[interval]
        return time - time % length, time - time % length + length
    day = datetime.fromtimestamp(time / 1000, UTC)
    begin = datetime(day.year, day.month, 1, tzinfo=UTC)
    end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    return int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000


def _buckets(interval: str, first: int, last: int) -> list[tuple[int, int]]:
    """The buckets from the one that contains `first` to the one that contains `last`; the newest 5000."""
    if interval != "1M":
        length = INTERVALS[interval]
        first = max(first, last - (MAX_SNAPSHOT - 1) * length)
    edges = [bucket(interval, first)[0]]
    while edges[-1] <= last:
        edges.append(bucket(interval, edges[-1])[1])
    return list(pairwise(edges))


class Tape:
    """Tape: traded one-minute candles of the last day; older candles are computed from the history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._minutes: dict[int, Bar] = {}
        self._at = 0
        self._before: dict[str, tuple[int, int, Bar | None]] = {}  # the open bars without the current minute

    def roll(self, now: int) -> None:
        """Begin the minute of `now` if it is new: a minute without trades is a flat bar, not a gap.

        Minutes in which the simulator was not running are computed from the history.
        """
        minute = now - now % MINUTE
        if minute <= self._at:
            return
        if self._at == minute - MINUTE:
            close = self._minutes[self._at].close
            self._minutes[minute] = Bar(minute, close, close, close, close, 0, 0)
        else:
            self._finish()
            self._minutes[minute] = self._history.span(minute, now + 1)
        self._at = minute
        self._forget(minute - TAPE_RETENTION)

    def _finish(self) -> None:
        """Complete a minute that was interrupted by a pause with the price path of its remainder."""
        if partial := self._minutes.get(self._at):
            rest = self._history.span(self._at, self._at + MINUTE)._replace(volume=0, trades=0)
            self._minutes[self._at] = fold((partial, rest))

    def _forget(self, before: int) -> None:
        while (oldest := next(iter(self._minutes))) < before:
            del self._minutes[oldest]

    def trade(self, price: int, lots: int) -> None:
        """Add a trade to the current minute."""
        _, opened, high, low, _, volume, trades = self._minutes[self._at]
        self._minutes[self._at] = Bar(
            self._at, opened, max(high, price), min(low, price), price, volume + lots, trades + 1
        )

    def restore(self, minutes: Iterable[Bar]) -> None:
        """Load the `minutes` saved by an earlier process."""
        self._minutes = {bar.time: bar for bar in minutes}
        self._at = max(self._minutes, default=0)

    def minutes(self) -> Iterator[Bar]:
        """The minutes to be saved for a restart."""
        return iter(self._minutes.values())

    def bar(self, interval: str, now: int) -> Bar:
        """The bar of `interval` that is open now."""
        begin = bucket(interval, now)[0]
        minute = now - now % MINUTE
        if self._before.get(interval, (0, 0))[:2] != (begin, minute):
            partial = self._bar(begin, minute, minute - 1) if begin < minute else None
            self._before[interval] = (begin, minute, partial)
        partial = self._before[interval][2]
        current = self._minute(minute)
        return fold((partial, current)) if partial else current

    def snapshot(self, interval: str, start: int, end: int, now: int) -> list[Bar]:
        """The bars that begin in or overlap [start, end], oldest first, the newest 5000."""
        start, end = max(start, self._history.start), min(end, now)
        if start > end:
            return []
        return [self._bar(begin, stop, now) for begin, stop in _buckets(interval, start, end)]

    def _bar(self, begin: int, end: int, now: int) -> Bar:
        if end <= now - TAPE_RETENTION:
            return self._history.coarse(max(begin, self._history.start), end)._replace(time=begin)
        stop = min(end, now + 1)
        if end - begin > DAY:
            return fold(self._bar(day, day + DAY, now) for day in range(begin, stop, DAY))
        return fold(self._minute(minute) for minute in range(begin, stop, MINUTE))

    def _minute(self, minute: int) -> Bar:
        return self._minutes.get(minute) or self._history.span(minute, minute + MINUTE)
