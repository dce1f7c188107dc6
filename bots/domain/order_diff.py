"""From the orders that stand to the orders that should: the fewest places, cancels and modifies.

Orders are recognised by level id, then by their looks, so that a changed set of inputs adopts what
stands already. What cannot be done yet, because an own order is still in the way, is held back; ask
again when an own order changed. Repeated asking converges, and asking when all stands does nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.domain.orders import Action, Live, Move, Put, Withdraw, crosses
from bots.sdk.intents import Level
from market.domain.events import Side

Looks = tuple[Side, Decimal, bool, Decimal | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: cancels first. `adopted` orders stand well under another level id."""

    actions: tuple[Action, ...]
    adopted: dict[UUID, Level]
    held_back: tuple[tuple[Level, str], ...]


def diff(wanted: Iterable[Level], live: Sequence[Live]) -> Plan:
    """The plan that makes `live` into `wanted`. Level ids of `wanted` are unique."""
    work = _Work({level.id: level for level in wanted}, live)
    work.keep()
    work.adopt()
    work.pair()
    return work.plan()


def _looks(level: Level) -> Looks:
    return level.side, level.price, level.reduce_only, level.trigger


def _stands(order: Live, level: Level) -> bool:
    """Is the order what the level asks for? One that was partly filled keeps its place in the queue."""
    return _looks(order.level) == _looks(level) and level.size in (order.level.size, order.left)


def _movable(order: Live, level: Level) -> bool:
    """May the order be modified into the level? Only resting limit orders may, and they stay what they are."""
    plain = order.level.trigger is None and level.trigger is None and level.style != "ioc"
    same = order.level.reduce_only == level.reduce_only and order.level.style == level.style
    return order.state == "open" and plain and same


class _Work:
    """What is still unmatched on either side, and what was decided."""

    def __init__(self, wanted: dict[str, Level], live: Sequence[Live]) -> None:
        self.live = live
        self.wanted = wanted
        self.free = {order.client_id: order for order in live if order.state != "cancelling"}
        self.moves: list[Move] = []
        self.adopted: dict[UUID, Level] = {}

    def keep(self) -> None:
        for order in list(self.free.values()):
            level = self.wanted.get(order.level.id)
            if level is not None and _stands(order, level):
                self._match(order, level)

    def adopt(self) -> None:
        by_looks = defaultdict(list)
        for level in self.wanted.values():
            by_looks[_looks(level)].append(level)
        for order in list(self.free.values()):
            same = by_looks[_looks(order.level)]
            if standing := [level for level in same if _stands(order, level)]:
                same.remove(standing[0])
                self._match(order, standing[0])
                self.adopted[order.client_id] = standing[0]

    def pair(self) -> None:
        """One modify instead of a cancel and a place: first under the same id, then by price order."""
        for order in list(self.free.values()):
            level = self.wanted.get(order.level.id)
            if level is not None and level.side == order.level.side and _movable(order, level):
                self._move(order, level)
        for side in ("buy", "sell"):
            orders = sorted((o for o in self.free.values() if o.level.side == side), key=_order_price)
            levels = sorted((w for w in self.wanted.values() if w.side == side), key=_level_price)
            for order, level in zip(orders, levels, strict=False):
                if _movable(order, level):
                    self._move(order, level)

    def plan(self) -> Plan:
        cancels = [Withdraw(client_id) for client_id in self.free]
        going = {order.level.id for order in self.live if order.state == "cancelling"}
        going |= {order.level.id for order in self.free.values()}
        obstacle = _Obstacle(self.live)
        held: list[tuple[Level, str]] = []
        actions: list[Action] = []
        intended: list[Put | Move] = [*self.moves, *map(Put, self.wanted.values())]
        for action in intended:
            if isinstance(action, Put) and action.level.id in going:
                held.append((action.level, "its former order is not gone yet"))
            elif (other := obstacle.before(action.level)) is not None:
                held.append((action.level, f"it would trade with the bot's own order {other.id}"))
            else:
                actions.append(action)
        return Plan((*cancels, *actions), self.adopted, tuple(held))

    def _match(self, order: Live, level: Level) -> None:
        del self.free[order.client_id]
        del self.wanted[level.id]

    def _move(self, order: Live, level: Level) -> None:
        self._match(order, level)
        self.moves.append(Move(order.client_id, level))


class _Obstacle:
    """The orders nearest to the market: if a level crosses any own order, then one of these."""

    def __init__(self, live: Sequence[Live]) -> None:
        waiting = [order.level for order in live if order.level.trigger is None]
        self._buy = max((w for w in waiting if w.side == "buy"), key=_level_price, default=None)
        self._sell = min((w for w in waiting if w.side == "sell"), key=_level_price, default=None)

    def before(self, level: Level) -> Level | None:
        nearest = self._sell if level.side == "buy" else self._buy
        return nearest if nearest is not None and crosses(level, nearest) else None


def _order_price(order: Live) -> Decimal:
    return order.level.price


def _level_price(level: Level) -> Decimal:
    return level.price
