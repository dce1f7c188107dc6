"""Taking orders back. What has not left the house ends here; the rest is asked of the venue."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from wallets.domain.errors import NotFound, OrderConflict
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Order, Wallet
from wallets.services.nudges import execution_nudge
from wallets.services.unit_of_work import Books


def order_cancel(*, user: Any, order_id: UUID, http: Any = None) -> Order:
    """Pending orders end at once; others are cancelled by `execution`, those in doubt when they are found.

    Raises `NotFound`, and `OrderConflict` when the order has ended. Asking twice is asking once.
    """
    with transaction.atomic():
        wallet = wallet_locked(user=user, order_id=order_id)
        order = Order.objects.select_related("instrument").get(pk=order_id)
        if order.status in TERMINAL:
            raise OrderConflict(f"This order is {order.status} already.")
        cancel_locked(wallet, [order])
    return order


def orders_cancel(
    *, user: Any, wallet_id: UUID | None = None, symbol: str | None = None, http: Any = None
) -> int:
    """Cancel every live order of the user that matches. Returns how many were asked to end.

    Raises `NotFound` for a wallet that is not the user's.
    """
    wallets = Wallet.objects.filter(user=user).order_by("pk")
    if wallet_id is not None:
        wallets = wallets.filter(pk=wallet_id)
        if not wallets.exists():
            raise NotFound("There is no such wallet.")
    return sum(_cancel_all(pk, symbol) for pk in wallets.values_list("pk", flat=True))


def _cancel_all(wallet_id: UUID, symbol: str | None) -> int:
    """One wallet at a time: nobody ever holds two wallets' locks."""
    with transaction.atomic():
        wallet = Wallet.objects.select_for_update(no_key=True).get(pk=wallet_id)
        orders = Order.objects.filter(wallet=wallet, status__in=LIVE, cancel_asked_at=None)
        if symbol is not None:
            orders = orders.filter(instrument__symbol=symbol)
        return cancel_locked(wallet, orders.select_related("instrument"))


def wallet_locked(*, user: Any, order_id: UUID) -> Wallet:
    """The wallet of the user's order. Raises `NotFound`."""
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    wallet = wallets.filter(user=user, pk__in=Order.objects.filter(pk=order_id).values("wallet")).first()
    if wallet is None:
        raise NotFound("There is no such order.")
    return wallet


def cancel_locked(wallet: Wallet, orders: Iterable[Order], *, knows: UUID | None = None) -> int:
    """Cancel these orders of a wallet whose row is locked. Returns how many they were.

    `knows` is the bot that asks for it: it need not be told.
    """
    books = Books(wallet, timezone.now())
    count = 0
    for order in books.orders_know(orders):
        count += 1
        if order.cancel_asked_at is None:
            order.cancel_asked_at = books.now
            books.order_changed(order)
        if order.status == OrderStatus.PENDING:
            books.order_move(order, OrderEvent.CANCELLED_HERE)
    books.close(knows=knows)
    if count:
        execution_nudge(wallet.pk)
    return count
