"""Template tags and filters of the bot pages: equity lines, journal labels, look-ups."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from bots.domain.equity import Point
from bots.selectors import BotCard
from core import formatting
from market.templatetags.market import position_scope

register = template.Library()

SPARK = (96, 24, 2)  # width, height, margin
CURVE = (600, 140, 4)
# Labels of a decision's events for users.
EVENT_LABELS = {
    "TickReceived": _("Price"), "CandleClosed": _("Candle"), "OrderFilled": _("Fill"),
    "OrderUpdated": _("Order"), "Claimed": _("Claimed"), "CandlesLoaded": _("Candles loaded"), "Started": _("Started"),
    "StopRequested": _("Stop requested"), "InputsChanged": _("Inputs"), "Crashed": _("Crash"),
    "TimerFired": _("Timer"), "BookUpdated": _("Book"), "FundingPaid": _("Funding"),
    "PositionAdjusted": _("Position"),
}  # fmt: skip


@register.filter
def of(values: Mapping[Any, Any], key: object) -> Any:
    """The value of a mapping under a variable key."""
    return values.get(key)


@register.simple_tag
def bots_live(venue: str, cards: Iterable[BotCard]) -> SafeString:
    """Attributes of an element with figures of the positions of these bots, all at one venue."""
    rows = list(cards)
    terms = [(row.bot.instrument.symbol, row.size, row.book.position.cost, row.bot.leverage) for row in rows]
    return position_scope(venue, terms, known=all(row.mark is not None or not row.size for row in rows))


@register.simple_tag
def bot_live(card: BotCard) -> SafeString:
    """`bots_live` of one bot."""
    return bots_live(card.bot.instrument.venue_id, [card])


@register.simple_tag
def profit_spark(totals: Sequence[Decimal] | None) -> SafeString | str:
    """Sparkline of the PnL, with a dashed line at its first value. Empty with fewer than two points."""
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
    """Equity chart: total and realised PnL over time, and a dashed line at zero."""
    width, height, margin = CURVE
    amounts = [Decimal(0), *(amount for point in points for amount in (point.realised_pnl, point.total))]
    low, high = min(amounts), max(amounts)
    times = [point.time for point in points]
    return format_html(
        '<svg class="equity" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="0" x2="{}" y1="{}" y2="{}"/>'
        '<polyline class="realised" points="{}"/><polyline class="total" points="{}"/></svg>',
        width, height, width, *(_height(Decimal(0), low, high, height, margin),) * 2,
        _line(times, [point.realised_pnl for point in points], low, high, CURVE),
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
def event_labels(body: Mapping[str, Any]) -> str:
    """Labels of the events of a journal entry: `{"event"}`, or `{"events"}` for several."""
    events = body.get("events") or [body.get("event")]
    names = [event_label(one) for one in events if one]
    return ", ".join(dict.fromkeys(names))


def _kind(event: Mapping[str, Any]) -> str:
    """The event's class name, as `bots.domain.codec` encodes it."""
    return str(event.get("$", ""))


@register.filter
def event_label(event: Mapping[str, Any] | None) -> str:
    """Label of an event for users."""
    return str(EVENT_LABELS.get(_kind(event), _kind(event))) if event else formatting.UNKNOWN


@register.filter
def age_ms(moment: datetime | None, now: datetime) -> int:
    """Age in ms, which the page's script then counts up."""
    return 0 if moment is None else max(0, int((now - moment).total_seconds() * 1000))


@register.filter
def percent_of(part: Decimal | None, whole: Decimal) -> Decimal | None:
    """`part` as a percentage of `whole`."""
    return None if part is None or not whole else 100 * part / whole


@register.filter
def negated(value: Decimal) -> Decimal:
    """The value with the opposite sign."""
    return -value


@register.filter
def magnitude(value: Decimal) -> Decimal:
    """The absolute value."""
    return abs(value)


@register.filter
def digits(value: Decimal | None) -> str:
    """Number for HTML attributes: no thousands separators, ASCII minus. Unknown is zero."""
    return formatting.plain(value or Decimal(0))


@register.filter
def field_text(field: BoundField) -> str:
    """The value of a form field as text, with the label of a choice."""
    value = field.value()
    if isinstance(value, bool) or field.widget_type == "checkbox":
        return _t("yes") if value else _t("no")
    labels = dict(getattr(field.field, "choices", ()))
    return str(labels.get(value, value) or formatting.UNKNOWN)


@register.filter
def times(value: Decimal, other: Decimal) -> Decimal:
    """The product of both values."""
    return value * other


@register.filter
def duration(milliseconds: int) -> str:
    """Duration as text: 12 s, 4 min, 2 h 14 m."""
    return formatting.age(milliseconds)
