"""Order pages, and the account tables under the chart: open orders, positions, trade history, balances."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.authentication import SignedInHttpRequest
from market.selectors import MarketRow
from wallets import selectors
from wallets.forms import STATUS_FILTERS, OrdersForm
from wallets.models import Order
from wallets.selectors.wallets import PositionRow
from wallets.views.base import instrument_or_404, own_fills, own_order, own_orders, private

TABS = {
    "orders": _("Open orders"),
    "positions": _("Positions"),
    "fills": _("Trade history"),
    "balances": _("Balances"),
}
MAX_ORDERS, MAX_FILLS = 100, 50


@private
@require_GET
def account_tables(request: SignedInHttpRequest, venue: str, symbol: str) -> HttpResponse:
    """One table of the user's account: `?tab=`; `?here=1` restricts it to this instrument."""
    row = instrument_or_404(venue, symbol)
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "orders"
    here = request.GET.get("here") == "1"
    live = own_orders(request, live=True)
    local = [order for order in live[:1000] if order.instrument_id == row.instrument.pk]
    positions = [
        position for position in selectors.position_rows(request.user) if not here or _is_of(position, row)
    ]
    context = {
        "row": row,
        "tab": tab,
        "here": here,
        "tabs": [(name, label, None) for name, label in TABS.items()],
        "own_prices": " ".join(sorted({format(order.price, "f") for order in local if _is_resting(order)})),
        "counts": {"orders": len(local) if here else live.count(), "positions": len(positions)},
        **_rows(request, row, tab, here=here, orders=local if here else live, positions=positions),
    }
    return render(request, "orders/account_tables.html", context)


def _is_of(position_row: PositionRow, row: MarketRow) -> bool:
    return bool(position_row.position.instrument_id == row.instrument.pk)


def _is_resting(order: Order) -> bool:
    return bool(order.kind == "limit" and order.venue_order_id)


def _rows(
    request: SignedInHttpRequest,
    row: MarketRow,
    tab: str,
    *,
    here: bool,
    orders: QuerySet[Order] | list[Order],
    positions: list[Any],
) -> dict[str, Any]:
    match tab:
        case "orders":
            return {"orders": orders[:MAX_ORDERS]}
        case "positions":
            return {"positions": positions}
        case "fills":
            symbol = row.instrument.symbol if here else ""
            return {"fills": own_fills(request, symbol=symbol)[:MAX_FILLS]}
    wallets = [wallet for wallet in selectors.wallets_of(request.user) if wallet.venue_id == row.venue.name]
    return {"balances": [(wallet, selectors.balances_of(wallet)) for wallet in wallets]}


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
