"""Cancelling orders: orders that were not sent end here; the others are cancelled at the venue."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from wallets.domain.errors import NotFound, OrderConflict
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Order, Wallet
from wallets.services.nudges import execution_nudge
from wallets.services.unit_of_work import WalletUnitOfWork

if TYPE_CHECKING:
    from accounts.models import User


def order_cancel(*, user: "User", order_id: UUID, http: HttpRequest | None = None) -> Order:
    """Cancel one order. Pending orders end at once; the execution worker cancels the others at the venue,
    in-flight ones once their result is known.

    Raises `NotFound`, and `OrderConflict` when the order has ended. Repeating it changes nothing.
    """
    with transaction.atomic():
        wallet = wallet_locked(user=user, order_id=order_id)
        order = Order.objects.select_related("instrument").get(pk=order_id)
        if order.status in TERMINAL:
            raise OrderConflict(f"This order is already {order.status}.")
        cancel_locked(wallet, [order])
    return order


def orders_cancel(
    *,
    user: "User",
    wallet_id: UUID | None = None,
    symbol: str | None = None,
    of_bots: bool | None = None,
    http: HttpRequest | None = None,
) -> int:
    """Cancel every live order of the user that matches; `of_bots`: only those of bots, or only the others.
    Returns the number of orders.

    Raises `NotFound` for a wallet that is not the user's.
    """
    wallets = Wallet.objects.filter(user=user).order_by("pk")
    if wallet_id is not None:
        wallets = wallets.filter(pk=wallet_id)
        if not wallets.exists():
            raise NotFound("Wallet not found.")
    return sum(_cancel_all(pk, symbol, of_bots=of_bots) for pk in wallets.values_list("pk", flat=True))


def _cancel_all(wallet_id: UUID, symbol: str | None, *, of_bots: bool | None) -> int:
    """One transaction per wallet: no transaction locks the rows of two wallets."""
    with transaction.atomic():
        wallet = Wallet.objects.select_for_update(no_key=True).get(pk=wallet_id)
        orders = Order.objects.filter(wallet=wallet, status__in=LIVE, cancel_requested_at=None)
        if symbol is not None:
            orders = orders.filter(instrument__symbol=symbol)
        if of_bots is not None:
            of_origin = Q(origin=Order.Origin.BOT)
            orders = orders.filter(of_origin if of_bots else ~of_origin)
        return cancel_locked(wallet, orders.select_related("instrument"))


def wallet_locked(*, user: "User", order_id: UUID) -> Wallet:
    """The wallet of the user's order, its row locked. Raises `NotFound`."""
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    wallet = wallets.filter(user=user, pk__in=Order.objects.filter(pk=order_id).values("wallet")).first()
    if wallet is None:
        raise NotFound("Order not found.")
    return wallet


def cancel_locked(wallet: Wallet, orders: Iterable[Order], *, origin_bot: UUID | None = None) -> int:
    """Cancel these orders of a locked wallet. Returns their number.

    `origin_bot` is the id of the bot that cancels: it is not woken for its own change.
    """
    books = WalletUnitOfWork(wallet, timezone.now())
    count = 0
    for order in books.track_orders(orders):
        count += 1
        if order.cancel_requested_at is None:
            order.cancel_requested_at = books.now
            books.order_changed(order)
        if order.status == OrderStatus.PENDING:
            books.order_transition(order, OrderEvent.CANCELLED_LOCALLY)
    books.commit(origin_bot=origin_bot)
    if count:
        execution_nudge(wallet.pk)
    return count
