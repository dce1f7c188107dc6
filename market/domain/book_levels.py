"""Data structures of an order book: resting orders, price levels and book sides."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from market.domain.events import Side


class Level(NamedTuple):
    """Aggregate of one price: total resting size in lots and number of orders."""

    price: int
    size: int
    orders: int


class RestingOrder:
    """An order in the book. Read-only for callers; only the book modifies it."""

    __slots__ = ("client_id", "id", "owner", "price", "side", "size")

    def __init__(self, id: int, owner: str, side: Side, price: int, size: int, client_id: str | None) -> None:
        self.id = id
        self.owner = owner
        self.side: Side = side
        self.price = price
        self.size = size
        self.client_id = client_id


class ReduceOnlyCap(Protocol):
    """Limit of what a reduce-only resting order may still fill; it can change within one match."""

    def spare(self, order: RestingOrder) -> int:
        """Lots that may be filled now: zero cancels the order, fewer than its size reduces it."""

    def matched(self, order: RestingOrder, size: int) -> None:
        """Called after `size` lots of the order were filled."""


class PriceLevel:
    """FIFO queue of the orders at one price."""

    __slots__ = ("orders", "size")

    def __init__(self) -> None:
        self.orders: OrderedDict[int, RestingOrder] = OrderedDict()
        self.size = 0


class BookSide:
    """One side of the book. `keys` are prices times `sign`, ascending, so that the best price is last."""

    __slots__ = ("keys", "queues", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.queues: dict[int, PriceLevel] = {}

    def add(self, order: RestingOrder) -> None:
        key = order.price * self.sign
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = PriceLevel()
            insort(self.keys, key)
        queue.orders[order.id] = order
        queue.size += order.size

    def shrink(self, order: RestingOrder, by: int) -> None:
        """Reduce the order by `by` lots; removes an order of size zero, and a price level without orders."""
        key = order.price * self.sign
        queue = self.queues[key]
        queue.size -= by
        order.size -= by
        if order.size:
            return
        del queue.orders[order.id]
        if not queue.orders:
            del self.queues[key]
            del self.keys[bisect_left(self.keys, key)]

    def best(self) -> int | None:
        return self.keys[-1] * self.sign if self.keys else None

    def levels(self) -> Iterator[Level]:
        for key in reversed(self.keys):
            queue = self.queues[key]
            yield Level(key * self.sign, queue.size, len(queue.orders))
