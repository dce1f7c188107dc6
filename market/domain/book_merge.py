"""Two books of one instrument made one: a fast one of few levels over a slow one of many."""

from collections.abc import Callable
from decimal import Decimal
from operator import gt, lt
from typing import Any

from market.domain.events import Book, Level


class BookMerger:
    """Keeps the newest fast and the newest deep book of one instrument.

    The newer of the two rules from the best price down to its own deepest price; below that the deep
    book fills up. Levels of the deep book that would cross the other side are left out, so the result
    is never crossed when neither input is.
    """

    def __init__(self) -> None:
        self._deep: Book | None = None
        self._fast: Book | None = None

    def apply(self, book: Book) -> None:
        """Take a newer book; an older one than what is held of its kind is ignored."""
        held = self._fast if book.shallow else self._deep
        if held and book.time < held.time:
            return
        if book.shallow:
            self._fast = book
        else:
            self._deep = book

    def body(self) -> dict[str, Any] | None:
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
    """`fast`, then the levels of `deep` that are `worse` than its deepest price and than the other side."""
    bounds = [Decimal(level[0]) for level in (*fast[-1:], *opposite[:1])]
    return fast + tuple(level for level in deep if all(worse(Decimal(level[0]), bound) for bound in bounds))
