"""Merges two books of one instrument: a fast, shallow one on top of a slow, deep one."""

from collections.abc import Callable
from decimal import Decimal
from operator import gt, lt
from typing import Any

from market.domain.events import Book, Level


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
