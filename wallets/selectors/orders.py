"""Orders and fills that a user may read. Every query begins with an owner."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from wallets.domain.status import LIVE
from wallets.models import Fill, LedgerTransfer, Order, Submission
from wallets.selectors.wallets import _mine


# --- orders, fills, books -----------------------------------------------------------------------------
def orders_page(
    user: Any, *, wallet_id: UUID | None = None, symbol: str = "", status: str = "", live: bool | None = None
) -> QuerySet[Order]:
    """Orders that the user may read, newest first."""
    rows = Order.objects.filter(_mine(user, "order", "wallet__user"))
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    if status:
        rows = rows.filter(status=status)
    if live is not None:
        rows = rows.filter(status__in=LIVE) if live else rows.exclude(status__in=LIVE)
    return rows.select_related("instrument", "wallet").order_by("-created_at", "-pk")


def order_get(user: Any, order_id: UUID) -> Order | None:
    """The order, when the user may read it."""
    return orders_page(user).filter(pk=order_id).first()


def fills_page(
    user: Any, *, wallet_id: UUID | None = None, order_id: UUID | None = None, symbol: str = ""
) -> QuerySet[Fill]:
    """Fills that the user may read, newest first."""
    rows = Fill.objects.filter(_mine(user, "order", "wallet__user"))
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    if order_id is not None:
        rows = rows.filter(order=order_id)
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    return rows.select_related("instrument", "wallet").order_by("-time", "-pk")


# --- why ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Why:
    """An order's whole story, oldest first: how it was sent, what it traded, what it moved."""

    order: Order
    submissions: list[Submission]
    fills: list[Fill]
    transfers: list[LedgerTransfer]
    replaced_by: list[Order]


def order_why(order: Order) -> Why:
    """Every action that named it (an order may be sent again, under its one id), fills and entries."""
    named = Submission.objects.filter(wallet=order.wallet_id, answer__orders__contains=[str(order.pk)])
    transfers = LedgerTransfer.objects.filter(wallet=order.wallet_id, order=order)
    return Why(
        order,
        list(named.order_by("pk")),
        list(order.fills.order_by("time", "pk")),
        list(transfers.prefetch_related("entries").order_by("pk")),
        list(Order.objects.filter(replaces=order).order_by("created_at")),
    )
