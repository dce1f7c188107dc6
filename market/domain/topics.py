"""Stream topics: names, classes, and the state of each class on both the write and the read side.

Every topic has one writer, an `epoch` and a `seq` that increases by one per update. Beside its value a
topic stores the `seq` at which each part last changed, so that the update from *any* earlier `seq` is one
pass over the value. Conflation, slow clients and new subscribers rely on that.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from market.domain.events import INTERVALS

MAX_LOG_ITEMS = 512
MAX_TOMBSTONES = 512
VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
SYMBOL = re.compile(r"[A-Za-z0-9@/:._-]{1,60}")


class UnknownTopic(ValueError):
    """The text is not a valid topic name."""


class TopicClass(Enum):
    """Delivery semantics of a topic."""

    STATE = "state"  # the latest value wins; updates hold the changed keys only
    VALUE = "value"  # the latest value wins; updates hold the full value
    BOOK = "book"  # price levels with absolute sizes; updates can be merged
    LOG = "log"  # every item, in order, recoverable


@dataclass(frozen=True, slots=True)
class TopicName:
    """A parsed topic name. `venue` is None for `venues` and `me`."""

    text: str
    kind: str
    cls: TopicClass
    venue: str | None = None
    symbol: str | None = None
    interval: str | None = None


_PER_INSTRUMENT = {"book": TopicClass.BOOK, "trades": TopicClass.LOG}


def topic_parse(text: str) -> TopicName:
    """Parse `ticks.<venue>`, `book.<venue>.<symbol>`, `trades.…`, `candles.….<interval>`, `venues` or `me`.

    A symbol may contain dots. Raises `UnknownTopic`.
    """
    if text == "venues":
        return TopicName(text, text, TopicClass.STATE)
    if text == "me":
        return TopicName(text, text, TopicClass.LOG)
    kind, _, rest = text.partition(".")
    venue, _, symbol = rest.partition(".")
    if VENUE_NAME.fullmatch(venue):
        if kind == "ticks" and not symbol:
            return TopicName(text, kind, TopicClass.STATE, venue)
        if kind in _PER_INSTRUMENT and SYMBOL.fullmatch(symbol):
            return TopicName(text, kind, _PER_INSTRUMENT[kind], venue, symbol)
        symbol, _, interval = symbol.rpartition(".")
        if kind == "candles" and interval in INTERVALS and SYMBOL.fullmatch(symbol):
            return TopicName(text, kind, TopicClass.VALUE, venue, symbol, interval)
    raise UnknownTopic(text)


class StateTopic:
    """State of a STATE topic: a map of keys to values. A delta contains the changed keys."""

    def __init__(self) -> None:
        self._seq_of: dict[str, int] = {}
        self._values: dict[str, Any] = {}

    def apply(self, seq: int, body: Mapping[str, Any]) -> None:
        for key, value in body.items():
            self._values[key] = value
            self._seq_of[key] = seq

    def since(self, seq: int) -> Any:
        return {key: self._values[key] for key, changed in self._seq_of.items() if changed > seq}

    def full_value(self) -> Any:
        return dict(self._values)

    def catch_up(self, seq: int, whole: Mapping[str, Any]) -> None:
        """Replace the value with `whole`, as of `seq`; only different values count as changed."""
        self.apply(seq, {key: value for key, value in whole.items() if self._values.get(key) != value})


class ValueTopic:
    """State of a VALUE topic: one value; a delta is the full value."""

    def __init__(self) -> None:
        self._value: object = None

    def apply(self, seq: int, body: object) -> None:
        self._value = body

    def since(self, seq: int) -> Any:
        return self._value

    def full_value(self) -> Any:
        return self._value

    def catch_up(self, seq: int, whole: object) -> None:
        self._value = whole


class BookTopic:
    """State of a BOOK topic: price levels by side.

    Sizes are absolute and "0" removes a level, so merged deltas stay exact. Removed levels are stored as
    tombstones up to a maximum; for a reader older than the newest dropped tombstone no delta exists
    (`since` returns None) and it needs the full book.
    """

    SIDES = ("bids", "asks")

    def __init__(self) -> None:
        self._levels: dict[str, dict[str, tuple[str, int]]] = {side: {} for side in self.SIDES}
        self._oldest_delta = 0
        self._time = 0

    def apply(self, seq: int, body: Mapping[str, Any]) -> None:
        self._time = body["t"]
        for side in self.SIDES:
            levels = self._levels[side]
            for price, size in body[side]:
                levels[price] = (size, seq)
            self._forget(levels)

    def _forget(self, levels: dict[str, tuple[str, int]]) -> None:
        tombstones = [(changed, price) for price, (size, changed) in levels.items() if size == "0"]
        if len(tombstones) <= MAX_TOMBSTONES:
            return
        tombstones.sort()
        for changed, price in tombstones[: len(tombstones) - MAX_TOMBSTONES // 2]:
            del levels[price]
            self._oldest_delta = max(self._oldest_delta, changed)

    def since(self, seq: int) -> Any:
        if seq < self._oldest_delta:
            return None
        changed = {
            side: [[price, size] for price, (size, at) in self._levels[side].items() if at > seq]
            for side in self.SIDES
        }
        return {**changed, "t": self._time}

    def full_value(self) -> Any:
        sides: dict[str, list[list[str]]] = {}
        for side in self.SIDES:
            live = [[price, size] for price, (size, _) in self._levels[side].items() if size != "0"]
            sides[side] = sorted(live, key=_price_of, reverse=side == "bids")
        return {**sides, "t": self._time}

    def catch_up(self, seq: int, whole: Mapping[str, Any]) -> None:
        self.apply(seq, book_delta(self.full_value(), whole))


def _price_of(level: list[str]) -> float:
    # For sorting only: two prices of one book never differ by less than the precision of a float.
    return float(level[0])


def book_delta(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """The levels of `new` that differ from `old`, and size "0" for removed levels."""
    delta: dict[str, Any] = {"t": new["t"]}
    for side in BookTopic.SIDES:
        before = dict(map(tuple, old[side])) if old else {}
        after = dict(map(tuple, new[side]))
        changed = [[price, size] for price, size in after.items() if before.get(price) != size]
        delta[side] = changed + [[price, "0"] for price in before if price not in after]
    return delta


class LogTopic:
    """State of a LOG topic: items in order, one `seq` each; the last 512 are stored for slow readers."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, Any]] = deque(maxlen=MAX_LOG_ITEMS)

    def apply(self, seq: int, body: Iterable[Any]) -> None:
        """Append items; `seq` is the number of the last one."""
        items = list(body)
        for number, item in enumerate(items, start=seq - len(items) + 1):
            self._items.append((number, item))

    def since(self, seq: int) -> Any:
        """Items after `seq`; None when some of them were already dropped."""
        if self._items and seq < self._items[0][0] - 1:
            return None
        return [item for number, item in self._items if number > seq]

    def full_value(self) -> Any:
        return [item for _, item in self._items]

    def catch_up(self, seq: int, whole: Iterable[Any]) -> None:
        self._items.clear()
        self.apply(seq, whole)


AnyTopic = StateTopic | ValueTopic | BookTopic | LogTopic
_STATES: dict[TopicClass, type[AnyTopic]] = {
    TopicClass.STATE: StateTopic,
    TopicClass.VALUE: ValueTopic,
    TopicClass.BOOK: BookTopic,
    TopicClass.LOG: LogTopic,
}


def topic_state(cls: TopicClass) -> AnyTopic:
    """A new, empty state of the given class."""
    return _STATES[cls]()
