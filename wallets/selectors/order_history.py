"""Order history: the events of an order from its placement to its end, by time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wallets.models import Fill, Order, Submission
from wallets.selectors.orders import OrderTrace, order_trace


@dataclass(frozen=True, slots=True)
class OrderHistoryEvent:
    """One event of the history. `what` is its kind; `row` is the submission or fill."""

    at: datetime
    what: str
    row: Any = None


@dataclass(frozen=True, slots=True)
class OrderHistory:
    events: list[OrderHistoryEvent]
    why: OrderTrace


def order_history(order: Order) -> OrderHistory:
    """The history of an order. The caller has checked that the user may read it (`order_get`)."""
    trace = order_trace(order)
    events = [*_moments(order), *_sent(trace.submissions), *(_filled(fill) for fill in trace.fills)]
    return OrderHistory(sorted(events, key=lambda event: event.at), trace)


def _moments(order: Order) -> list[OrderHistoryEvent]:
    # A denied order ends (by its manager's clock) just before its row is created.
    ended = max(order.ended_at, order.created_at) if order.ended_at else None
    moments = (
        (order.created_at, "asked"),
        (order.accepted_at, "accepted"),
        (order.cancel_requested_at, "cancel_requested"),
        (ended, "ended"),
    )
    return [OrderHistoryEvent(at, what) for at, what in moments if at is not None]


def _sent(submissions: list[Submission]) -> list[OrderHistoryEvent]:
    submitted = [OrderHistoryEvent(row.created_at, "submitted", row) for row in submissions]
    return submitted + [
        OrderHistoryEvent(row.answered_at, "answered", row) for row in submissions if row.answered_at
    ]


def _filled(fill: Fill) -> OrderHistoryEvent:
    return OrderHistoryEvent(datetime.fromtimestamp(fill.time / 1000, UTC), "filled", fill)
