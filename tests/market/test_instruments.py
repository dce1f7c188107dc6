"""Tick, lot and size rules, by the venue's published examples."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.instruments import Instrument, InstrumentRules, LeverageTier, as_step, decimals_of

BTC = InstrumentRules.from_decimals(size_decimals=5, price_decimals=1, significant_figures=5)
ETH = InstrumentRules.from_decimals(size_decimals=4, price_decimals=2, significant_figures=5)
DOGE = InstrumentRules.from_decimals(size_decimals=0, price_decimals=6, significant_figures=5)
BINANCE = InstrumentRules.from_decimals(size_decimals=5, price_decimals=2)


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


# --- rules of other venues -----------------------------------------------------------------------------
def steps(tick, step, **more):
    numbers = {
        name: D(value) if isinstance(value, str) and name != "direction" else value
        for name, value in more.items()
    }
    return InstrumentRules(D(tick), D(step), **numbers)


@pytest.mark.parametrize(
    ("rules", "size", "expected"),
    [
        # Binance, LOT_SIZE.stepSize
        (steps("0.01", "0.00001"), "1.234567", "1.23456"),
        (steps("0.1", "0.001"), "0.0019999", "0.001"),
        (steps("0.0000001", "1"), "1999.9", "1999"),
        (steps("0.00001", "10"), "1239", "1230"),
        (steps("0.5", "0.25"), "0.99", "0.75"),
        # Bitget, sizeMultiplier
        (steps("0.1", "0.001"), "0.0139", "0.013"),
        (steps("0.01", "0.01"), "2.999", "2.99"),
        (steps("0.000001", "10"), "25", "20"),
        # OKX swaps, lotSz × ctVal
        (steps("0.1", "0.0001", contract_size="0.01"), "0.01239", "0.0123"),
        (steps("0.01", "0.001", contract_size="0.1"), "7.7777", "7.777"),
        (steps("0.00001", "10", contract_size="1000"), "12345", "12340"),
    ],
)
def test_sizes_are_rounded_down_to_the_step_exactly(rules, size, expected):
    assert str(rules.round_size(D(size))) == expected
    assert rules.size_is_valid(D(expected))
    assert not rules.size_is_valid(D(size))


@pytest.mark.parametrize(
    ("rules", "contracts", "size", "notional"),
    [
        # OKX BTC-USDT-SWAP: ctVal 0.01 BTC, lotSz 0.01; DOGE-USDT-SWAP: ctVal 1000 DOGE, lotSz 0.01
        (steps("0.1", "0.0001", contract_size="0.01"), "12.34", "0.1234", "1234"),
        (steps("0.00001", "10", contract_size="1000"), "1.23", "1230", "12300000"),
        # OKX BTC-USD-SWAP, inverse: ctVal 100 USD
        (steps("0.1", "1", contract_size="100", direction="inverse"), "7", "7", "700"),
        # Bitget: sizes in base units
        (steps("0.1", "0.001"), "0.013", "0.013", "130"),
    ],
)
def test_contracts_and_sizes_convert_exactly(rules, contracts, size, notional):
    assert rules.size_of(D(contracts)) == D(size)
    assert rules.contracts(D(size)) == D(contracts)
    assert rules.notional(D(10_000), D(size)) == D(notional)


def test_what_is_not_a_whole_number_of_lots_has_no_contracts():
    rules = steps("0.1", "0.0001", contract_size="0.01")
    for convert, value in ((rules.contracts, "0.00015"), (rules.size_of, "0.015")):
        with pytest.raises(ValueError, match="not a multiple"):
            convert(D(value))


def test_sizes_have_bounds():
    rules = steps("0.1", "0.001", min_size="0.002", max_size="100")
    assert [rules.size_is_valid(D(size)) for size in ("0.001", "0.002", "100", "100.001", "0", "-1")] == [
        False, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "decimals"), [("0.00001", 5), ("0.25", 2), ("1", 0), ("10", 0), ("0.0100", 2)]
)
def test_decimals_of_a_step(step, decimals):
    assert decimals_of(as_step(D(step))) == decimals
    assert "E" not in str(as_step(D(step)))


@pytest.mark.parametrize("changes", [{"tick": "0"}, {"step": "-1"}, {"contract_size": "0"}])
def test_steps_are_above_zero(changes):
    with pytest.raises(ValueError, match="above zero"):
        steps(**{"tick": "1", "step": "1", **changes})


@given(
    st.decimals("1e-18", "1e18", places=18),
    st.sampled_from([D(step) for step in ("0.00001", "0.001", "1", "10", "0.25", "0.0003", "7")]),
)
def test_no_size_is_rounded_up(size, step):
    rules = InstrumentRules(D("0.01"), step)
    rounded = rules.round_size(size)
    assert 0 <= rounded <= size < rounded + step
    assert rounded % step == 0
    assert rules.round_size(rounded) == rounded


@given(
    st.decimals("1e-6", "1e9", places=10),
    st.sampled_from([D(tick) for tick in ("0.5", "0.00025", "5", "0.1")]),
)
def test_prices_are_rounded_to_either_side_exactly(price, tick):
    rules = InstrumentRules(tick, D(1))
    below, above = rules.round_price(price, "down"), rules.round_price(price, "up")
    assert below <= price <= above
    assert above - below in (0, tick)
    assert all(one == 0 or rules.price_is_valid(one) for one in (below, above))


def test_leverage_falls_with_the_notional():
    tiers = (LeverageTier(D(50_000), 50), LeverageTier(D(250_000), 25), LeverageTier(None, 10))
    listed = Instrument("v", "BTC", "perp", "BTC", "USDT", steps("0.1", "0.001"), 50, leverage_tiers=tiers)
    assert [listed.max_leverage_at(D(n)) for n in (1, 50_000, 50_001, 250_000, 10**9)] == [50, 50, 25, 25, 10]
    assert replace(listed, leverage_tiers=()).max_leverage_at(D(1)) == 50
