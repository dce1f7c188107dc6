"""Tick, lot and size rules, by the venue's published examples."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.instruments import Rules

BTC = Rules(size_decimals=5, price_decimals=1, significant_figures=5)
ETH = Rules(size_decimals=4, price_decimals=2, significant_figures=5)
DOGE = Rules(size_decimals=0, price_decimals=6, significant_figures=5)
BINANCE = Rules(size_decimals=5, price_decimals=2)


@pytest.mark.parametrize(
    ("rules", "price", "valid"),
    [
        (BTC, "123456", True),
        (BTC, "98765.4", False),
        (BTC, "98765", True),
        (BTC, "9876.5", True),
        (BTC, "9876.51", False),
        (ETH, "4000.1", True),
        (ETH, "4000.12", False),
        (DOGE, "0.20001", True),
        (DOGE, "0.200011", False),
        (BINANCE, "71291.17", True),
        (BINANCE, "71291.171", False),
        (BTC, "0", False),
        (BTC, "-5", False),
    ],
)
def test_which_prices_are_valid(rules, price, valid):
    assert rules.price_is_valid(D(price)) is valid


@pytest.mark.parametrize(
    ("rules", "price", "down", "up"),
    [
        (BTC, "98765.4", "98765", "98766"),
        (BTC, "100000.5", "100000", "100001"),
        (ETH, "4000.16", "4000.1", "4000.2"),
        (DOGE, "0.2000149", "0.20001", "0.20002"),
        (BINANCE, "1.005", "1.00", "1.01"),
    ],
)
def test_prices_round_to_the_valid_neighbour(rules, price, down, up):
    assert rules.round_price(D(price), "down") == D(down)
    assert rules.round_price(D(price), "up") == D(up)


def test_sizes_round_down_unless_told_otherwise():
    assert BTC.round_size(D("0.123456")) == D("0.12345")
    assert BTC.round_size(D("0.123456"), "up") == D("0.12346")
    assert DOGE.round_size(D("17.9")) == D(17)


@given(price=st.decimals("0.0001", "1000000", places=6), rules=st.sampled_from([BTC, ETH, DOGE, BINANCE]))
def test_a_rounded_price_is_valid_and_at_most_one_tick_away(price, rules):
    for rounding in ("down", "up", "nearest"):
        rounded = rules.round_price(price, rounding)
        assert rounded == 0 or rules.price_is_valid(rounded)
        assert abs(rounded - price) <= rules.tick_at(price)
