"""What rests in an order book: orders, the queues of their prices, and the two halves these make."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from market.domain.events import Side

if TYPE_CHECKING:
    from market.domain.matching import NewOrder


class Level(NamedTuple):
    """All that rests at one price: total size and number of orders."""

    price: int
    size: int
    orders: int


class Resting:
    """An order in the book. Read it; only the book writes it."""

    __slots__ = ("client_id", "id", "owner", "price", "side", "size")

    def __init__(self, order: "NewOrder", size: int) -> None:
        self.id = order.id
        self.owner = order.owner
        self.side: Side = order.side
        self.price = order.price
        self.size = size
        self.client_id = order.client_id


class Ration(Protocol):
    """How much of a resting order may still trade; an owner can lose the right within one sweep."""

    def spare(self, order: Resting) -> int:
        """Lots of it that may be filled now; none cancels it, fewer than it has reduces it."""

    def matched(self, order: Resting, size: int) -> None:
        """So much of it was just filled."""


class Queue:
    """The orders of one price, oldest first."""

    __slots__ = ("orders", "size")

    def __init__(self) -> None:
        self.orders: OrderedDict[int, Resting] = OrderedDict()
        self.size = 0


class Half:
    """One side of the book. Prices are kept times `sign`, ascending, so that the best is the last."""

    __slots__ = ("keys", "queues", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.queues: dict[int, Queue] = {}

    def add(self, order: Resting) -> None:
        key = order.price * self.sign
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = Queue()
            insort(self.keys, key)
        queue.orders[order.id] = order
        queue.size += order.size

    def shrink(self, order: Resting, by: int) -> None:
        """Take `by` lots off the order; an order that comes to nothing leaves, and so may its price."""
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
