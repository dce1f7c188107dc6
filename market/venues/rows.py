"""Rows of a venue's list: decoded one by one. A row that cannot be decoded is left out, counted and reported.

Every list of every venue goes through `rows_decode`: one bad row never hides the others.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import DecimalException
from typing import Any, TypeVar

from prometheus_client import Counter

from market.domain.errors import ParseError

T = TypeVar("T")
BROKEN = (KeyError, TypeError, IndexError, ValueError, AttributeError, DecimalException, RecursionError)
REJECTED = Counter("cryptotrade_venue_rows_rejected_total", "Rows that were left out.", ["venue", "list"])


class Rows(list[T]):
    """The decoded rows of one or several lists, and the errors of the rows that were left out."""

    def __init__(self, rows: Iterable[T] = (), rejected: Iterable[ParseError] = ()) -> None:
        super().__init__(rows)
        self.rejected: tuple[ParseError, ...] = tuple(rejected)

    def joined(self, other: "Rows[T]") -> "Rows[T]":
        """Both lists as one."""
        return Rows([*self, *other], (*self.rejected, *other.rejected))


def rows_decode(rows: object, read: Callable[[Any], T]) -> Rows[T]:
    """Decode each row with `read`. Raises `ParseError` when `rows` is no list."""
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    good: list[T] = []
    bad: list[ParseError] = []
    for row in rows:
        try:
            good.append(read(row))
        except ParseError as problem:
            bad.append(problem)
        except BROKEN as problem:
            bad.append(ParseError(f"unexpected structure ({type(problem).__name__} {problem})", row))
    return Rows(good, bad)


def rejected_of(rows: Sequence[object]) -> tuple[ParseError, ...]:
    """The errors of the rows that were left out of a venue's list."""
    return rows.rejected if isinstance(rows, Rows) else ()


def rejected_text(what: str, rejected: Sequence[ParseError]) -> str:
    """What was left out of a list, in one sentence; empty when nothing was."""
    if not rejected:
        return ""
    rows = "1 row was" if len(rejected) == 1 else f"{len(rejected)} rows were"
    return f"{what}: {rows} left out ({rejected[0]})."


def rejected_count(venue: str, what: str, rejected: Sequence[ParseError]) -> None:
    """Count the rows that were left out of a list of a venue."""
    if rejected:
        REJECTED.labels(venue, what).inc(len(rejected))
