"""Public market pages: parse, call a selector, render."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from market import selectors
from market.domain.events import INTERVALS
from market.domain.ladder import ladder_of
from market.forms import BoardForm

LANDING_ROWS = 8
STRIP_ROWS = 12
TAPE_ROWS = 60
DEFAULT_INTERVAL = "15m"
CHART_TABLE_ROWS = 20


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "market/landing.html", {"board": selectors.board_get(limit=LANDING_ROWS)})


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    asked = BoardForm(request.GET).asked()
    context = {"board": selectors.board_get(**asked), "asked": asked}
    return render(request, "market/markets.html", context)


@require_safe
def instrument(request: HttpRequest, venue: str, symbol: str) -> HttpResponse:
    found = selectors.instrument_get(venue, symbol)
    if found is None:
        raise Http404(f"There is no instrument {symbol} at {venue}.")
    interval = request.GET.get("interval", "")
    interval = interval if interval in INTERVALS else DEFAULT_INTERVAL
    row = selectors.board_row(found)
    context = {
        "row": row,
        "interval": interval,
        "intervals": list(INTERVALS),
        "strip": selectors.board_get(venue=venue, limit=STRIP_ROWS).rows,
        "candles": selectors.candles_before(found, interval, limit=CHART_TABLE_ROWS),
        **_live_panes(venue, symbol, row.decimals, found.size_decimals),
    }
    return render(request, "market/instrument.html", context)


def _live_panes(venue: str, symbol: str, price_decimals: int, size_decimals: int) -> dict[str, Any]:
    trades = selectors.topic_known(f"trades.{venue}.{symbol}") or []
    book = selectors.topic_known(f"book.{venue}.{symbol}")
    return {
        "ladder": ladder_of(book, price_decimals=price_decimals, size_decimals=size_decimals),
        "trades": trades[: -TAPE_ROWS - 1 : -1],
    }


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    return render(request, "market/status.html", {"house": selectors.house_state()})
