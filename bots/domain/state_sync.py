"""State synchronisation: compares a snapshot with the wallet's orders and computes the missing own events.

Missing events are computed from the difference and never queued, so that a process may die anywhere
between a change in the wallet and its delivery to the runner without losing the event.
"""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bots.domain.events import FundingPaid, OrderUpdated, PositionAdjusted
from bots.domain.lifecycle import STARTUP
from bots.domain.orders import LiveOrder
from bots.domain.snapshot import Snapshot
from bots.sdk.events import OrderState
from wallets.domain.status import TERMINAL, OrderStatus

_S = OrderStatus
STATES: Mapping[OrderStatus, OrderState] = {
    _S.PENDING: "placing", _S.SUBMITTING: "placing", _S.UNKNOWN: "placing", _S.OPEN: "open",
    _S.PARTIALLY_FILLED: "open", _S.CANCELLING: "cancelling", _S.FILLED: "filled", _S.CANCELLED: "cancelled",
    _S.REJECTED: "rejected", _S.DENIED: "rejected", _S.EXPIRED: "rejected",
}  # fmt: skip
ZERO = Decimal(0)
NOT_ACCEPTED = "The order was not accepted."
CHANGE_REJECTED = "Still open: the cancel or modify request was rejected."


@dataclass(frozen=True, slots=True)
class OrderView:
    """An own order as the wallet stores it. `cancel_requested`: a cancel was requested for it."""

    status: OrderStatus
    message: str = ""
    cancel_requested: bool = False


def needs_position_check(snapshot: Snapshot) -> bool:
    """Whether to compare the position with the venue's: before a close, and when a new run inherits it."""
    inherited = snapshot.status in STARTUP and not snapshot.last_seq and bool(snapshot.position.size)
    return snapshot.closing or inherited


@dataclass(frozen=True, slots=True)
class PositionView:
    """The bot's funding and position according to the ledger. `funding` is the sum of its shares.

    `remaining` and `covered` are as in `PositionAdjusted`; `remaining` is None when it was not requested.
    """

    funding: Decimal = ZERO
    remaining: Decimal | None = None
    covered: bool = True


def missing_position_updates(
    snapshot: Snapshot, position: PositionView, now: int
) -> list[FundingPaid | PositionAdjusted]:
    """Funding shares that the snapshot lacks, as one payment, and an adjustment to the remaining position.

    `position` must include exactly the fills that the snapshot includes.
    """
    updates: list[FundingPaid | PositionAdjusted] = []
    if paid := position.funding - snapshot.position.funding:
        updates.append(FundingPaid(now, snapshot.last_seq + 1, f"funding:{position.funding}", paid))
    if position.remaining is None:
        return updates
    own = snapshot.position.size
    remaining = min(own, position.remaining, key=abs) if own * position.remaining > 0 else ZERO
    if (remaining, position.covered) != (own, snapshot.reduce_only_possible):
        updates.append(
            PositionAdjusted(now, snapshot.last_seq + len(updates) + 1, remaining, position.covered)
        )
    return updates


def missing_order_updates(
    snapshot: Snapshot, requested: Collection[UUID], views: Mapping[UUID, OrderView], now: int
) -> list[OrderUpdated]:
    """Order updates since the snapshot, numbered after its last own event.

    `requested` orders without a view were never stored. Terminal updates come first, so that a rejected
    replacement has ended before the order that it should have replaced is reported open again.
    """
    replaced = {order.replaces for order in snapshot.live if _is_live(views.get(order.client_id))}
    updates = [
        (order, *update)
        for order in snapshot.live
        if order.client_id in requested
        and (update := _missing_update(order, views.get(order.client_id), replaced))
    ]
    updates.sort(key=lambda each: each[1] in ("placing", "open", "cancelling"))
    return [
        OrderUpdated(now, snapshot.last_seq + number, order.client_id, order.level.id, state, reason)
        for number, (order, state, reason) in enumerate(updates, 1)
    ]


def _missing_update(
    order: LiveOrder, view: OrderView | None, replaced: Container[UUID | None]
) -> tuple[OrderState, str] | None:
    if view is None:
        return "rejected", NOT_ACCEPTED
    state = STATES[view.status]
    if view.status in TERMINAL:
        return state, view.message
    if order.state == "cancelling":
        is_ending = view.cancel_requested or order.client_id in replaced or state != "open"
        return None if is_ending else ("open", CHANGE_REJECTED)
    has_advanced = state != order.state and state != "placing"
    return (state, "") if has_advanced else None


def _is_live(view: OrderView | None) -> bool:
    return view is not None and view.status not in TERMINAL
