"""Order pages: the list of the user's orders, and the detail page of one."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.authentication import SignedInHttpRequest
from wallets import selectors
from wallets.forms import STATUS_FILTERS, OrdersForm
from wallets.views.base import own_order, own_orders, private

PAGE = 50


@private
@require_GET
def orders(request: SignedInHttpRequest) -> HttpResponse:
    filters = OrdersForm(request.GET).filters()
    status = filters["status"]
    rows = own_orders(
        request,
        wallet_id=filters["wallet"] or None,
        symbol=filters["symbol"],
        status="" if status == "live" else status,
        live=True if status == "live" else None,
    ).order_by(filters["sort"] or "-created_at")
    context = {
        "asked": {**filters, "sort": filters["sort"] or "-created_at"},
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "wallets": list(selectors.wallets_of(request.user)),
        "statuses": STATUS_FILTERS,
        "here": "orders",
    }
    return render(request, "orders/list.html", context)


@private
@require_GET
def order(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    order_row = own_order(request, pk)
    context: dict[str, Any] = {
        "order": order_row,
        "story": selectors.order_history(order_row),
        "here": "orders",
    }
    return render(request, "orders/order.html", context)
