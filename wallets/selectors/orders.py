"""Orders and fills that a user may read. Every query is restricted to an owner."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
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
