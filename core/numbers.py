"""Reading of numbers: strict for programs (REST, stored inputs), tolerant for people (forms).

`static/js/numbers.js` is the JavaScript twin of `number_typed`; `tests/data/number_cases.json` tests both.
Numbers are written by `core.formatting`: `plain` for programs, the other formats for people; both readers read
every number that is written.
"""

import re
from decimal import Decimal

MAX_LENGTH = 60
_STRICT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_COMMA_AND_THREE_DIGITS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:([,.'])[0-9]{3})(?:\1[0-9]{3})*(?:(?!\1)[.,][0-9]+)?")
# Blanks that people and spreadsheets put between groups, and the signs that this product writes.
_BLANKS = re.compile("[ \\t\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}]")
_SIGNS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'"})
BAND_FACTOR = 10


class InvalidNumber(ValueError):
    """The text is not a number. `readings`: the two numbers that it may be, if it is ambiguous."""

    def __init__(self, text: str, readings: tuple[str, str] | None = None) -> None:
        super().__init__(f"{text!r} is not a number" + (f": {' or '.join(readings)}?" if readings else ""))
        self.readings = readings


def price_band(mark: Decimal) -> tuple[Decimal, Decimal]:
    """Prices that are plausible at this mark price: a tenth to ten times of it.

    The two readings of an ambiguous text differ by a factor of a thousand, so at most one is plausible.
    """
    return mark / BAND_FACTOR, mark * BAND_FACTOR


def number_parse(text: str) -> Decimal:
    """Strict: ASCII digits, an optional sign, one point with digits on both sides. Raises `InvalidNumber`."""
    if len(text) > MAX_LENGTH or not _STRICT.fullmatch(text):
        raise InvalidNumber(text)
    return Decimal(text)


def number_typed(typed: str, band: tuple[Decimal, Decimal] | None = None) -> Decimal:
    """A number in the notations of people: `71,283.5`, `71283.5`, `0,25`, `1 000,50`. Raises `InvalidNumber`.

    A single comma before exactly three digits groups thousands or starts the decimals. It is read as thousands if
    only that reading lies within `band`, as decimals if only that one does, and refused otherwise: a wrong guess
    would change an order by a factor of a thousand.
    """
    text = _BLANKS.sub("", typed).translate(_SIGNS)
    if len(text) > MAX_LENGTH:
        raise InvalidNumber(typed)
    if _COMMA_AND_THREE_DIGITS.fullmatch(text):
        return _within(typed, (text.replace(",", ""), text.replace(",", ".")), band)
    separators = re.findall(r"[.,']", text)
    if len(separators) > 1:
        text = _ungrouped(typed, text, separators)
    elif separators == [","]:
        text = text.replace(",", ".")
    if not _PLAIN.fullmatch(text):
        raise InvalidNumber(typed)
    return Decimal(text)


def _within(typed: str, readings: tuple[str, str], band: tuple[Decimal, Decimal] | None) -> Decimal:
    if band:
        found = [number for text in readings if band[0] <= (number := Decimal(text)) <= band[1]]
        if len(found) == 1:
            return found[0]
    raise InvalidNumber(typed, readings)


def _ungrouped(typed: str, text: str, separators: list[str]) -> str:
    """`text` without the separators of groups and with a point before the decimals."""
    if not _GROUPED.fullmatch(text):
        raise InvalidNumber(typed)
    whole, decimals = text, ""
    if separators[-1] != separators[0]:
        whole, _, decimals = text.rpartition(separators[-1])
    return whole.replace(separators[0], "") + (f".{decimals}" if decimals else "")
