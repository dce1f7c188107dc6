"""Matching engine with price-time priority in integer ticks and lots: commands in, match events out.

The simulator, paper trading and backtests use this one engine. It has no clock and creates no ids: the
caller numbers the orders and records their times. A price is a count of the instrument's smallest step
(`Rules.price_decimals`), a size a count of lots; the caller checks that prices lie on a tick and that
accounts have sufficient funds.

For every order: filled + resting + cancelled + rejected = submitted, and after every command the best
bid is below the best ask. Commands and events are named tuples: as immutable as a frozen dataclass at a
third of the cost, and their creation is most of the cost of a match.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Literal, NamedTuple

from market.domain.book_levels import BookSide, Level, ReduceOnlyCap, RestingOrder
from market.domain.events import Side

TimeInForce = Literal["gtc", "ioc", "alo"]
OTHER: dict[Side, Side] = {"buy": "sell", "sell": "buy"}


class CancelReason(Enum):
    """Why an order, or the rest of it, was cancelled."""

    REQUESTED = "requested"
    SELF_TRADE = "self_trade"  # a newer order of the same owner would have matched it
    NO_LIQUIDITY = "no_liquidity"  # the rest of an immediate-or-cancel order
    REDUCE_ONLY_CAP = "over_ration"  # its owner may no longer trade it


class RejectReason(Enum):
    """Why a command was rejected."""

    BAD_PRICE = "bad_price"
    BAD_SIZE = "bad_size"
    DUPLICATE_ID = "duplicate_id"
    WOULD_CROSS = "would_cross"  # post-only
    UNKNOWN_ORDER = "unknown_order"


class NewOrder(NamedTuple):
    """A limit order. `id` is unique in the book; `price` in ticks and `size` in lots are positive.

    The unmatched rest of a `gtc` order rests, that of an `ioc` order is cancelled; an `alo` (post-only)
    order is rejected if it would match.
    """

    id: int
    owner: str
    side: Side
    price: int
    size: int
    tif: TimeInForce = "gtc"
    client_id: str | None = None


class Rested(NamedTuple):
    """The order, or the rest of it, was added to the queue of its price."""

    order_id: int
    owner: str
    side: Side
    price: int
    size: int
    client_id: str | None


class Filled(NamedTuple):
    """One match, at the maker's price. `side` is the taker's; `*_remaining` is the open size after it."""

    maker_id: int
    maker: str
    taker_id: int
    taker: str
    side: Side
    price: int
    size: int
    maker_remaining: int
    taker_remaining: int


class Reduced(NamedTuple):
    """The order was reduced and kept its queue position. `size` remains, `cut` was removed."""

    order_id: int
    owner: str
    size: int
    cut: int


class Cancelled(NamedTuple):
    """The remaining `size` lots of the order were cancelled; no part of it rests any longer."""

    order_id: int
    owner: str
    size: int
    reason: CancelReason


class Rejected(NamedTuple):
    """The command was rejected. `owner` is empty when the order is unknown."""

    order_id: int
    owner: str
    reason: RejectReason


MatchEvent = Rested | Filled | Reduced | Cancelled | Rejected


class OrderBook:
    """Limit order book of one instrument. `ration` is the cap of reduce-only resting orders, if any."""

    def __init__(self) -> None:
        self._sides: dict[Side, BookSide] = {"buy": BookSide(1), "sell": BookSide(-1)}
        self._orders: dict[int, RestingOrder] = {}
        self.ration: ReduceOnlyCap | None = None

    # --- commands ------------------------------------------------------------------------------
    def submit(self, order: NewOrder) -> list[MatchEvent]:
        """Match the order; the rest of it rests or is cancelled. Events are in order of occurrence."""
        if reason := self._reject_reason(order):
            return [Rejected(order.id, order.owner, reason)]
        events: list[MatchEvent] = []
        remaining = self._match(order, events)
        if not remaining:
            return events
        if order.tif == "ioc":
            events.append(Cancelled(order.id, order.owner, remaining, CancelReason.NO_LIQUIDITY))
            return events
        resting = self._orders[order.id] = RestingOrder(
            order.id, order.owner, order.side, order.price, remaining, order.client_id
        )
        self._sides[order.side].add(resting)
        events.append(Rested(order.id, order.owner, order.side, order.price, remaining, order.client_id))
        return events

    def cancel(self, order_id: int, reason: CancelReason = CancelReason.REQUESTED) -> list[MatchEvent]:
        """Remove the order from the book."""
        order = self._orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "", RejectReason.UNKNOWN_ORDER)]
        size = order.size
        self._shrink(order, size)
        return [Cancelled(order_id, order.owner, size, reason)]

    def reduce(self, order_id: int, size: int) -> list[MatchEvent]:
        """Reduce the order to `size` lots; it keeps its queue position. It cannot be increased."""
        order = self._orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "", RejectReason.UNKNOWN_ORDER)]
        cut = order.size - size
        if size <= 0 or cut <= 0:
            return [Rejected(order_id, order.owner, RejectReason.BAD_SIZE)]
        self._shrink(order, cut)
        return [Reduced(order_id, order.owner, size, cut)]

    # --- queries -------------------------------------------------------------------------------
    def best(self, side: Side) -> int | None:
        """The best price of that side, or None when it is empty."""
        return self._sides[side].best()

    def levels(self, side: Side) -> Iterator[Level]:
        """Levels from the best price outwards. Do not modify the book while iterating."""
        return self._sides[side].levels()

    def order(self, order_id: int) -> RestingOrder | None:
        """The resting order, or None."""
        return self._orders.get(order_id)

    def orders(self) -> Iterator[RestingOrder]:
        """Every resting order, oldest first."""
        return iter(self._orders.values())

    # --- matching ------------------------------------------------------------------------------
    def _reject_reason(self, order: NewOrder) -> RejectReason | None:
        if order.size <= 0:
            return RejectReason.BAD_SIZE
        if order.price <= 0:
            return RejectReason.BAD_PRICE
        if order.id in self._orders:
            return RejectReason.DUPLICATE_ID
        if order.tif == "alo" and self._crosses(order):
            return RejectReason.WOULD_CROSS
        return None

    def _crosses(self, order: NewOrder) -> bool:
        opposite = self._sides[OTHER[order.side]]
        return bool(opposite.keys) and opposite.keys[-1] >= order.price * opposite.sign

    def _match(self, order: NewOrder, events: list[MatchEvent]) -> int:
        """Fill against the opposite side, best price first, oldest order first. Returns the rest."""
        opposite = self._sides[OTHER[order.side]]
        limit = order.price * opposite.sign
        keys, remaining = opposite.keys, order.size
        while remaining and keys and keys[-1] >= limit:
            maker = next(iter(opposite.queues[keys[-1]].orders.values()))
            if maker.owner == order.owner:
                events.extend(self.cancel(maker.id, CancelReason.SELF_TRADE))
                continue
            if self.ration and not self._apply_cap(maker, self.ration, events):
                continue
            size = min(remaining, maker.size)
            remaining -= size
            self._shrink(maker, size)
            if self.ration:
                self.ration.matched(maker, size)
            events.append(
                Filled(
                    maker.id, maker.owner, order.id, order.owner,
                    order.side, maker.price, size, maker.size, remaining,
                )
            )  # fmt: skip
        return remaining

    def _apply_cap(self, maker: RestingOrder, cap: ReduceOnlyCap, events: list[MatchEvent]) -> bool:
        """Reduce or cancel the order according to its cap. False when it was cancelled."""
        spare = cap.spare(maker)
        if spare <= 0:
            events.extend(self.cancel(maker.id, CancelReason.REDUCE_ONLY_CAP))
            return False
        if spare < maker.size:
            events.extend(self.reduce(maker.id, spare))
        return True

    def _shrink(self, order: RestingOrder, by: int) -> None:
        self._sides[order.side].shrink(order, by)
        if not order.size:
            del self._orders[order.id]
