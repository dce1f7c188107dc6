"""The book as rows on a screen. `static/js/book.js` paints the same rows from the stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from market.domain.formatting import fixed

LEVELS = 22


@dataclass(frozen=True)
class Rung:
    """One level, as written. `depth` is its share of the deeper side's sum, 0 to 1."""

    price: str = ""
    size: str = ""
    sum: str = ""
    depth: str = "0"


@dataclass(frozen=True)
class Ladder:
    """22 rungs a side, empty ones included. `asks` run from the worst to the best: the best is lowest."""

    asks: list[Rung]
    bids: list[Rung]
    mid: Decimal | None
    spread: Decimal | None
    known: bool


def ladder_of(book: dict[str, Any] | None, *, price_decimals: int, size_decimals: int) -> Ladder:
    """`book` is the stream's body: {"bids": [[px, sz]…], "asks": …}, best first; None when unknown."""
    sides = {side: _sums((book or {}).get(side, [])) for side in ("bids", "asks")}
    deepest = max((levels[-1][2] for levels in sides.values() if levels), default=Decimal(0))
    rungs = {
        side: [_rung(level, deepest, price_decimals, size_decimals) for level in levels]
        for side, levels in sides.items()
    }
    bids, asks = (rungs[side] + [Rung()] * (LEVELS - len(rungs[side])) for side in ("bids", "asks"))
    mid = spread = None
    if sides["bids"] and sides["asks"]:
        bid, ask = sides["bids"][0][0], sides["asks"][0][0]
        mid, spread = (bid + ask) / 2, ask - bid
    return Ladder(asks[::-1], bids, mid, spread, bool(sides["bids"] or sides["asks"]))


def _sums(levels: Iterable[list[str]]) -> list[tuple[Decimal, Decimal, Decimal]]:
    """(price, size, sum from the best) of the first 22 levels."""
    total = Decimal(0)
    rows = []
    for price, size in list(levels)[:LEVELS]:
        total += Decimal(size)
        rows.append((Decimal(price), Decimal(size), total))
    return rows


def _rung(
    level: tuple[Decimal, Decimal, Decimal], deepest: Decimal, price_decimals: int, size_decimals: int
) -> Rung:
    price, size, total = level
    depth = format(total / deepest, ".3f") if deepest else "0"
    return Rung(fixed(price, price_decimals), fixed(size, size_decimals), fixed(total, size_decimals), depth)
