"""Positions as sums of fills; the order in which fills arrive does not matter."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market.domain.events import Side
from market.domain.orders import VenueFill, VenueFunding

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PositionTotals:
    """Totals of a position. `size` below zero is short; `cost` is the signed cost of the open size."""

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO


def signed(side: Side | str, size: Decimal) -> Decimal:
    return size if side == "buy" else -size


def with_fill(totals: PositionTotals, fill: VenueFill, quote: str) -> PositionTotals:
    """Add a fill. Exact, because the venue's closed PnL is by definition price less cost of the closed size.

    Fees in other assets than `quote` are in the ledger only, because there is no price for them here.
    """
    size = signed(fill.side, fill.size)
    return replace(
        totals,
        size=totals.size + size,
        cost=totals.cost + size * fill.price + fill.closed_pnl,
        realised_pnl=totals.realised_pnl + fill.closed_pnl,
        fees=totals.fees + fill.fee_in(quote),
    )


def with_funding(totals: PositionTotals, funding: VenueFunding) -> PositionTotals:
    return replace(totals, funding=totals.funding + funding.amount)


def unrealised_pnl(size: Decimal, cost: Decimal, mark: Decimal) -> Decimal:
    return size * mark - cost


def reducible_size(side: Side | str, position: Decimal, waiting: Decimal) -> Decimal:
    """The size that an order of `side` can close, when open orders of that side already close `waiting`."""
    opposite = -position if side == "buy" else position
    return max(ZERO, opposite - waiting)


def taken_from_bots(side: str, size: Decimal, *, net: Decimal, bots: Decimal) -> Decimal:
    """How much of an order by hand would close what the wallet's bots hold, and not what is held by hand."""
    sign = 1 if side == "sell" else -1
    held_by_bots, held_by_hand = bots * sign, (net - bots) * sign
    if held_by_bots <= 0:
        return Decimal(0)
    return min(held_by_bots, max(Decimal(0), size - max(Decimal(0), held_by_hand)))
