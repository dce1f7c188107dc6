"""Template tags and filters: number formatting, sparklines, status bar and sortable tables."""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.formatting import Figure
from market.selectors import MarketRow, VenueState, venue_states

logger = logging.getLogger(__name__)
register = template.Library()

THEMES = ("dark", "light", "system")
SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 96, 24, 2
INTERVAL_LABELS = {
    "1m": _("1 minute"),
    "5m": _("5 minutes"),
    "15m": _("15 minutes"),
    "1h": _("1 hour"),
    "4h": _("4 hours"),
    "1d": _("1 day"),
}


@register.simple_tag(takes_context=True)
def theme(context: dict[str, Any]) -> str:
    """The theme from the user's cookie; dark when unknown."""
    request: HttpRequest | None = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else context.get("theme_of", "")
    return chosen if chosen in THEMES else THEMES[0]


@register.filter
def as_price(value: Figure, decimals: int = 2) -> str:
    return formatting.price(value, decimals)


@register.filter
def as_pct(value: Figure) -> str:
    return formatting.pct(value)


@register.filter
def as_bp(value: Figure) -> str:
    return formatting.bp(value)


@register.filter
def as_compact(value: Figure) -> str:
    return formatting.compact(value)


@register.filter
def as_age(milliseconds: int | None) -> str:
    return formatting.age(milliseconds)


@register.filter
def direction(value: Figure) -> str:
    return formatting.direction(value)


@register.filter
def as_clock(milliseconds: int) -> str:
    """UTC time of day: 14:32:07."""
    return format(datetime.fromtimestamp(milliseconds / 1000, tz=UTC), "%H:%M:%S")


@register.filter
def as_moment(milliseconds: int) -> str:
    """UTC date and time: 20 Nov 14:30."""
    return format(datetime.fromtimestamp(milliseconds / 1000, tz=UTC), "%d %b %H:%M").lstrip("0")


@register.filter
def interval_label(interval: str) -> str:
    return str(INTERVAL_LABELS[interval])


@register.filter
def asset_mark(symbol: str) -> str:
    """Up to four characters for the asset badge."""
    return "".join(letter for letter in symbol if letter.isalnum())[:4]


def position_scope(
    venue: str, positions: Iterable[tuple[str, Decimal, Decimal, int]], *, known: bool = True
) -> SafeString:
    """Attributes of an element with figures of positions: (symbol, size, cost, leverage), by the venue's ticks.

    `known`: the server has the prices now. Without positions the figures depend on no price.
    """
    rows = [
        [symbol, formatting.plain(size), formatting.plain(cost), leverage]
        for symbol, size, cost, leverage in positions
        if size
    ]
    age = mark_safe(' data-age-ms="0"') if known and rows else ""
    return format_html(
        'data-live="ticks.{}" data-positions="{}" data-stale-after="3000"{}', venue, json.dumps(rows), age
    )


@register.simple_tag
def spark(row: MarketRow) -> SafeString | str:
    """SVG sparkline of the last 24 h; the dashed line is the price 24 h ago. Empty without history."""
    values = row.spark
    if len(values) < 2:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1.0
    inner = SPARK_HEIGHT - 2 * SPARK_MARGIN
    heights = [SPARK_HEIGHT - SPARK_MARGIN - (value - low) / span * inner for value in values]
    step = SPARK_WIDTH / (len(values) - 1)
    return format_html(
        '<svg class="spark" data-dir="{}" viewBox="0 0 96 24" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="0" x2="96" y1="{}" y2="{}"/><polyline points="{}"/></svg>',
        formatting.direction(row.tick.get("change24h")),
        *(f"{heights[0]:.1f}",) * 2,
        " ".join(f"{index * step:.1f},{height:.1f}" for index, height in enumerate(heights)),
    )


def _venues() -> list[VenueState]:
    # The status page uses this layout too, and must render while the database is unavailable.
    try:
        return venue_states()
    except DatabaseError:
        logger.warning("database unavailable: venues not read", exc_info=True)
        return []


@register.inclusion_tag("shell/statusbar.html")
def statusbar() -> dict[str, Any]:
    return {"venues": _venues(), "now": timezone.now()}


@register.inclusion_tag("shell/worst_feed.html")
def worst_feed() -> dict[str, Any]:
    """The feed with the worst status, for small screens."""
    order = {"down": 0, "late": 1, "live": 2}
    venues = sorted(_venues(), key=lambda venue: (order.get(venue.status, 0), -(venue.age_ms or 0)))
    return {"venue": venues[0] if venues else None}


@register.simple_tag(takes_context=True)
def sort_link(context: dict[str, Any], name: str) -> str:
    """Query string that sorts the markets table by this column.

    The first click sorts numbers descending and text ascending; the next one reverses the order.
    """
    request: HttpRequest = context["request"]
    current = context["asked"]["sort"]
    first = name if name in ("name", "venue") else f"-{name}"
    query = request.GET.copy()
    query["sort"] = (
        (name if current.startswith("-") else f"-{name}") if current.lstrip("-") == name else first
    )
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def query_with(context: dict[str, Any], name: str, value: str) -> str:
    """The query string with one parameter replaced; an empty value removes it."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    query[name] = value
    if not value:
        del query[name]
    return f"?{query.urlencode()}"


@register.filter
def sorted_as(sort: str, name: str) -> str:
    """`aria-sort` value of a column: "ascending", "descending" or empty."""
    if sort.lstrip("-") != name:
        return ""
    return "descending" if sort.startswith("-") else "ascending"
