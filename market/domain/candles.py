"""Candle aggregation: from trades to candles, from 1m candles to longer intervals, and gap detection."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from market.domain.events import INTERVALS, Candle, Trade

MINUTE = INTERVALS["1m"]
LONGER_INTERVALS = tuple(interval for interval in INTERVALS if interval != "1m")
MAX_PENDING = 3000
FINALIZE_DELAY = 5_000  # ms after the end of a minute during which a venue may still revise it
CLOCK_RESET_MS = 5 * MINUTE


def bucket(time: int, interval: str) -> int:
    """Open time (ms) of the candle that holds `time`."""
    return time - time % INTERVALS[interval]


def merged(earlier: Candle, later: Candle) -> Candle:
    """One candle from two adjacent parts of it."""
    return replace(
        earlier,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
    )


def candle_of_trades(trades: Iterable[Trade], interval: str, part: Candle | None = None) -> list[Candle]:
    """Aggregate trades (oldest first) into candles (oldest first); `part` is the candle to continue."""
    candles = [part] if part else []
    for trade in trades:
        price, opened = Decimal(trade.price), bucket(trade.time, interval)
        addition = Candle(trade.symbol, interval, opened, price, price, price, price, Decimal(trade.size))
        if candles and candles[-1].open_time == opened:
            candles[-1] = merged(candles[-1], addition)
        else:
            candles.append(addition)
    return candles


def gaps_filled(candles: Sequence[Candle], most: int) -> list[Candle]:
    """The newest `most` candles, with a flat one for each interval without trades between two of them.

    A flat candle has the last close in all prices and the volume 0. This is the one rule for gaps: charts, the API, the
    warm-up of bots and their live candles follow it. After the newest candle nothing is added: trades may be on their
    way.
    """
    filled: list[Candle] = []
    for index in range(len(candles) - 1, -1, -1):
        if len(filled) >= most:
            break
        filled.append(candles[index])
        if index:
            filled += _flat_between(candles[index - 1], candles[index], most - len(filled))
    return filled[:most][::-1]


def _flat_between(before: Candle, after: Candle, most: int) -> Iterator[Candle]:
    """Flat candles between two candles, newest first, at most so many."""
    width, close = INTERVALS[before.interval], before.close
    times = range(after.open_time - width, before.open_time, -width)
    for open_time in times[: max(0, most)]:
        yield replace(
            before, open_time=open_time, open=close, high=close, low=close, close=close, volume=Decimal(0)
        )


def first_gap(existing: Iterable[int], interval: str, start: int, end: int) -> int | None:
    """Open time (ms) of the first candle of [start, end) that is not in `existing`; None when complete."""
    width, present = INTERVALS[interval], set(existing)
    return next((t for t in range(bucket(start, interval), end, width) if t not in present), None)


class CandleAggregator:
    """Candle aggregator: the open candles of one instrument in all intervals, from its live 1m candle.

    It starts without history, and `gap` returns it to that state: closed minutes are queued until
    `backfill` supplies the minutes in between. `covered_since` is the time (ms) from which on every
    minute is present; a longer candle that began earlier is neither returned nor reported as closed.
    """

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._begin()

    def _begin(self) -> None:
        self._live: Candle | None = None
        self._folded_until = -1  # open time of the newest closed minute that is included
        self._covered_since: int | None = None
        self._backfilled = False
        self._pending: deque[Candle] = deque(maxlen=MAX_PENDING)
        self._parts: dict[str, Candle] = {}

    def live(self, minute: Candle) -> list[Candle]:
        """Apply an update of a 1m candle. Returns the candles of all intervals that are now closed."""
        newest = self._live.open_time if self._live else self._newest()
        if minute.open_time < newest - CLOCK_RESET_MS:
            self._begin()  # the venue's clock went back: a simulator was restarted
        elif minute.open_time < newest or (minute.open_time == newest and self._live is None):
            return [minute]  # a late revision of a closed minute
        closed = []
        if self._live and minute.open_time > self._live.open_time:
            closed = self._close_live()
        if self._backfilled:
            closed += self._ended(minute.open_time)
        self._live = minute
        return closed

    def finalize(self, now: int) -> list[Candle]:
        """Close the candles that ended before `now` (venue ms) without a later trade to show it."""
        closed: list[Candle] = []
        if self._live and now >= self._live.open_time + MINUTE + FINALIZE_DELAY:
            closed = self._close_live()
        if self._backfilled:
            closed += self._ended(now - FINALIZE_DELAY)
        return closed

    def gap(self) -> None:
        """Record a lost connection: minutes may be missing from now on, and the live one is incomplete."""
        self._backfilled = False
        self._live = None

    def backfill(self, minutes: Iterable[Candle], covered_since: int) -> list[Candle]:
        """Add 1m candles, oldest first, complete from `covered_since` (ms) on.

        Returns the longer candles that closed.
        """
        minutes = list(minutes)
        if minutes and minutes[-1].open_time < self._folded_until - CLOCK_RESET_MS:
            self._begin()
        if self._covered_since is None or covered_since > self._folded_until + MINUTE:
            self._parts.clear()
            self._covered_since, self._folded_until = (
                covered_since,
                max(self._folded_until, covered_since - MINUTE),
            )
        minutes_by_time = {minute.open_time: minute for minute in (*minutes, *self._pending)}
        if self._live:
            minutes_by_time = {
                time: minute for time, minute in minutes_by_time.items() if time < self._live.open_time
            }
        elif minutes_by_time:
            self._live = minutes_by_time.pop(max(minutes_by_time))
        self._pending.clear()
        self._backfilled = True
        return [closed for time in sorted(minutes_by_time) for closed in self._fold(minutes_by_time[time])]

    def open(self, interval: str) -> Candle | None:
        """The open candle of that interval; None when minutes of it are missing."""
        if interval == "1m" or self._live is None:
            return self._live if interval == "1m" else self._complete(self._parts.get(interval))
        opened = bucket(self._live.open_time, interval)
        part = self._parts.get(interval)
        if part and part.open_time == opened:
            return self._complete(merged(part, self._live))
        return self._complete(replace(self._live, interval=interval, open_time=opened))

    def _newest(self) -> int:
        return self._pending[-1].open_time if self._pending else self._folded_until

    def _complete(self, candle: Candle | None) -> Candle | None:
        if not self._backfilled or self._covered_since is None or candle is None:
            return None
        return candle if candle.open_time >= self._covered_since else None

    def _close_live(self) -> list[Candle]:
        assert self._live is not None
        minute, self._live = self._live, None
        if not self._backfilled:
            self._pending.append(minute)
            return [minute]
        return [minute, *self._fold(minute)]

    def _fold(self, minute: Candle) -> list[Candle]:
        if minute.open_time <= self._folded_until:
            return []
        closed = self._ended(minute.open_time)
        for interval in LONGER_INTERVALS:
            opened = bucket(minute.open_time, interval)
            part = self._parts.get(interval)
            addition = replace(minute, interval=interval, open_time=opened)
            self._parts[interval] = merged(part, addition) if part else addition
        self._folded_until = minute.open_time
        return closed + self._ended(minute.open_time + MINUTE)

    def _ended(self, now: int) -> list[Candle]:
        """Remove the parts that ended before `now`; returns the complete ones as closed candles."""
        ended = [i for i, part in self._parts.items() if part.open_time + INTERVALS[i] <= now]
        return [complete for i in ended if (complete := self._complete(self._parts.pop(i)))]
