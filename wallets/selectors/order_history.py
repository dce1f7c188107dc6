"""What became of an order, from the asking to the last entry, in the order in which it happened."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wallets.models import Fill, Order, Submission
from wallets.selectors.orders import Why, order_why


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story. `what` names it; `row` is what was written down."""

    at: datetime
    what: str
    row: Any = None


@dataclass(frozen=True, slots=True)
class Story:
    events: list[Event]
    why: Why


def order_story(order: Order) -> Story:
    """The story of an order that somebody may read (`order_get`)."""
    why = order_why(order)
    told = [*_moments(order), *_sent(why.submissions), *(_filled(fill) for fill in why.fills)]
    return Story(sorted(told, key=lambda event: event.at), why)


def _moments(order: Order) -> list[Event]:
    # A denial is judged a moment before the row of the order is written.
    ended = max(order.ended_at, order.created_at) if order.ended_at else None
    moments = (
        (order.created_at, "asked"),
        (order.accepted_at, "accepted"),
        (order.cancel_asked_at, "cancel_asked"),
        (ended, "ended"),
    )
    return [Event(at, what) for at, what in moments if at is not None]


def _sent(submissions: list[Submission]) -> list[Event]:
    out = [Event(row.created_at, "submitted", row) for row in submissions]
    return out + [Event(row.answered_at, "answered", row) for row in submissions if row.answered_at]


def _filled(fill: Fill) -> Event:
    return Event(datetime.fromtimestamp(fill.time / 1000, UTC), "filled", fill)
