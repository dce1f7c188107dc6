"""The account tables under the chart: open orders, positions, fills and balances."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market.selectors import BoardRow
from wallets import selectors
from wallets.views.base import instrument_or_404, own_fills, own_orders, private

TABS = {"orders": "Open orders", "positions": "Positions", "fills": "Fills", "balances": "Balances"}
MOST_ORDERS, MOST_FILLS = 100, 50


@private
@require_GET
def desk(request: HttpRequest, venue: str, symbol: str) -> HttpResponse:
    """One table of the reader's account; `?tab=`, and `?here=1` for this instrument alone."""
    row = instrument_or_404(venue, symbol)
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "orders"
    here = request.GET.get("here") == "1"
    live = own_orders(request, live=True)
    local = [order for order in live[:1000] if order.instrument_id == row.instrument.pk]
    positions = [held for held in selectors.holdings_of(request.user) if not here or _is_of(held, row)]
    context = {
        "row": row,
        "tab": tab,
        "here": here,
        "tabs": [(name, word, None) for name, word in TABS.items()],
        "own_prices": " ".join(sorted({format(order.price, "f") for order in local if _rests(order)})),
        "counts": {"orders": len(local) if here else live.count(), "positions": len(positions)},
        **_rows(request, row, tab, here=here, orders=local if here else live, positions=positions),
    }
    return render(request, "orders/account_tables.html", context)


def _is_of(held: Any, row: BoardRow) -> bool:
    return bool(held.position.instrument_id == row.instrument.pk)


def _rests(order: Any) -> bool:
    return bool(order.kind == "limit" and order.venue_order_id)


def _rows(
    request: HttpRequest, row: BoardRow, tab: str, *, here: bool, orders: Any, positions: list[Any]
) -> dict[str, Any]:
    match tab:
        case "orders":
            return {"orders": orders[:MOST_ORDERS]}
        case "positions":
            return {"positions": positions}
        case "fills":
            symbol = row.instrument.symbol if here else ""
            return {"fills": own_fills(request, symbol=symbol)[:MOST_FILLS]}
    wallets = [wallet for wallet in selectors.wallets_of(request.user) if wallet.venue_id == row.venue.name]
    return {"balances": [(wallet, selectors.balances_of(wallet)) for wallet in wallets]}
