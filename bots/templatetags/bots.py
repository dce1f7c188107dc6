"""What pages of bots show: lines of profit, journal entries in words, looked-up values."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bots.domain.equity import Point
from market.domain import formatting

register = template.Library()

SPARK = (96, 24, 2)  # width, height, margin
CURVE = (600, 140, 4)
# What a decision heard, for people who never read our code.
HEARD = {
    "Ticked": "Price", "CandleClosed": "Candle", "Traded": "Fill", "OrderChanged": "Order", "Claimed": "Claimed",
    "Warmed": "Candles read", "Started": "Started", "StopAsked": "Stop asked", "InputsChanged": "Inputs",
    "Crashed": "Crash", "Woken": "Time", "BookShown": "Book", "FundingPaid": "Funding", "Remains": "Position",
}  # fmt: skip


@register.filter
def of(values: Mapping[Any, Any], key: Any) -> Any:
    return values.get(key)


@register.simple_tag
def profit_spark(totals: Sequence[Decimal] | None) -> SafeString | str:
    """A line of profit; dashed: where it began. Nothing before there are two points."""
    if not totals or len(totals) < 2:
        return ""
    width, height, margin = SPARK
    low, high = min(totals), max(totals)
    return format_html(
        '<svg class="spark" data-dir="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="0" x2="{}" y1="{}" y2="{}"/><polyline points="{}"/></svg>',
        formatting.direction(totals[-1] - totals[0]), width, height, width,
        *(_height(totals[0], low, high, height, margin),) * 2,
        _line(list(range(len(totals))), totals, low, high, SPARK),
    )  # fmt: skip


@register.simple_tag
def equity_lines(points: Sequence[Point]) -> SafeString:
    """Total and realised profit over time, and a dashed line at zero."""
    width, height, margin = CURVE
    amounts = [Decimal(0), *(amount for point in points for amount in (point.realised, point.total))]
    low, high = min(amounts), max(amounts)
    times = [point.time for point in points]
    return format_html(
        '<svg class="equity" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="0" x2="{}" y1="{}" y2="{}"/>'
        '<polyline class="realised" points="{}"/><polyline class="total" points="{}"/></svg>',
        width, height, width, *(_height(Decimal(0), low, high, height, margin),) * 2,
        _line(times, [point.realised for point in points], low, high, CURVE),
        _line(times, [point.total for point in points], low, high, CURVE),
    )  # fmt: skip


def _line(
    times: Sequence[int], amounts: Sequence[Decimal], low: Decimal, high: Decimal, box: tuple[int, int, int]
) -> str:
    width, height, margin = box
    span = (times[-1] - times[0]) or 1
    return " ".join(
        f"{(time - times[0]) * width / span:.1f},{_height(amount, low, high, height, margin)}"
        for time, amount in zip(times, amounts, strict=True)
    )


def _height(amount: Decimal, low: Decimal, high: Decimal, height: int, margin: int) -> str:
    share = (amount - low) / (high - low) if high > low else Decimal("0.5")
    return f"{height - margin - float(share) * (height - 2 * margin):.1f}"


@register.filter
def heard(body: Mapping[str, Any]) -> str:
    """What a decision was made on, from the journal's words: `{"event"}`, or `{"events"}` of several."""
    told = body.get("events") or [body.get("event")]
    names = [HEARD.get(_kind(one), _kind(one)) for one in told if one]
    return ", ".join(dict.fromkeys(names))


def _kind(event: Mapping[str, Any]) -> str:
    """As `bots.domain.codec` names it."""
    return str(event.get("$", ""))


@register.filter
def heard_one(event: Mapping[str, Any] | None) -> str:
    return HEARD.get(_kind(event), _kind(event)) if event else formatting.UNKNOWN


@register.filter
def age_ms(moment: datetime | None, now: datetime) -> int:
    """For the page, which counts on from there."""
    return 0 if moment is None else max(0, int((now - moment).total_seconds() * 1000))


@register.filter
def percent_of(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return None if part is None or not whole else 100 * part / whole


@register.filter
def negated(value: Decimal) -> Decimal:
    return -value


@register.filter
def magnitude(value: Decimal) -> Decimal:
    return abs(value)


@register.filter
def digits(value: Decimal | None) -> str:
    """For attributes that browsers read: no thousands, no real minus. Not known is zero."""
    return formatting.plain(value or Decimal(0))


@register.filter
def said(field: BoundField) -> str:
    """What was typed or chosen, in the words of the form."""
    value = field.value()
    if isinstance(value, bool) or field.widget_type == "checkbox":
        return "yes" if value else "no"
    words = dict(getattr(field.field, "choices", ()))
    return str(words.get(value, value) or formatting.UNKNOWN)


@register.filter
def times(value: Decimal, other: Decimal) -> Decimal:
    return value * other


@register.filter
def span(milliseconds: int) -> str:
    """12 s, 4 min, 2 h 14 m."""
    return formatting.age(milliseconds)
