"""Order book ladder: the book as display rows. `static/js/book.js` renders the same rows from the stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.formatting import fixed

LEVELS = 22


@dataclass(frozen=True)
class LadderRow:
    """One formatted level. `depth` is its cumulative size relative to the deeper side's total, 0 to 1."""

    price: str = ""
    size: str = ""
    cumulative: str = ""
    depth: str = "0"


@dataclass(frozen=True)
class Ladder:
    """22 rows per side, padded with empty ones. `asks` run from the worst price to the best."""

    asks: list[LadderRow]
    bids: list[LadderRow]
    mid: Decimal | None
    spread: Decimal | None
    has_data: bool


def ladder_of(book: dict[str, Any] | None, *, price_decimals: int, size_decimals: int) -> Ladder:
    """Build the ladder of a book body {"bids": [[px, sz]…], "asks": …}, best first; None when unknown."""
    sides = {side: _cumulative((book or {}).get(side, [])) for side in ("bids", "asks")}
    deepest = max((levels[-1][2] for levels in sides.values() if levels), default=Decimal(0))
    ladder_rows = {
        side: [_row(level, deepest, price_decimals, size_decimals) for level in levels]
        for side, levels in sides.items()
    }
    bids, asks = (
        ladder_rows[side] + [LadderRow()] * (LEVELS - len(ladder_rows[side])) for side in ("bids", "asks")
    )
    mid = spread = None
    if sides["bids"] and sides["asks"]:
        bid, ask = sides["bids"][0][0], sides["asks"][0][0]
        mid, spread = (bid + ask) / 2, ask - bid
    return Ladder(asks[::-1], bids, mid, spread, bool(sides["bids"] or sides["asks"]))


def _cumulative(levels: Iterable[list[str]]) -> list[tuple[Decimal, Decimal, Decimal]]:
    """(price, size, cumulative size from the best) of the first 22 levels."""
    total = Decimal(0)
    rows = []
    for price, size in list(levels)[:LEVELS]:
        total += Decimal(size)
        rows.append((Decimal(price), Decimal(size), total))
    return rows


def _row(
    level: tuple[Decimal, Decimal, Decimal], deepest: Decimal, price_decimals: int, size_decimals: int
) -> LadderRow:
    price, size, total = level
    depth = format(total / deepest, ".3f") if deepest else "0"
    return LadderRow(
        fixed(price, price_decimals), fixed(size, size_decimals), fixed(total, size_decimals), depth
    )
