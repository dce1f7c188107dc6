"""Orders and fills that a user may read. Every query is restricted to an owner."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet

from wallets.domain.status import LIVE
from wallets.models import Fill, LedgerTransaction, Order, Submission
from wallets.selectors.wallets import _readable

if TYPE_CHECKING:
    from accounts.models import User


# --- orders and fills ---------------------------------------------------------------------------------
def orders_page(
    user: "User",
    *,
    wallet_id: UUID | None = None,
    symbol: str = "",
    status: str = "",
    live: bool | None = None,
) -> QuerySet[Order]:
    """Orders that the user may read, newest first."""
    rows = Order.objects.filter(_readable(user, "order", "wallet__user"))
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    if status:
        rows = rows.filter(status=status)
    if live is not None:
        rows = rows.filter(status__in=LIVE) if live else rows.exclude(status__in=LIVE)
    return rows.select_related("instrument", "wallet").order_by("-created_at", "-pk")


def order_get(user: "User", order_id: UUID) -> Order | None:
    """The order, when the user may read it."""
    return orders_page(user).filter(pk=order_id).first()


def fills_page(
    user: "User", *, wallet_id: UUID | None = None, order_id: UUID | None = None, symbol: str = ""
) -> QuerySet[Fill]:
    """Fills that the user may read, newest first."""
    rows = Fill.objects.filter(_readable(user, "order", "wallet__user"))
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    if order_id is not None:
        rows = rows.filter(order=order_id)
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    return rows.select_related("instrument", "wallet").order_by("-time", "-pk")


# --- trace --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OrderTrace:
    """All records of an order, oldest first: submissions, fills and ledger transactions."""

    order: Order
    submissions: list[Submission]
    fills: list[Fill]
    transactions: list[LedgerTransaction]
    replaced_by: list[Order]


def order_trace(order: Order) -> OrderTrace:
    """The records of an order. It may have several submissions, when it was sent again under the same id."""
    named = Submission.objects.filter(wallet=order.wallet_id, answer__orders__contains=[str(order.pk)])
    transactions = LedgerTransaction.objects.filter(wallet=order.wallet_id, order=order)
    return OrderTrace(
        order,
        list(named.order_by("pk")),
        list(order.fills.order_by("time", "pk")),
        list(transactions.prefetch_related("entries").order_by("pk")),
        list(Order.objects.filter(replaces=order).order_by("created_at")),
    )


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
    events += [_replaced(row) for row in order.venue_replacements]
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


def _replaced(row: dict[str, Any]) -> OrderHistoryEvent:
    return OrderHistoryEvent(datetime.fromtimestamp(row["at"] / 1000, UTC), "replaced", row)
