"""Order actions: cancel, modify, cancel all."""

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from accounts.authentication import SignedInHttpRequest
from core.formatting import plain
from wallets import services
from wallets.domain.errors import OrderConflict, OrderDenied, OrderError, OrderInvalid
from wallets.forms import CancelAllForm, ChangeForm
from wallets.models import Order
from wallets.views.base import changed, own_order, own_orders, own_wallet, private, refused

MAX_NAMED = 50  # orders that the dialog lists


@private
@require_GET
def row(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    return _row(request, own_order(request, pk))


def _row(request: SignedInHttpRequest, order: Order) -> HttpResponse:
    return render(request, "orders/row.html", {"order": order})


@private
@require_POST
def cancel(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """Cancel an order; the response is its updated row."""
    try:
        order = services.order_cancel(user=request.user, order_id=pk, http=request)
    except OrderConflict as error:
        return refused(request, error)
    return _row(request, own_order(request, order.pk)) if request.htmx else redirect("orders:list")


@private
@require_http_methods(["GET", "POST"])
def cancel_all(request: SignedInHttpRequest) -> HttpResponse:
    """GET: the dialog with the orders and their owners. POST: cancel those of the chosen scope."""
    form = CancelAllForm(request.GET if request.method == "GET" else request.POST)
    if not form.is_valid():
        return refused(request, OrderInvalid("symbol", _("Unknown wallet or instrument.")))
    data = form.cleaned_data
    if request.method == "GET":
        return _cancel_dialog(request, data["wallet"], data["symbol"])
    count = services.orders_cancel(
        user=request.user, wallet_id=data["wallet"], symbol=data["symbol"] or None,
        of_bots={"manual": False, "bots": True}.get(data["scope"]), http=request,
    )  # fmt: skip
    sentence = ngettext("Cancelling %(count)d order", "Cancelling %(count)d orders", count) % {"count": count}
    response = changed(request, "order")
    if not request.htmx:
        messages.success(request, sentence)
        return response
    return trigger_client_event(response, "toast:show", {"kind": "fill", "title": sentence})


def _cancel_dialog(request: SignedInHttpRequest, wallet_id: UUID | None, symbol: str) -> HttpResponse:
    live = own_orders(request, live=True, symbol=symbol, wallet_id=wallet_id).filter(cancel_requested_at=None)
    total, bots = live.count(), live.filter(origin=Order.Origin.BOT).count()
    manual = total - bots
    scopes = [
        {"value": "manual", "label": _("My orders"), "count": manual,
         "help": _("Placed by you, by your programs or at the exchange. Orders of bots stay.")},
        {"value": "bots", "label": _("Orders of bots"), "count": bots,
         "help": _("A running bot may place new ones at its next decision. To end them, stop the bot.")},
        {"value": "all", "label": _("All"), "count": total, "help": _("Both of these.")},
    ]  # fmt: skip
    context = {
        "symbol": symbol, "wallet": own_wallet(request, wallet_id) if wallet_id else None, "scopes": scopes,
        "chosen": "manual" if manual else "bots", "total": manual or bots,
        "orders": live[:MAX_NAMED], "more": max(0, total - MAX_NAMED),
    }  # fmt: skip
    return render(request, "orders/cancel_all.html", context)


@private
@require_http_methods(["GET", "POST"])
def change(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """GET: the row as a form. POST: modify the order; the response is the row of the new order."""
    old = own_order(request, pk)
    if request.method == "GET":
        return _form(request, old, ChangeForm(initial=_initial(old)))
    form = ChangeForm(request.POST, mark=old.price)
    if not form.is_valid():
        return _form(request, old, form, status=422)
    data = form.cleaned_data
    try:
        new = services.order_modify(
            user=request.user, order_id=pk, client_id=data["client_id"], http=request,
            price=data["price"] if data["price"] != old.price else None,
            size=data["size"] if data["size"] != old.size else None,
        )  # fmt: skip
    except OrderInvalid as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _form(request, old, form, status=422)
    except (OrderDenied, OrderConflict) as error:
        return _form(request, old, form, status=422, refusal=error)
    if not request.htmx:
        return redirect("orders:order", new.pk)
    return trigger_client_event(_row(request, own_order(request, new.pk)), "me:order", after="swap")


def _initial(order: Order) -> dict[str, Any]:
    return {"client_id": uuid4(), "price": plain(order.price), "size": plain(order.size)}


def _form(
    request: SignedInHttpRequest,
    order: Order,
    form: ChangeForm,
    *,
    status: int = 200,
    refusal: OrderError | None = None,
) -> HttpResponse:
    client_id = uuid4() if refusal else form["client_id"].value()
    context = {"order": order, "form": form, "refusal": refusal, "client_id": client_id}
    return render(request, "orders/change.html", context, status=status)
