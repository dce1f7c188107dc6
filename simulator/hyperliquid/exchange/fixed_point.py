"""Fixed-point arithmetic: decimal text to integer units and back.

A perpetual's price times its size is in millionths of a USDC by construction, a spot pair's in
hundred-millionths. So sums are exact; only fees and funding are rounded.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.markets.numbers import decimal_text

USD = 6
WIRE_DECIMALS = 8
MAX_TEXT_LENGTH = 40


def decimal_of(text: Any) -> Decimal:
    """Parse a finite decimal number. Raises `ValueError`."""
    if not isinstance(text, str) or len(text) > MAX_TEXT_LENGTH:
        raise ValueError("not a decimal text")
    try:
        value = Decimal(text)
    except InvalidOperation as problem:
        raise ValueError("not a number") from problem
    if not value.is_finite():
        raise ValueError("not finite")
    return value


def units_of(value: Decimal, decimals: int) -> int:
    """`value` in integer units of 10 ** -decimals. Raises `ValueError` when that would round."""
    scaled = value.scaleb(decimals)
    if scaled != int(scaled):
        raise ValueError("too many decimals")
    return int(scaled)


def usd_text(units: int) -> str:
    return decimal_text(units, USD)


def divided(number: int, by: int) -> int:
    """Quotient rounded to the nearest integer, halves away from zero; `by` must be positive."""
    return -divided(-number, by) if number < 0 else (2 * number + by) // (2 * by)


def share_of(amount: int, part: int, whole: int) -> int:
    """`amount` * `part` / `whole`, rounded to the nearest integer."""
    return divided(amount * part * (1 if whole > 0 else -1), abs(whole))
