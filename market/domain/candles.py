"""Candles folded from shorter ones and from trades, and which of them are missing."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from market.domain.events import INTERVALS, Candle, Trade

MINUTE = INTERVALS["1m"]
LONGER = tuple(interval for interval in INTERVALS if interval != "1m")
WAITING_KEPT = 3000
SETTLE_AFTER = 5_000  # a venue may still revise a minute this long (ms) after its end
REWOUND = 5 * MINUTE


def bucket(time: int, interval: str) -> int:
    """Open time (ms) of the candle that holds `time`."""
    return time - time % INTERVALS[interval]


def merged(earlier: Candle, later: Candle) -> Candle:
    """Two adjacent parts of one candle."""
    return replace(
        earlier,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
    )


def candle_of_trades(trades: Iterable[Trade], interval: str, part: Candle | None = None) -> list[Candle]:
    """Fold trades, oldest first, into candles, oldest first; `part` is the candle to continue."""
    candles = [part] if part else []
    for trade in trades:
        price, opened = Decimal(trade.price), bucket(trade.time, interval)
        single = Candle(trade.symbol, interval, opened, price, price, price, price, Decimal(trade.size))
        if candles and candles[-1].open_time == opened:
            candles[-1] = merged(candles[-1], single)
        else:
            candles.append(single)
    return candles


def first_gap(have: Iterable[int], interval: str, start: int, end: int) -> int | None:
    """Open time of the first candle of [start, end) that is not in `have`; None when all are there."""
    width = INTERVALS[interval]
    known = set(have)
    return next((t for t in range(bucket(start, interval), end, width) if t not in known), None)


class Fold:
    """The open candles of one instrument in all intervals, from its live 1m candle.

    It starts, and after `gap` continues, *unhealed*: minutes that close are kept waiting until `heal`
    brings those in between. `covers` is the time from which on it knows every minute; a longer candle
    that began before is neither shown nor reported as closed.
    """

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._begin()

    def _begin(self) -> None:
        self._live: Candle | None = None
        self._upto = -1  # open time of the newest closed minute that is folded in
        self._covers: int | None = None
        self._healed = False
        self._waiting: deque[Candle] = deque(maxlen=WAITING_KEPT)
        self._parts: dict[str, Candle] = {}

    def live(self, minute: Candle) -> list[Candle]:
        """The venue's newest word on a 1m candle. Returns candles that are now closed, of all intervals."""
        newest = self._live.open_time if self._live else self._newest()
        if minute.open_time < newest - REWOUND:
            self._begin()  # the venue's clock went back: a simulator was started again
        elif minute.open_time < newest or (minute.open_time == newest and self._live is None):
            return [minute]  # a late word on a minute that is closed already
        closed = []
        if self._live and minute.open_time > self._live.open_time:
            closed = self._close_live()
        if self._healed:
            closed += self._ended(minute.open_time)
        self._live = minute
        return closed

    def settle(self, now: int) -> list[Candle]:
        """Close what ended before `now` (venue ms) though no later trade proved it."""
        closed: list[Candle] = []
        if self._live and now >= self._live.open_time + MINUTE + SETTLE_AFTER:
            closed = self._close_live()
        if self._healed:
            closed += self._ended(now - SETTLE_AFTER)
        return closed

    def gap(self) -> None:
        """The connection was lost: minutes may be missing from here on, and the live one is unfinished."""
        self._healed = False
        self._live = None

    def heal(self, minutes: Iterable[Candle], covers: int) -> list[Candle]:
        """Minutes, oldest first, complete from `covers` (ms) on. Returns longer candles that closed."""
        minutes = list(minutes)
        if minutes and minutes[-1].open_time < self._upto - REWOUND:
            self._begin()
        if self._covers is None or covers > self._upto + MINUTE:
            self._parts.clear()
            self._covers, self._upto = covers, max(self._upto, covers - MINUTE)
        known = {minute.open_time: minute for minute in (*minutes, *self._waiting)}
        if self._live:
            known = {time: minute for time, minute in known.items() if time < self._live.open_time}
        elif known:
            self._live = known.pop(max(known))
        self._waiting.clear()
        self._healed = True
        return [closed for time in sorted(known) for closed in self._fold(known[time])]

    def open(self, interval: str) -> Candle | None:
        """The candle of that interval as it is now; None when it is not wholly known."""
        if interval == "1m" or self._live is None:
            return self._live if interval == "1m" else self._whole(self._parts.get(interval))
        opened = bucket(self._live.open_time, interval)
        part = self._parts.get(interval)
        if part and part.open_time == opened:
            return self._whole(merged(part, self._live))
        return self._whole(replace(self._live, interval=interval, open_time=opened))

    def _newest(self) -> int:
        return self._waiting[-1].open_time if self._waiting else self._upto

    def _whole(self, candle: Candle | None) -> Candle | None:
        known = self._healed and self._covers is not None and candle and candle.open_time >= self._covers
        return candle if known else None

    def _close_live(self) -> list[Candle]:
        assert self._live is not None
        minute, self._live = self._live, None
        if not self._healed:
            self._waiting.append(minute)
            return [minute]
        return [minute, *self._fold(minute)]

    def _fold(self, minute: Candle) -> list[Candle]:
        if minute.open_time <= self._upto:
            return []
        closed = self._ended(minute.open_time)
        for interval in LONGER:
            opened = bucket(minute.open_time, interval)
            part = self._parts.get(interval)
            single = replace(minute, interval=interval, open_time=opened)
            self._parts[interval] = merged(part, single) if part else single
        self._upto = minute.open_time
        return closed + self._ended(minute.open_time + MINUTE)

    def _ended(self, now: int) -> list[Candle]:
        """Take out the parts whose time is over; those that are whole are closed candles."""
        over = [i for i, part in self._parts.items() if part.open_time + INTERVALS[i] <= now]
        return [whole for i in over if (whole := self._whole(self._parts.pop(i)))]
