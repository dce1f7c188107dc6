"""Field parsers of Hyperliquid's format: numbers, times, ids, names. Pure; they raise `ParseError`."""

import re
from decimal import Decimal
from typing import Any

from market.domain.errors import ParseError
from market.domain.events import Side

JsonObject = dict[str, Any]  # a decoded object; its fields are untrusted until a parser below has read them
TIME_LIMIT = 1 << 53
ID_LIMIT = 1 << 63
SIDES: dict[str, Side] = {"B": "buy", "A": "sell"}
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,24})?").fullmatch
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}").fullmatch


def number(value: object) -> str:
    """A non-negative plain decimal, returned as text."""
    if isinstance(value, str) and _NUMBER(value):
        return value
    raise ParseError("not a decimal number", value)


def signed(value: object) -> str:
    """A plain decimal with optional minus sign, returned as text."""
    if isinstance(value, str) and value[:1] == "-":
        return "-" + number(value[1:])
    return number(value)


def amount(value: object) -> Decimal:
    """A plain decimal with optional minus sign."""
    if isinstance(value, str):
        return Decimal(signed(value))
    raise ParseError("not a decimal number", value)


def quantity(value: object) -> Decimal:
    """A non-negative plain decimal."""
    return Decimal(number(value))


def time_of(value: object) -> int:
    """Milliseconds since 1970."""
    if type(value) is int and 0 <= value < TIME_LIMIT:
        return value
    raise ParseError("not a time in ms", value)


def identity(value: object) -> str:
    """Venue id of an order or a trade: a 64-bit integer, returned as text."""
    if type(value) is int and 0 <= value < ID_LIMIT:
        return str(value)
    raise ParseError("not an id", value)


def name(value: object) -> str:
    """A non-empty string."""
    if isinstance(value, str) and value:
        return value
    raise ParseError("not a name", value)


def address(value: object) -> str:
    """An account address, converted to lower case."""
    if isinstance(value, str) and _ADDRESS(value):
        return value.lower()
    raise ParseError("not an address", value)
