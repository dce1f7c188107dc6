"""Orders, holdings and keys in words and figures."""

from datetime import datetime
from decimal import Decimal

from django import template

from market.domain import formatting
from market.domain.formatting import UNKNOWN, Figure
from wallets.domain.order_text import figure, wish_words
from wallets.domain.risk_context import Limits
from wallets.domain.status import AT_VENUE, LIVE, OrderStatus
from wallets.models import Order

register = template.Library()

KINDS = {
    "market": "market",
    "limit": "limit",
    "stop_market": "stop",
    "stop_limit": "stop, limit",
    "take_market": "take profit",
    "take_limit": "take profit, limit",
}
HOUSE_LIMITS = {
    "max_order_notional": "order",
    "max_day_notional": "day",
    "max_position_notional": "position",
    "max_leverage": "leverage",
    "price_band_percent": "band_percent",
    "orders_per_minute": "per_minute",
}
ORIGINS = {
    "page": "by you, on a page",
    "api": "by a program",
    "bot": "by a bot",
    "external": "at the venue, not by us",
}
# The shape that says how an order is; its word stands beside it.
SHAPES = {
    OrderStatus.PENDING: "idle",
    OrderStatus.SUBMITTING: "idle",
    OrderStatus.UNKNOWN: "late",
    OrderStatus.OPEN: "live",
    OrderStatus.PARTLY_FILLED: "live",
    OrderStatus.CANCELLING: "idle",
    OrderStatus.FILLED: "live",
    OrderStatus.CANCELLED: "off",
    OrderStatus.REJECTED: "down",
    OrderStatus.DENIED: "down",
    OrderStatus.EXPIRED: "off",
}


register.filter(figure)


@register.filter
def signed(value: Figure, decimals: int = 2) -> str:
    return formatting.fixed(value, decimals, signed=True)


@register.filter
def direction_of(value: Decimal) -> str:
    """Of the sign alone, however small the value."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


@register.filter
def side_of(size: Decimal) -> str:
    return "long" if size > 0 else "short"


@register.filter
def kind_words(order: Order) -> str:
    words = [KINDS[order.kind]]
    if order.tif == Order.Tif.ALO:
        words.append("post only")
    elif order.tif == Order.Tif.IOC and order.kind == Order.Kind.LIMIT:
        words.append("at once or not")
    if order.reduce_only:
        words.append("reduce only")
    return ", ".join(words)


@register.filter
def origin_words(order: Order) -> str:
    return ORIGINS[order.origin]


@register.filter
def shape(order: Order) -> str:
    return SHAPES[OrderStatus(order.status)]


@register.filter
def is_live(order: Order) -> bool:
    return order.status in LIVE


@register.filter
def can_change(order: Order) -> bool:
    """Resting limit orders that nobody asked to cancel."""
    rests = order.status in AT_VENUE and order.status != OrderStatus.CANCELLING
    return rests and order.kind == Order.Kind.LIMIT and order.cancel_asked_at is None


@register.filter
def order_words(order: Order, decimals: int = 0) -> str:
    """Buy 0.25 BTC at 71,283: what was asked for."""
    return wish_words(order, order.instrument.base, decimals)


@register.filter
def status_words(status: str) -> str:
    """Partly filled, of `partly_filled`."""
    return status.replace("_", " ").capitalize()


@register.filter
def signed_figure(value: Figure) -> str:
    """Every digit, and a sign."""
    number = formatting.decimal_parse(value)
    if number is None:
        return UNKNOWN
    return formatting.fixed(number, len(formatting.plain(number).partition(".")[2]), signed=True)


@register.filter
def since(moment: datetime, now: datetime) -> str:
    """12 s, 4 min, 2 h 14 m."""
    return formatting.age(max(0, int((now - moment).total_seconds() * 1000)))


@register.filter
def until(moment: datetime, now: datetime) -> str:
    """in 6 d, 26 Nov."""
    if moment <= now:
        return f"ended {moment:%d %b}"
    return f"in {since(now, moment)}, {moment.day} {moment:%b}"


@register.filter
def house_limit(limits: Limits, name: str) -> str:
    """The house's own value of a limit, by the name of a wallet's field."""
    return figure(getattr(limits, HOUSE_LIMITS[name]))


@register.filter
def key_hint(address: str) -> str:
    """First four and last four: enough to recognise, not enough to copy."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address or UNKNOWN
