"""What somebody asks for, in one line: on buttons, in notices, in the story of an order."""

from decimal import Decimal
from typing import Protocol

from market.domain import formatting
from market.domain.formatting import UNKNOWN, Figure


class Wish(Protocol):
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


def figure(value: Figure, least: int = 0) -> str:
    """Every digit that there is, and `least` decimals in any case: books are not rounded."""
    number = formatting.decimal_parse(value)
    if number is None:
        return UNKNOWN
    decimals = len(formatting.plain(number).partition(".")[2])
    return formatting.fixed(number, max(decimals, least))


def wish_words(wish: Wish, base: str, decimals: int) -> str:
    """Buy 0.25 BTC at 71,283."""
    words = f"{wish.side.capitalize()} {figure(wish.size)} {base}"
    if wish.trigger_price is not None:
        return f"{words} when it reaches {figure(wish.trigger_price, decimals)}"
    if wish.kind == "market":
        return f"{words} at the market"
    return f"{words} at {figure(wish.price, decimals)}"
