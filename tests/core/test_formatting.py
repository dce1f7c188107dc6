"""Number formatting on the server; the browser runs the same table of cases (tests/browser)."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import formatting
from market.domain.ladder import LEVELS, ladder_of

CASES = json.loads(
    (Path(__file__).resolve().parents[1] / "data/format_cases.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['format']} {case['value']}")
def test_number_is_formatted_as_in_the_shared_table(case):
    assert formatting.FORMATS[case["format"]](case["value"], case["decimals"]) == case["text"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6))
def test_formatted_number_parses_back_to_the_rounded_value(number):
    text = formatting.fixed(number, 2).replace(",", "").replace(formatting.MINUS, "-")
    assert abs(Decimal(text) - number) <= Decimal("0.005")


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_plain_keeps_the_value_and_has_no_exponent(number):
    text = formatting.plain(number)
    assert "E" not in text
    assert Decimal(text) == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.2", "up"), ("-0.01", "down"), ("-0.004", "flat"), ("0", "flat"), (None, "flat")],
)
def test_direction_is_that_of_the_rounded_number(value, expected):
    assert formatting.direction(value) == expected


def test_ladder_sums_from_the_middle_and_shades_against_the_deeper_side():
    book = {"bids": [["99", "1"], ["98", "3"]], "asks": [["101", "2"]], "t": 1}
    ladder = ladder_of(book, price_decimals=1, size_decimals=2)
    assert len(ladder.asks) == len(ladder.bids) == LEVELS
    assert [(row.price, row.cumulative, row.depth) for row in ladder.bids[:3]] == [
        ("99.0", "1.00", "0.250"),
        ("98.0", "4.00", "1.000"),
        ("", "", "0"),
    ]
    assert ladder.asks[-1].price == "101.0"
    assert (ladder.mid, ladder.spread) == (100, 2)


@pytest.mark.parametrize("book", [None, {"bids": [], "asks": [], "t": 1}])
def test_ladder_without_a_book_is_empty_rows(book):
    ladder = ladder_of(book, price_decimals=1, size_decimals=2)
    assert not ladder.has_data
    assert ladder.mid is None
    assert {row.price for row in ladder.asks + ladder.bids} == {""}


@given(st.text(alphabet="0123456789.eE+-_ nNaAiIfF", max_size=20) | st.text(max_size=10))
def test_no_text_that_a_venue_sends_breaks_a_page(text):
    for write in formatting.FORMATS.values():
        assert write(text, 2)
