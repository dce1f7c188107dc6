"""Template filters for orders, positions, keys and limits."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.formatting import UNKNOWN, Figure
from market.templatetags.market import position_scope
from wallets.domain.order_text import describe_order, format_amount
from wallets.domain.risk_context import TradingLimits
from wallets.domain.status import AT_VENUE, LIVE, OrderStatus
from wallets.models import Order
from wallets.selectors.wallets import PositionRow

register = template.Library()

KINDS = {
    "market": "market",
    "limit": "limit",
    "stop_market": "stop",
    "stop_limit": "stop limit",
    "take_profit_market": "take profit",
    "take_profit_limit": "take profit limit",
    "other": "other",
}
DEFAULT_LIMITS = {
    "max_order_notional": "order",
    "max_daily_notional": "daily",
    "max_position_notional": "position",
    "max_leverage": "leverage",
    "price_band_percent": "band_percent",
    "orders_per_minute": "per_minute",
}
ORIGINS = {
    "page": _("placed manually"),
    "api": _("placed through the API"),
    "bot": _("placed by a bot"),
    "external": _("external: placed at the exchange"),
}
# Order status → status style; the status text is shown beside it.
STATUS_STYLES = {
    OrderStatus.PENDING: "idle",
    OrderStatus.SUBMITTING: "idle",
    OrderStatus.UNKNOWN: "late",
    OrderStatus.OPEN: "live",
    OrderStatus.PARTIALLY_FILLED: "live",
    OrderStatus.CANCELLING: "idle",
    OrderStatus.FILLED: "live",
    OrderStatus.CANCELLED: "off",
    OrderStatus.REJECTED: "down",
    OrderStatus.DENIED: "down",
    OrderStatus.EXPIRED: "off",
}


register.filter(format_amount)


@register.simple_tag
def positions_live(venue: str, positions: Iterable[PositionRow]) -> SafeString:
    """Attributes of an element with figures of these positions, all at one venue."""
    rows = list(positions)
    terms = [
        (row.position.instrument.symbol, row.position.size, row.position.cost, row.position.leverage)
        for row in rows
    ]
    return position_scope(venue, terms, known=all(row.mark is not None for row in rows))


@register.simple_tag
def position_live(row: PositionRow) -> SafeString:
    """`positions_live` of one position."""
    return positions_live(row.position.instrument.venue_id, [row])


@register.filter
def roe(row: PositionRow) -> Decimal | None:
    """The unrealised PnL as a percentage of the margin at entry."""
    margin = abs(row.position.cost) / row.position.leverage
    return None if row.unrealised_pnl is None or not margin else 100 * row.unrealised_pnl / margin


@register.filter
def machine(value: Decimal) -> str:
    """All digits for a `data-` attribute: no separators, ASCII minus."""
    return formatting.plain(value)


@register.filter
def signed(value: Figure, decimals: int = 2) -> str:
    return formatting.fixed(value, decimals, signed=True)


@register.filter
def direction_of(value: Decimal) -> str:
    """up, down or flat, by the sign of the value."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


@register.filter
def side_of(size: Decimal) -> str:
    return "long" if size > 0 else "short"


@register.filter
def kind_text(order: Order) -> str:
    parts = [KINDS[order.kind]]
    if order.tif == Order.Tif.ALO:
        parts.append("post-only")
    elif order.tif == Order.Tif.IOC and order.kind == Order.Kind.LIMIT:
        parts.append("IOC")
    if order.reduce_only:
        parts.append("reduce-only")
    return ", ".join(parts)


@register.filter
def origin_text(order: Order) -> str:
    return str(ORIGINS[order.origin])


@register.filter
def status_style(order: Order) -> str:
    return STATUS_STYLES[OrderStatus(order.status)]


@register.filter
def is_live(order: Order) -> bool:
    return order.status in LIVE


@register.filter
def can_change(order: Order) -> bool:
    """Can the order be modified? Resting limit orders without a requested cancel can."""
    resting = order.status in AT_VENUE and order.status != OrderStatus.CANCELLING
    return resting and order.kind == Order.Kind.LIMIT and order.cancel_requested_at is None


@register.filter
def order_text(order: Order, decimals: int = 0) -> str:
    """The order in one line, for example "Buy 0.25 BTC at 71,283"."""
    return describe_order(order, order.instrument.base, decimals)


@register.filter
def status_text(status: str) -> str:
    """For example "Partially filled" for `partially_filled`."""
    return status.replace("_", " ").capitalize()


@register.filter
def signed_figure(value: Figure) -> str:
    """All digits, with a sign."""
    number = formatting.decimal_parse(value)
    if number is None:
        return UNKNOWN
    return formatting.fixed(number, len(formatting.plain(number).partition(".")[2]), signed=True)


@register.filter
def elapsed(moment: datetime, now: datetime) -> str:
    """For example "12 s", "4 min" or "2 h 14 m"."""
    return formatting.age(max(0, int((now - moment).total_seconds() * 1000)))


@register.filter
def remaining(moment: datetime, now: datetime) -> str:
    """For example "in 6 d, 26 Nov"."""
    if moment <= now:
        return f"ended {moment:%d %b}"
    return f"in {elapsed(now, moment)}, {moment.day} {moment:%b}"


@register.filter
def default_limit(limits: TradingLimits, name: str) -> str:
    """The default of a limit, by the name of the wallet's field."""
    return format_amount(getattr(limits, DEFAULT_LIMITS[name]))


@register.filter
def key_hint(address: str) -> str:
    """The first and last characters of an address: enough to recognise it."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address or UNKNOWN
