"""Topics of the stream: their names, their classes, and the state that a reader needs of each.

Every topic has one writer, an `epoch` and a `seq` that rises by one per update. A topic keeps, beside
its value, the `seq` at which each part of it last changed, so that the update from *any* earlier `seq`
is one pass over the value. That is what conflation, slow clients and late joiners all need.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from market.domain.events import INTERVALS

LOG_KEPT = 512
TOMBSTONES_KEPT = 512
VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
SYMBOL = re.compile(r"[A-Za-z0-9@/:._-]{1,60}")


class UnknownTopic(ValueError):
    """The name is not that of a topic."""


class TopicClass(Enum):
    """What a reader may rely on."""

    STATE = "state"  # latest wins; changed keys only
    VALUE = "value"  # latest wins; the whole value each time
    BOOK = "book"  # absolute sizes, mergeable
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
    """`ticks.<venue>`, `book.<venue>.<symbol>`, `trades.…`, `candles.….<interval>`, `venues` or `me`.

    A symbol may hold dots. Raises `UnknownTopic`.
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
    """A map of keys to values. A delta holds the keys that changed."""

    def __init__(self) -> None:
        self._seq_of: dict[str, int] = {}
        self._values: dict[str, Any] = {}

    def apply(self, seq: int, body: Mapping[str, Any]) -> None:
        for key, value in body.items():
            self._values[key] = value
            self._seq_of[key] = seq

    def since(self, seq: int) -> Any:
        return {key: self._values[key] for key, changed in self._seq_of.items() if changed > seq}

    def whole(self) -> Any:
        return dict(self._values)

    def catch_up(self, seq: int, whole: Mapping[str, Any]) -> None:
        """Replace the value by `whole`, as of `seq`; only what differs counts as changed."""
        self.apply(seq, {key: value for key, value in whole.items() if self._values.get(key) != value})


class ValueTopic:
    """One value; a delta is the whole of it."""

    def __init__(self) -> None:
        self._value: Any = None

    def apply(self, seq: int, body: Any) -> None:
        self._value = body

    def since(self, seq: int) -> Any:
        return self._value

    def whole(self) -> Any:
        return self._value

    def catch_up(self, seq: int, whole: Any) -> None:
        self._value = whole


class BookTopic:
    """Price levels by side. Sizes are absolute and "0" removes, so merged deltas stay exact.

    Removed levels are remembered as tombstones until there are too many; a reader older than the
    oldest forgotten one cannot be given a delta (`since` returns None) and needs the whole book.
    """

    SIDES = ("bids", "asks")

    def __init__(self) -> None:
        self._levels: dict[str, dict[str, tuple[str, int]]] = {side: {} for side in self.SIDES}
        self._forgotten = 0
        self._time = 0

    def apply(self, seq: int, body: Mapping[str, Any]) -> None:
        self._time = body["t"]
        for side in self.SIDES:
            levels = self._levels[side]
            for price, size in body[side]:
                levels[price] = (size, seq)
            self._forget(levels)

    def _forget(self, levels: dict[str, tuple[str, int]]) -> None:
        gone = [(changed, price) for price, (size, changed) in levels.items() if size == "0"]
        if len(gone) <= TOMBSTONES_KEPT:
            return
        gone.sort()
        for changed, price in gone[: len(gone) - TOMBSTONES_KEPT // 2]:
            del levels[price]
            self._forgotten = max(self._forgotten, changed)

    def since(self, seq: int) -> Any:
        if seq < self._forgotten:
            return None
        changed = {
            side: [[price, size] for price, (size, at) in self._levels[side].items() if at > seq]
            for side in self.SIDES
        }
        return {**changed, "t": self._time}

    def whole(self) -> Any:
        sides: dict[str, list[list[str]]] = {}
        for side in self.SIDES:
            live = [[price, size] for price, (size, _) in self._levels[side].items() if size != "0"]
            sides[side] = sorted(live, key=_price_of, reverse=side == "bids")
        return {**sides, "t": self._time}

    def catch_up(self, seq: int, whole: Mapping[str, Any]) -> None:
        self.apply(seq, book_delta(self.whole(), whole))


def _price_of(level: list[str]) -> float:
    # Ordering only: two prices of one book never differ by less than a float can tell.
    return float(level[0])


def book_delta(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """The levels of `new` that differ from `old`, and size "0" for those that are gone."""
    delta: dict[str, Any] = {"t": new["t"]}
    for side in BookTopic.SIDES:
        before = dict(map(tuple, old[side])) if old else {}
        after = dict(map(tuple, new[side]))
        changed = [[price, size] for price, size in after.items() if before.get(price) != size]
        delta[side] = changed + [[price, "0"] for price in before if price not in after]
    return delta


class LogTopic:
    """Items in order, one `seq` each; the last 512 are kept for readers who fell behind."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, Any]] = deque(maxlen=LOG_KEPT)

    def apply(self, seq: int, body: Iterable[Any]) -> None:
        """`seq` is that of the last item."""
        items = list(body)
        for number, item in enumerate(items, start=seq - len(items) + 1):
            self._items.append((number, item))

    def since(self, seq: int) -> Any:
        """Items after `seq`; None when some of them are no longer kept."""
        if self._items and seq < self._items[0][0] - 1:
            return None
        return [item for number, item in self._items if number > seq]

    def whole(self) -> Any:
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
    """An empty state of that class."""
    return _STATES[cls]()
