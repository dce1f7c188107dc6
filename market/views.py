"""Public market pages: parse the request, call a selector, render."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
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
    return render(request, "market/landing.html", {"board": selectors.market_table(limit=LANDING_ROWS)})


@require_safe
def markets(request: HttpRequest) -> HttpResponse:
    filters = BoardForm(request.GET).filters()
    context = {"board": selectors.market_table(**filters), "asked": filters}
    return render(request, "market/markets.html", context)


@require_safe
def instrument(request: HttpRequest, venue: str, symbol: str) -> HttpResponse:
    instrument_row = selectors.instrument_get(venue, symbol)
    if instrument_row is None:
        raise Http404(_("Unknown instrument %(symbol)s on %(venue)s.") % {"symbol": symbol, "venue": venue})
    interval = request.GET.get("interval", "")
    interval = interval if interval in INTERVALS else DEFAULT_INTERVAL
    row = selectors.market_row(instrument_row)
    context = {
        "row": row,
        "interval": interval,
        "intervals": list(INTERVALS),
        "strip": selectors.market_table(venue=venue, limit=STRIP_ROWS).rows,
        "candles": selectors.candles_before(instrument_row, interval, limit=CHART_TABLE_ROWS),
        **_live_panes(venue, symbol, row.decimals, instrument_row.size_decimals),
    }
    return render(request, "market/instrument.html", context)


def _live_panes(venue: str, symbol: str, price_decimals: int, size_decimals: int) -> dict[str, Any]:
    trades = selectors.topic_or_none(f"trades.{venue}.{symbol}") or []
    book = selectors.topic_or_none(f"book.{venue}.{symbol}")
    return {
        "ladder": ladder_of(book, price_decimals=price_decimals, size_decimals=size_decimals),
        "trades": trades[: -TAPE_ROWS - 1 : -1],
    }


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    return render(request, "market/status.html", {"system": selectors.system_status()})
