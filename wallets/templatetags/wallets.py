"""Orders, holdings and keys in words and figures."""

from decimal import Decimal
from typing import Any

from django import template

from market.domain import figures
from market.domain.figures import UNKNOWN, Figure
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


@register.filter
def figure(value: Figure, least: int = 0) -> str:
    """Every digit that there is, and `least` decimals in any case: books are not rounded."""
    number = figures.decimal_parse(value)
    if number is None:
        return UNKNOWN
    text = figures.plain(number)
    decimals = len(text.partition(".")[2])
    return figures.fixed(number, max(decimals, least))


@register.filter
def signed(value: Figure, decimals: int = 2) -> str:
    return figures.fixed(value, decimals, signed=True)


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
def order_words(order: Order, decimals: int = 2) -> str:
    """Buy 0.25 BTC at 71,283: what was asked for."""
    return wish_words(order, order.instrument.base, decimals)


def wish_words(wish: Any, base: str, decimals: int) -> str:
    """The same of an order or of a request for one."""
    words = f"{wish.side.capitalize()} {figure(wish.size)} {base}"
    if wish.trigger_price is not None:
        return f"{words} when it reaches {figures.price(wish.trigger_price, decimals)}"
    if wish.kind == "market":
        return f"{words} at the market"
    return f"{words} at {figures.price(wish.price, decimals)}"


@register.filter
def key_hint(address: str) -> str:
    """First four and last four: enough to recognise, not enough to copy."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address or UNKNOWN
