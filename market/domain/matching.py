"""Price-time matching in whole ticks and lots: one order book, commands in, facts out.

The simulator, paper trading and backtests all trade on this one engine. It keeps no clock and mints
no ids: the caller numbers its orders and knows when they came. A price is a count of the instrument's
smallest step (`Rules.price_decimals`), a size a count of lots; whether a price lies on a tick, and who
can afford what, is the caller's business.

For every order: filled + resting + cancelled + rejected = submitted, and after every command the best
bid is below the best ask. Commands and facts are named tuples: as immutable as a frozen dataclass and a
third of the cost, which is most of the cost of a match.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Literal, NamedTuple

from market.domain.book_levels import Half, Level, Ration, Resting
from market.domain.events import Side

TimeInForce = Literal["gtc", "ioc", "alo"]
OTHER: dict[Side, Side] = {"buy": "sell", "sell": "buy"}


class CancelReason(Enum):
    """Why an order, or what was left of it, is gone without a fill."""

    REQUESTED = "requested"
    SELF_TRADE = "self_trade"  # it stood in the way of a newer order of its owner
    NO_LIQUIDITY = "no_liquidity"  # the rest of an immediate-or-cancel order
    OVER_RATION = "over_ration"  # its owner may not trade it any more


class RejectReason(Enum):
    """Why a command changed nothing."""

    BAD_PRICE = "bad_price"
    BAD_SIZE = "bad_size"
    DUPLICATE_ID = "duplicate_id"
    WOULD_CROSS = "would_cross"  # post-only
    UNKNOWN_ORDER = "unknown_order"


class NewOrder(NamedTuple):
    """A limit order. `id` is unique in the book; `price` in ticks and `size` in lots are positive.

    `gtc` rests what it cannot match, `ioc` cancels it, `alo` (post-only) is rejected if it would match.
    """

    id: int
    owner: str
    side: Side
    price: int
    size: int
    tif: TimeInForce = "gtc"
    client_id: str | None = None


class Rested(NamedTuple):
    """The order, or what was left of it, joined the queue of its price."""

    order_id: int
    owner: str
    side: Side
    price: int
    size: int
    client_id: str | None


class Filled(NamedTuple):
    """One match, at the maker's price. `side` is the taker's; `*_left` is open after it."""

    maker_id: int
    maker: str
    taker_id: int
    taker: str
    side: Side
    price: int
    size: int
    maker_left: int
    taker_left: int


class Reduced(NamedTuple):
    """The order became smaller and kept its place. `size` is what is left, `cut` what is gone."""

    order_id: int
    owner: str
    size: int
    cut: int


class Cancelled(NamedTuple):
    """`size` lots of the order will never be filled; nothing of it rests any more."""

    order_id: int
    owner: str
    size: int
    reason: CancelReason


class Rejected(NamedTuple):
    """The command was refused. `owner` is empty when the order is not known."""

    order_id: int
    owner: str
    reason: RejectReason


Fact = Rested | Filled | Reduced | Cancelled | Rejected


class OrderBook:
    """The book of one instrument."""

    def __init__(self) -> None:
        self._halves: dict[Side, Half] = {"buy": Half(1), "sell": Half(-1)}
        self._orders: dict[int, Resting] = {}
        self.ration: Ration | None = None

    # --- commands ------------------------------------------------------------------------------
    def submit(self, order: NewOrder) -> list[Fact]:
        """Match the order and let the rest of it rest or go. Facts come in the order they happened."""
        if refusal := self._refusal(order):
            return [Rejected(order.id, order.owner, refusal)]
        facts: list[Fact] = []
        left = self._match(order, facts)
        if not left:
            return facts
        if order.tif == "ioc":
            facts.append(Cancelled(order.id, order.owner, left, CancelReason.NO_LIQUIDITY))
            return facts
        resting = self._orders[order.id] = Resting(order, left)
        self._halves[order.side].add(resting)
        facts.append(Rested(order.id, order.owner, order.side, order.price, left, order.client_id))
        return facts

    def cancel(self, order_id: int, reason: CancelReason = CancelReason.REQUESTED) -> list[Fact]:
        """Take the order out of the book."""
        order = self._orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "", RejectReason.UNKNOWN_ORDER)]
        size = order.size
        self._shrink(order, size)
        return [Cancelled(order_id, order.owner, size, reason)]

    def reduce(self, order_id: int, size: int) -> list[Fact]:
        """Make the order `size` lots small; it keeps its place in the queue. It cannot grow."""
        order = self._orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "", RejectReason.UNKNOWN_ORDER)]
        cut = order.size - size
        if size <= 0 or cut <= 0:
            return [Rejected(order_id, order.owner, RejectReason.BAD_SIZE)]
        self._shrink(order, cut)
        return [Reduced(order_id, order.owner, size, cut)]

    # --- questions -----------------------------------------------------------------------------
    def best(self, side: Side) -> int | None:
        """The best price of that side, or None when it is empty."""
        return self._halves[side].best()

    def levels(self, side: Side) -> Iterator[Level]:
        """From the best price outwards. Do not command the book while iterating."""
        return self._halves[side].levels()

    def order(self, order_id: int) -> Resting | None:
        """The order while it rests."""
        return self._orders.get(order_id)

    def orders(self) -> Iterator[Resting]:
        """Every resting order, oldest first."""
        return iter(self._orders.values())

    # --- matching ------------------------------------------------------------------------------
    def _refusal(self, order: NewOrder) -> RejectReason | None:
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
        half = self._halves[OTHER[order.side]]
        return bool(half.keys) and half.keys[-1] >= order.price * half.sign

    def _match(self, order: NewOrder, facts: list[Fact]) -> int:
        """Fill against the other side, best price first, oldest order first. Returns what is left."""
        half = self._halves[OTHER[order.side]]
        limit = order.price * half.sign
        keys, left = half.keys, order.size
        while left and keys and keys[-1] >= limit:
            maker = next(iter(half.queues[keys[-1]].orders.values()))
            if maker.owner == order.owner:
                facts.extend(self.cancel(maker.id, CancelReason.SELF_TRADE))
                continue
            if self.ration and not self._rationed(maker, self.ration, facts):
                continue
            size = min(left, maker.size)
            left -= size
            self._shrink(maker, size)
            if self.ration:
                self.ration.matched(maker, size)
            facts.append(
                Filled(
                    maker.id, maker.owner, order.id, order.owner,
                    order.side, maker.price, size, maker.size, left,
                )
            )  # fmt: skip
        return left

    def _rationed(self, maker: Resting, ration: Ration, facts: list[Fact]) -> bool:
        """Cut the order to what it may trade. False when that is nothing."""
        spare = ration.spare(maker)
        if spare <= 0:
            facts.extend(self.cancel(maker.id, CancelReason.OVER_RATION))
            return False
        if spare < maker.size:
            facts.extend(self.reduce(maker.id, spare))
        return True

    def _shrink(self, order: Resting, by: int) -> None:
        self._halves[order.side].shrink(order, by)
        if not order.size:
            del self._orders[order.id]
