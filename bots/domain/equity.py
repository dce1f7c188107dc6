"""Equity curve of a bot: realised and total PnL over time, from its fills and the current price.

Funding is excluded, as it is from the drawdown: both measure trading only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from bots.domain.ledger import LedgerFill
from bots.domain.pnl import BotPnl, after_fee, apply_trade
from bots.sdk.context import Position

ZERO = Decimal(0)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the equity curve, after fees, in quote units; `time` in ms.

    `realised_pnl` is the PnL of closed trades, `total` adds the unrealised PnL.
    """

    time: int
    realised_pnl: Decimal
    total: Decimal


def equity_curve(
    base: str, quote: str, fills: Iterable[LedgerFill], now: tuple[int, Decimal] | None
) -> list[Point]:
    """One point per fill, oldest first, at the fill's price; the last point is `now` (time, mark price)."""
    position, points = Position(), []
    for fill in fills:
        traded = apply_trade(position, fill.side, fill.price, fill.size)
        position = after_fee(traded, fill, base, quote)
        points.append(_point(fill.time, position, fill.price))
    if now and points:
        points.append(_point(now[0], position, now[1]))
    return points


def _point(time: int, position: Position, price: Decimal) -> Point:
    return Point(time, position.realised_pnl - position.fees, position.pnl(price) - position.funding)


def recent_equity(book: BotPnl, fills: Sequence[LedgerFill], mark: Decimal | None) -> list[Decimal]:
    """The totals of `equity_curve` at the newest `fills` (oldest first), computed backwards from `book`.

    A bot card therefore reads only a few fills, however many there are. With a `mark` price, the total at
    that price is the last value.
    """
    size = book.position.size
    cash = book.position.pnl(ZERO) - book.position.funding
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


def downsample(values: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the values, evenly spread; the first and the last one are always included."""
    if len(values) <= limit:
        return list(values)
    step = (len(values) - 1) / (limit - 1)
    return [values[round(index * step)] for index in range(limit)]
