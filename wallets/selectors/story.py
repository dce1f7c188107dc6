"""What became of an order, from the asking to the last entry: everything that was written down about it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from wallets.models import Fill, LedgerTransfer, Order, Submission
from wallets.selectors.reading import _with_entries


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story. `what` names it; `row` is what was written down."""

    at: datetime
    what: str
    row: Any = None


@dataclass(frozen=True, slots=True)
class Story:
    """`events` in the order in which they happened; `replaced_by` is the order that took its place."""

    events: list[Event]
    fills: list[Fill]
    transfers: list[LedgerTransfer]
    replaced_by: Order | None


def order_why(order: Order) -> Story:
    """The story of an order that somebody may read (`order_get`)."""
    fills = list(order.fills.order_by("time", "pk").select_related("instrument", "wallet"))
    transfers = list(_with_entries(LedgerTransfer.objects.filter(order=order)).order_by("pk"))
    events = [*_moments(order), *_submissions(order), *(_fill(fill) for fill in fills)]
    replaced_by = Order.objects.filter(replaces=order).order_by("-created_at").first()
    return Story(sorted(events, key=lambda event: event.at), fills, transfers, replaced_by)


def _moments(order: Order) -> list[Event]:
    moments = (
        (order.created_at, "asked"),
        (order.accepted_at, "accepted"),
        (order.cancel_asked_at, "cancel_asked"),
        (order.ended_at, "ended"),
    )
    return [Event(at, what) for at, what in moments if at is not None]


def _submissions(order: Order) -> list[Event]:
    """Every action in which it was: an order in doubt may have been sent twice, under one id."""
    named = Q(answer__orders__contains=[str(order.pk)])
    own = Q(pk__in=[key for key in (order.submission_id, order.cancel_submission_id) if key])
    rows = Submission.objects.filter(named | own, wallet=order.wallet_id).order_by("pk")
    sent = [Event(row.created_at, "submitted", row) for row in rows]
    return sent + [Event(row.answered_at, "answered", row) for row in rows if row.answered_at]


def _fill(fill: Fill) -> Event:
    return Event(datetime.fromtimestamp(fill.time / 1000, UTC), "filled", fill)
