"""Order text: an order in one line, for buttons, notices and the order history."""

from decimal import Decimal
from typing import Protocol

from core import formatting
from core.formatting import UNKNOWN, Figure


class OrderLike(Protocol):
    """An order, or a request for one."""

    @property
    def side(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> Decimal: ...
    @property
    def price(self) -> Decimal | None: ...
    @property
    def trigger_price(self) -> Decimal | None: ...


# Kinds of orders that wait for a trigger price, as a sentence names them.
TRIGGER_NAMES = {
    "stop_market": "stop",
    "stop_limit": "stop limit",
    "take_profit_market": "take profit",
    "take_profit_limit": "take profit limit",
}


def format_amount(value: Figure, least: int = 0) -> str:
    """All digits of the value, and at least `least` decimals: amounts of the ledger are not rounded."""
    number = formatting.decimal_parse(value)
    if number is None:
        return UNKNOWN
    decimals = len(formatting.plain(number).partition(".")[2])
    return formatting.fixed(number, max(decimals, least))


def describe_order(order: OrderLike, base: str, decimals: int) -> str:
    """For example "Buy 0.25 BTC at 71,283" or "Sell stop 0.25 BTC, trigger 70,000"."""
    amount = f"{format_amount(order.size)} {base}"
    if order.trigger_price is not None:
        trigger = format_amount(order.trigger_price, decimals)
        return f"{order.side.capitalize()} {TRIGGER_NAMES[order.kind]} {amount}, trigger {trigger}"
    text = f"{order.side.capitalize()} {amount}"
    if order.kind == "market":
        return f"{text} at market"
    return f"{text} at {format_amount(order.price, decimals)}"
