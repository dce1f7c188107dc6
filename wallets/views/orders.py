"""All orders of the reader, and the story of one."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from wallets import selectors
from wallets.forms import SHOWN, OrdersForm
from wallets.views.base import own_order, own_orders, private

PAGE = 50


@private
@require_GET
def orders(request: HttpRequest) -> HttpResponse:
    asked = OrdersForm(request.GET).asked()
    show = asked["show"]
    rows = own_orders(
        request,
        wallet_id=asked["wallet"] or None,
        symbol=asked["symbol"],
        status="" if show == "live" else show,
        live=True if show == "live" else None,
    ).order_by(asked["sort"] or "-created_at")
    context = {
        "asked": {**asked, "sort": asked["sort"] or "-created_at"},
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "wallets": list(selectors.wallets_of(request.user)),
        "statuses": SHOWN,
        "here": "orders",
    }
    return render(request, "orders/list.html", context)


@private
@require_GET
def order(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = own_order(request, pk)
    context: dict[str, Any] = {"order": found, "story": selectors.order_story(found), "here": "orders"}
    return render(request, "orders/order.html", context)
