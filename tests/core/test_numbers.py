"""One reader of numbers for programs, one for people; each reads what the product writes."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.sdk.inputs import check_bounds
from core.formatting import fixed, plain
from core.numbers import InvalidNumber, number_parse, number_typed, price_band
from wallets.api.request_serializers import Amount

CASES = json.loads(
    (Path(__file__).resolve().parents[1] / "data/number_cases.json").read_text(encoding="utf-8")
)
DECIMALS = st.decimals(min_value=-(10**15), max_value=10**15, places=8, allow_nan=False, allow_infinity=False)
TEXTS = st.text(alphabet="0123456789.,'+-−_eE ٣１ \t", max_size=12) | st.text(max_size=8)


def typed(text, band=None):
    try:
        return number_typed(text, band)
    except InvalidNumber:
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['typed']}|{case.get('band', '')}")
def test_typed_numbers(case):
    band = tuple(map(Decimal, case["band"])) if "band" in case else None
    expected = None if case["value"] is None else Decimal(case["value"])
    assert typed(case["typed"], band) == expected


@given(DECIMALS)
def test_every_number_that_is_written_is_read(number):
    assert number_parse(plain(number)) == number
    assert number_typed(plain(number)) == number
    shown = fixed(number, 8)
    assert number_typed(shown) == number
    grouped = fixed(number, 0)
    low, high = sorted(price_band(abs(number) or Decimal(1)))
    if len(grouped.lstrip("−")) > 3 and number > 0:
        assert number_typed(grouped, (low, high)) == Decimal(grouped.replace(",", ""))


@given(TEXTS)
def test_the_strict_reader_accepts_less_and_never_differs(text):
    try:
        strict = number_parse(text)
    except InvalidNumber:
        return
    assert strict == typed(text)
    assert strict == Decimal(text)
    assert text.isascii()


@given(TEXTS)
def test_rest_and_inputs_of_bots_read_alike(text):
    """The SDK has no imports of the product, so it has the strict rule again."""
    field = Amount()
    try:
        by_api = field.to_internal_value(text)
    except Exception as refusal:  # noqa: BLE001
        by_api = type(refusal).__name__
    try:
        strict = number_parse(text)
    except InvalidNumber:
        assert by_api == "ValidationError"
        with pytest.raises(ValueError, match=r"is not a number|is not between|decimals"):
            check_bounds("Size", text, Decimal(-(10**18)), Decimal(10**18))
        return
    assert by_api == strict
    assert check_bounds("Size", text, Decimal(-(10**60)), Decimal(10**60)) == strict


@given(st.decimals(min_value="0.0001", max_value=10**6, places=4), st.integers(1, 999), st.integers(0, 999))
def test_at_most_one_reading_is_plausible(mark, whole, rest):
    text = f"{whole},{rest:03d}"
    found = typed(text, price_band(mark))
    thousands, decimals = Decimal(whole * 1000 + rest), Decimal(f"{whole}.{rest:03d}")
    low, high = price_band(mark)
    assert found in (None, thousands, decimals)
    assert (found == thousands) == (low <= thousands <= high)
    assert (found == decimals) == (low <= decimals <= high)
