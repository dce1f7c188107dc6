"""Number formatting: decimals, signs, units and ages, identical on the server and in the browser.

`static/js/format.js` is the JavaScript twin; `tests/data/format_cases.json` tests both with the same cases.
Rounding is half away from zero, because both implementations can do that exactly on decimal strings.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"
MAX_DIGITS = 60
DECIMAL_CONTEXT = Context(prec=2 * MAX_DIGITS)
UNITS = ("", "K", "M", "B", "T")
Figure = Decimal | str | int | None


def decimal_parse(value: Figure) -> Decimal | None:
    """`value` as Decimal; None when it is not a finite number or has more than 60 digits."""
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_DIGITS else None


def plain(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros: the machine-readable form."""
    text = format(value or abs(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Figure, decimals: int, *, signed: bool = False) -> str:
    """Thousands separators, `decimals` decimals, a typographic minus; a plus sign when `signed`."""
    number = decimal_parse(value)
    if number is None:
        return UNKNOWN
    rounded = _round(number, decimals)
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{rounded.copy_abs():,.{decimals}f}"


def price(value: Figure, decimals: int = 2) -> str:
    return fixed(value, decimals)


def money(value: Figure, decimals: int = 2) -> str:
    return fixed(value, 2)


def pct(value: Figure, decimals: int = 2) -> str:
    """A change that is already in per cent; always signed."""
    text = fixed(value, 2, signed=True)
    return text if text == UNKNOWN else f"{text}%"


def bp(value: Figure, decimals: int = 1) -> str:
    """Basis points."""
    return fixed(value, 1)


def compact(value: Figure, decimals: int = 2) -> str:
    """Abbreviated number (3.63B, 946.3M), for volume and open interest only."""
    number = decimal_parse(value)
    if number is None:
        return UNKNOWN
    for step, unit in enumerate(UNITS):
        scaled = number.scaleb(-3 * step)
        places = 1 if abs(scaled) >= 100 else 2
        if abs(_round(scaled, places)) < 1000 or unit == UNITS[-1]:
            return fixed(scaled, places) + unit
    raise AssertionError("unreachable: the last unit has no upper bound")


def age(milliseconds: Figure, decimals: int = 1) -> str:
    """Duration as 0.4 s, 12 s, 4 min, 2 h 14 m, 18 d. Truncated, so that an age is never overstated."""
    number = decimal_parse(milliseconds)
    if number is None:
        return UNKNOWN
    tenths = max(0, int(number) // 100)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10} s"
    seconds = tenths // 10
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} m"
    return f"{minutes // (24 * 60)} d"


def direction(value: Figure, decimals: int = 2) -> str:
    """`up`, `down` or `flat` of the rounded number: a value that rounds to zero is flat."""
    number = decimal_parse(value)
    rounded = Decimal(0) if number is None else _round(number, decimals)
    return "up" if rounded > 0 else "down" if rounded < 0 else "flat"


def _round(number: Decimal, decimals: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=DECIMAL_CONTEXT)


FORMATS: dict[str, Callable[[Figure, int], str]] = {
    "price": price,
    "qty": price,
    "money": money,
    "pct": pct,
    "bp": bp,
    "compact": compact,
    "age": age,
}
