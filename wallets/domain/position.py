"""Positions as sums of fills: the order in which fills become known does not matter."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market.domain.events import Side
from market.domain.orders import VenueFill, VenueFunding

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """`size` below zero is short. `cost` is the signed price paid for what is held now."""

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO


def signed(side: Side | str, size: Decimal) -> Decimal:
    return size if side == "buy" else -size


def with_fill(held: Holding, fill: VenueFill) -> Holding:
    """Exact, because the venue's closed profit is by definition the price less the cost of what closed."""
    size = signed(fill.side, fill.size)
    return replace(
        held,
        size=held.size + size,
        cost=held.cost + size * fill.price + fill.closed_pnl,
        realised=held.realised + fill.closed_pnl,
        fees=held.fees + fill.fee,
    )


def with_funding(held: Holding, funding: VenueFunding) -> Holding:
    return replace(held, funding=held.funding + funding.amount)


def unrealised(size: Decimal, cost: Decimal, mark: Decimal) -> Decimal:
    return size * mark - cost


def closable(side: Side | str, position: Decimal, waiting: Decimal) -> Decimal:
    """How much an order of `side` could close, when `waiting` of that side is on its way already."""
    opposite = -position if side == "buy" else position
    return max(ZERO, opposite - waiting)
