"""Order diff: the fewest place, cancel and modify actions that turn the live orders into the target levels.

Orders are matched by level id, then by side, price, trigger and reduce-only, so that changed inputs adopt
the orders that are already live. An action that another own order still blocks is reported in `blocked`;
compute the diff again when an own order changed. Repeated diffs converge, and a diff of equal sets is empty.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.domain.orders import Action, CancelAction, LiveOrder, ModifyAction, PlaceAction, crosses
from bots.sdk.intents import Level
from market.domain.events import Side

OrderKey = tuple[Side, Decimal, bool, Decimal | None]


@dataclass(frozen=True, slots=True)
class OrderDiff:
    """Actions in the order of execution (cancels first).

    `adopted` orders stay as they are under another level id; `blocked` levels come with the reason.
    """

    actions: tuple[Action, ...]
    adopted: dict[UUID, Level]
    blocked: tuple[tuple[Level, str], ...]


def diff(target: Iterable[Level], live: Sequence[LiveOrder]) -> OrderDiff:
    """The actions that turn `live` into `target`. Level ids of `target` are unique."""
    work = _Work({level.id: level for level in target}, live)
    work.keep()
    work.adopt()
    work.pair()
    return work.plan()


def _order_key(level: Level) -> OrderKey:
    return level.side, level.price, level.reduce_only, level.trigger


def _matches(order: LiveOrder, level: Level) -> bool:
    """Whether the order matches the level. A partially filled order matches and keeps its queue position."""
    return _order_key(order.level) == _order_key(level) and level.size in (order.level.size, order.remaining)


def _is_modifiable(order: LiveOrder, level: Level) -> bool:
    """Whether the order may be modified into the level: open limit orders only; style and flag stay."""
    plain = order.level.trigger is None and level.trigger is None and level.style != "ioc"
    same = order.level.reduce_only == level.reduce_only and order.level.style == level.style
    return order.state == "open" and plain and same


class _Work:
    """Working state of one diff: unmatched orders and levels, and the matches and modifies so far."""

    def __init__(self, target: dict[str, Level], live: Sequence[LiveOrder]) -> None:
        self.live = live
        self.target = target
        self.unmatched = {order.client_id: order for order in live if order.state != "cancelling"}
        self.modifies: list[ModifyAction] = []
        self.adopted: dict[UUID, Level] = {}

    def keep(self) -> None:
        for order in list(self.unmatched.values()):
            level = self.target.get(order.level.id)
            if level is not None and _matches(order, level):
                self._match(order, level)

    def adopt(self) -> None:
        by_key = defaultdict(list)
        for level in self.target.values():
            by_key[_order_key(level)].append(level)
        for order in list(self.unmatched.values()):
            same = by_key[_order_key(order.level)]
            if matching := [level for level in same if _matches(order, level)]:
                same.remove(matching[0])
                self._match(order, matching[0])
                self.adopted[order.client_id] = matching[0]

    def pair(self) -> None:
        """Pair orders with levels, for one modify instead of a cancel and a place: by id, then by price."""
        for order in list(self.unmatched.values()):
            level = self.target.get(order.level.id)
            if level is not None and level.side == order.level.side and _is_modifiable(order, level):
                self._modify(order, level)
        for side in ("buy", "sell"):
            orders = sorted((o for o in self.unmatched.values() if o.level.side == side), key=_order_price)
            levels = sorted((w for w in self.target.values() if w.side == side), key=_level_price)
            for order, level in zip(orders, levels, strict=False):
                if _is_modifiable(order, level):
                    self._modify(order, level)

    def plan(self) -> OrderDiff:
        cancels = [CancelAction(client_id) for client_id in self.unmatched]
        leaving = {order.level.id for order in self.live if order.state == "cancelling"}
        leaving |= {order.level.id for order in self.unmatched.values()}
        crossing = _CrossingCheck(self.live)
        blocked: list[tuple[Level, str]] = []
        actions: list[Action] = []
        intended: list[PlaceAction | ModifyAction] = [*self.modifies, *map(PlaceAction, self.target.values())]
        for action in intended:
            if isinstance(action, PlaceAction) and action.level.id in leaving:
                blocked.append((action.level, "its previous order is not closed yet"))
            elif (other := crossing.before(action.level)) is not None:
                blocked.append((action.level, f"it would trade with the bot's own order {other.id}"))
            else:
                actions.append(action)
        return OrderDiff((*cancels, *actions), self.adopted, tuple(blocked))

    def _match(self, order: LiveOrder, level: Level) -> None:
        del self.unmatched[order.client_id]
        del self.target[level.id]

    def _modify(self, order: LiveOrder, level: Level) -> None:
        self._match(order, level)
        self.modifies.append(ModifyAction(order.client_id, level))


class _CrossingCheck:
    """Self-trade check against the best own order per side: a level that crosses any own order crosses it."""

    def __init__(self, live: Sequence[LiveOrder]) -> None:
        waiting = [order.level for order in live if order.level.trigger is None]
        self._buy = max((w for w in waiting if w.side == "buy"), key=_level_price, default=None)
        self._sell = min((w for w in waiting if w.side == "sell"), key=_level_price, default=None)

    def before(self, level: Level) -> Level | None:
        nearest = self._sell if level.side == "buy" else self._buy
        return nearest if nearest is not None and crosses(level, nearest) else None


def _order_price(order: LiveOrder) -> Decimal:
    return order.level.price


def _level_price(level: Level) -> Decimal:
    return level.price
