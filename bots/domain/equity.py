"""What a bot made of its trading over time: realised and total profit, from its fills and the price now.

Funding is left out, as it is of the drawdown: both are about trading.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from bots.domain.ledger import BotFill
from bots.domain.pnl import Book, after_fee, traded
from bots.sdk.context import Position

ZERO = Decimal(0)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """After fees, in quote units; `time` in ms. `realised` is what closed trades brought."""

    time: int
    realised: Decimal
    total: Decimal


def curve(base: str, quote: str, fills: Iterable[BotFill], now: tuple[int, Decimal] | None) -> list[Point]:
    """A point for each fill, oldest first, at the fill's price; `now`, a time and a mark, is the last one."""
    position, points = Position(), []
    for fill in fills:
        traded_on = traded(position, fill.side, fill.price, fill.size)
        position = after_fee(traded_on, fill, base, quote)
        points.append(_point(fill.time, position, fill.price))
    if now and points:
        points.append(_point(now[0], position, now[1]))
    return points


def _point(time: int, position: Position, price: Decimal) -> Point:
    return Point(time, position.realised - position.fees, position.profit(price) - position.funding)


def recent(book: Book, fills: Sequence[BotFill], mark: Decimal | None) -> list[Decimal]:
    """The totals of `curve` at its newest `fills` (oldest first), told back from the book as it stands.

    So a card reads a few fills, however many there were. With a `mark` it is the last total.
    """
    size = book.position.size
    cash = book.position.profit(ZERO) - book.position.funding
    totals = [] if mark is None else [cash + size * mark]
    for fill in reversed(fills):
        totals.append(cash + size * fill.price)
        signed = fill.size if fill.side == "buy" else -fill.size
        size -= signed
        cash += signed * fill.price
        if fill.fee_asset == book.base:
            size += fill.fee
        elif fill.fee_asset == book.quote:
            cash += fill.fee
    return totals[::-1]


def thinned(values: Sequence[T], most: int) -> list[T]:
    """At most `most` of them, evenly spread, both ends kept."""
    if len(values) <= most:
        return list(values)
    step = (len(values) - 1) / (most - 1)
    return [values[round(index * step)] for index in range(most)]
