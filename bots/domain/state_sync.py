"""From how the bot's orders stand in the wallet's books to what its runner has not been told yet.

What a snapshot knows of each order is compared with how it stands, so that nothing has to be remembered
to be told: a process may die anywhere between a fact and its telling.
"""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.domain.events import FundingPaid, OrderChanged, Remains
from bots.domain.lifecycle import BEGINNING
from bots.domain.orders import Live
from bots.domain.snapshot import Snapshot
from bots.sdk.events import OrderState
from wallets.domain.status import TERMINAL, OrderStatus

_S = OrderStatus
STATES: Mapping[OrderStatus, OrderState] = {
    _S.PENDING: "placing", _S.SUBMITTING: "placing", _S.UNKNOWN: "placing", _S.OPEN: "open",
    _S.PARTLY_FILLED: "open", _S.CANCELLING: "cancelling", _S.FILLED: "filled", _S.CANCELLED: "cancelled",
    _S.REJECTED: "refused", _S.DENIED: "refused", _S.EXPIRED: "refused",
}  # fmt: skip
ZERO = Decimal(0)
NOT_TAKEN = "It was not taken as an order."
STANDS = "It stands: the cancel or the change was refused."


@dataclass(frozen=True, slots=True)
class Standing:
    """An own order as the wallet has it. `asked_to_end`: a cancel was asked for."""

    status: OrderStatus
    reason: str = ""
    asked_to_end: bool = False


def asks_what_remains(snapshot: Snapshot) -> bool:
    """Before a position is closed, and before a new run goes on with that of an old one."""
    inherited = snapshot.status in BEGINNING and not snapshot.seen and bool(snapshot.position.size)
    return snapshot.closing or inherited


@dataclass(frozen=True, slots=True)
class Money:
    """What the bot's book says. `funding` is the sum of its shares; `left` and `covered` are as in
    `Remains`, and None when nobody asked."""

    funding: Decimal = ZERO
    left: Decimal | None = None
    covered: bool = True


def untold_money(snapshot: Snapshot, money: Money, now: int) -> list[FundingPaid | Remains]:
    """Shares of funding that the snapshot does not have, as one payment, and what of its position went.

    `money` must know every fill that the snapshot knows, and no other.
    """
    news: list[FundingPaid | Remains] = []
    if paid := money.funding - snapshot.position.funding:
        news.append(FundingPaid(now, snapshot.seen + 1, f"funding:{money.funding}", paid))
    if money.left is None:
        return news
    own = snapshot.position.size
    left = min(own, money.left, key=abs) if own * money.left > 0 else ZERO
    if (left, money.covered) != (own, snapshot.covered):
        news.append(Remains(now, snapshot.seen + len(news) + 1, left, money.covered))
    return news


def untold(
    snapshot: Snapshot, asked: Collection[UUID], standings: Mapping[UUID, Standing], now: int
) -> list[OrderChanged]:
    """What changed since the snapshot, numbered after what it has seen.

    Of the orders that were `asked` about, those without a standing were never stored. Ends come first, so
    that a refused replacement is gone before the order that it was to replace is heard of again.
    """
    replaced = {order.replaces for order in snapshot.live if _is_live(standings.get(order.client_id))}
    news = [
        (order, *told)
        for order in snapshot.live
        if order.client_id in asked and (told := _news(order, standings.get(order.client_id), replaced))
    ]
    news.sort(key=lambda each: each[1] in ("placing", "open", "cancelling"))
    return [
        OrderChanged(now, snapshot.seen + number, order.client_id, order.level.id, state, reason)
        for number, (order, state, reason) in enumerate(news, 1)
    ]


def _news(
    order: Live, standing: Standing | None, replaced: Container[UUID | None]
) -> tuple[OrderState, str] | None:
    if standing is None:
        return "refused", NOT_TAKEN
    state = STATES[standing.status]
    if standing.status in TERMINAL:
        return state, standing.reason
    if order.state == "cancelling":
        going = standing.asked_to_end or order.client_id in replaced or state != "open"
        return None if going else ("open", STANDS)
    ahead = state != order.state and state != "placing"
    return (state, "") if ahead else None


def _is_live(standing: Standing | None) -> bool:
    return standing is not None and standing.status not in TERMINAL
