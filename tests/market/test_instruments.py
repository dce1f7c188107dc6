"""Tick size, size step, bounds and contracts, by the venues' published examples."""

from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.instruments import Instrument, InstrumentRules, LeverageTier, decimals_of

BTC = InstrumentRules.from_decimals(size_decimals=5, price_decimals=1, significant_figures=5)
ETH = InstrumentRules.from_decimals(size_decimals=4, price_decimals=2, significant_figures=5)
DOGE = InstrumentRules.from_decimals(size_decimals=0, price_decimals=6, significant_figures=5)
BINANCE = InstrumentRules.from_decimals(size_decimals=5, price_decimals=2)


def rules_of(tick="0.01", step="1", **more):
    more = {name: D(value) if name != "direction" else value for name, value in more.items()}
    return InstrumentRules(D(tick), D(step), **more)


# Bitget perpetuals: sizes are in base units, a multiple of sizeMultiplier and at least minTradeNum.
BITGET = {
    "BTCUSDT": rules_of("0.1", "0.001", min_size="0.001", min_notional="5"),
    "ETHUSDT": rules_of("0.01", "0.01", min_size="0.01", min_notional="5"),
    "XRPUSDT": rules_of("0.0001", "1", min_size="1", min_notional="5"),
    "PEPEUSDT": rules_of("0.0000001", "10", min_size="100", max_size="1000000", min_notional="5"),
}
# OKX swaps: orders are in contracts. Linear sizes are contracts × ctVal: the size step is lotSz × ctVal.
OKX = {
    "BTC-USDT-SWAP": rules_of("0.1", "0.0001", contract_size="0.01"),  # lotSz 0.01
    "ETH-USDT-SWAP": rules_of("0.01", "0.01", contract_size="0.1"),  # lotSz 0.1
    "DOGE-USDT-SWAP": rules_of("0.00001", "10", contract_size="1000"),  # lotSz 0.01
    "SHIB-USDT-SWAP": rules_of("0.000000001", "1000000", contract_size="1000000"),  # lotSz 1
    "BTC-USD-SWAP": rules_of("0.1", "0.1", contract_size="100", direction="inverse"),  # lotSz 0.1
}


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
        (rules_of(tick="0.25"), "100.75", True),
        (rules_of(tick="0.25"), "100.70", False),
        (rules_of(tick="0.5"), "0.5", True),
        (rules_of(tick="10"), "70", True),
        (rules_of(tick="10"), "75", False),
        (rules_of(tick="1E-7"), "0.0000123", True),
        (rules_of(tick="1E-7"), "0.00001235", False),
        (rules_of(tick="0.01"), "1E+200", False),
        (rules_of(tick="0.01"), "1.0000000000000000000000000000000000001", False),
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
        (rules_of(tick="0.010"), "71291.179", "71291.17", "71291.18"),
        (rules_of(tick="0.1"), "71291.17", "71291.1", "71291.2"),
        (rules_of(tick="1E-7"), "0.00001235", "0.0000123", "0.0000124"),
        (rules_of(tick="0.25"), "100.7", "100.50", "100.75"),
        (rules_of(tick="0.5"), "0.3", "0.0", "0.5"),
        (rules_of(tick="1E+1"), "75", "70", "80"),
        (rules_of(tick="0.1"), "123456789012345678901234567890.17", "123456789012345678901234567890.1",
         "123456789012345678901234567890.2"),
        (rules_of(tick="0.01"), "0.9999999999999999999999999999999999999", "0.99", "1.00"),
    ],
)  # fmt: skip
def test_prices_round_to_the_valid_neighbour(rules, price, down, up):
    assert f"{rules.round_price(D(price), 'down'):f}" == down
    assert f"{rules.round_price(D(price), 'up'):f}" == up


@pytest.mark.parametrize(
    ("tick", "price", "nearest"),
    [("0.25", "100.6", "100.50"), ("0.25", "100.625", "100.50"), ("0.25", "100.875", "101.00"),
     ("0.25", "100.63", "100.75"), ("10", "75", "80"), ("10", "65", "60")],
)  # fmt: skip
def test_the_nearest_price_is_the_even_one_of_two_equally_near(tick, price, nearest):
    assert str(rules_of(tick=tick).round_price(D(price))) == nearest


@pytest.mark.parametrize(
    ("step", "size", "down", "up"),
    [
        ("0.00001", "0.123456", "0.12345", "0.12346"),
        ("0.001", "0.0019999", "0.001", "0.002"),
        ("1", "17.9", "17", "18"),
        ("10", "1239", "1230", "1240"),
        ("1E+1", "9.99999999999999999999999999999", "0", "10"),
        ("0.5", "0.99", "0.5", "1.0"),
        ("0.0001", "0.00035", "0.0003", "0.0004"),
        ("0.001", "0.00099999999999999999999999999999999", "0.000", "0.001"),
        ("0.001", "-0.0019", "-0.001", "-0.002"),
    ],
)
def test_sizes_round_down_unless_told_otherwise(step, size, down, up):
    rules = rules_of(step=step)
    assert str(rules.round_size(D(size))) == down
    assert str(rules.round_size(D(size), "up")) == up


@pytest.mark.parametrize(
    ("rules", "valid", "invalid"),
    [
        (rules_of(step="0.00001"), ["0.00001", "0.12345"], ["0", "-0.00001", "0.000001", "0.123456"]),
        (rules_of(step="10", min_size="10", max_size="1000"), ["10", "1E+3"], ["0", "5", "15", "1010"]),
        (BITGET["BTCUSDT"], ["0.001", "3.142"], ["0.0005", "0.0011"]),
        (BITGET["ETHUSDT"], ["0.01", "12.34"], ["0.001", "12.345"]),
        (BITGET["XRPUSDT"], ["1", "25"], ["0.5", "1.5"]),
        (BITGET["PEPEUSDT"], ["100", "110", "1000000"], ["10", "90", "105", "1000010"]),
        (OKX["BTC-USDT-SWAP"], ["0.0001", "0.0101"], ["0.00001", "0.00015"]),
        (OKX["DOGE-USDT-SWAP"], ["10", "1010"], ["1", "1015"]),
    ],
)
def test_which_sizes_are_valid(rules, valid, invalid):
    assert [rules.size_is_valid(D(size)) for size in valid] == [True] * len(valid)
    assert [rules.size_is_valid(D(size)) for size in invalid] == [False] * len(invalid)


@pytest.mark.parametrize(
    ("size", "fitting"),
    [("99.9", "0"), ("100", "100"), ("119", "110"), ("5000000", "1000000"), ("0", "0"), ("-500", "0")],
)
def test_the_fitting_size_keeps_to_the_bounds(size, fitting):
    assert str(BITGET["PEPEUSDT"].fit_size(D(size))) == fitting


@pytest.mark.parametrize(
    ("symbol", "contracts", "size"),
    [
        ("BTC-USDT-SWAP", "1.00", "0.0100"),
        ("BTC-USDT-SWAP", "0.01", "0.0001"),
        ("BTC-USDT-SWAP", "123.45", "1.2345"),
        ("ETH-USDT-SWAP", "0.1", "0.01"),
        ("ETH-USDT-SWAP", "10.7", "1.07"),
        ("DOGE-USDT-SWAP", "0.01", "10"),
        ("DOGE-USDT-SWAP", "3.21", "3210"),
        ("SHIB-USDT-SWAP", "7", "7000000"),
        ("BTC-USD-SWAP", "2.5", "2.5"),
        ("BTC-USDT-SWAP", "-0.35", "-0.0035"),
    ],
)
def test_contracts_and_sizes_are_converted_exactly(symbol, contracts, size):
    rules = OKX[symbol]
    assert str(rules.size_of(D(contracts))) == size
    assert str(rules.contracts(D(size))) == contracts


@pytest.mark.parametrize(
    ("symbol", "contracts", "size"),
    [
        ("BTC-USDT-SWAP", "0.015", "0.00015"),
        ("ETH-USDT-SWAP", "0.15", "0.015"),
        ("DOGE-USDT-SWAP", "0.001", "15"),
        ("SHIB-USDT-SWAP", "0.5", "1500000"),
        ("BTC-USD-SWAP", "0.05", "0.25"),
        ("BTC-USDT-SWAP", "1E+200", "NaN"),
    ],
)
def test_parts_of_a_lot_are_not_converted(symbol, contracts, size):
    with pytest.raises(ValueError, match=r"lots|multiple"):
        OKX[symbol].size_of(D(contracts))
    with pytest.raises(ValueError, match=r"lots|multiple"):
        OKX[symbol].contracts(D(size))


def test_a_size_step_that_is_no_decimal_number_of_contracts_is_not_converted():
    with pytest.raises(ValueError, match="decimal number of contracts"):
        rules_of(step="1", contract_size="3").contracts(D(3))


def test_notional_is_in_quote_units():
    assert str(OKX["BTC-USDT-SWAP"].notional(D("50000.1"), D("0.0101"))) == "505.00101"
    assert str(OKX["BTC-USD-SWAP"].notional(D("50000.1"), D("2.5"))) == "250.0"
    wide = rules_of(step="1E-18").notional(D("123456789012345.1234567"), D("12345678901.123456789"))
    assert Fraction(wide) == Fraction("123456789012345.1234567") * Fraction("12345678901.123456789")


@pytest.mark.parametrize(
    ("step", "decimals"),
    [("0.00001", 5), ("0.001", 3), ("1", 0), ("10", 0), ("1E+1", 0), ("0.5", 1), ("0.25", 2), ("1E-7", 7),
     ("0.010000000000000000", 2)],
)  # fmt: skip
def test_the_decimals_of_a_step(step, decimals):
    assert decimals_of(D(step)) == decimals
    rules = rules_of(tick=step, step=step)
    assert (rules.size_decimals, rules.price_decimals) == (decimals, decimals)


def test_rules_are_equal_and_written_alike_whatever_the_zeros_of_their_numbers():
    stored = rules_of("0.010000000000000000", "10.000000000000000000", min_notional="5.000000000000000000")
    assert stored == rules_of("0.01", "1E+1", min_notional="5")
    assert (str(stored.tick_size), str(stored.size_step), str(stored.min_notional)) == ("0.01", "10", "5")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick_size": D(0)},
        {"size_step": D(0)},
        {"size_step": D("-0.1")},
        {"contract_size": D(0)},
        {"min_size": D(-1)},
        {"min_notional": D(-1)},
        {"max_size": D(0)},
        {"min_size": D(2), "max_size": D(1)},
        {"tick_size": D("0.25"), "significant_figures": 5},
        {"significant_figures": 0},
        {"tick_size": D("NaN")},
        {"max_size": D("Infinity")},
    ],
)
def test_rules_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        replace(rules_of(), **wrong)


# --- properties ---------------------------------------------------------------------------------------
steps = st.sampled_from(
    ["1E-18", "0.00001", "0.001", "0.01", "0.1", "0.25", "0.3", "0.5", "1", "7", "10", "1000"]
)
numbers = st.decimals("1E-20", "1E+15", allow_nan=False, allow_infinity=False)


def lots(value, step):
    """The exact number of steps, as a fraction."""
    return Fraction(value) / Fraction(step)


@given(price=st.decimals("0.0001", "1000000", places=6), rules=st.sampled_from([BTC, ETH, DOGE, BINANCE]))
def test_a_rounded_price_is_valid_and_at_most_one_tick_away(price, rules):
    for rounding in ("down", "up", "nearest"):
        rounded = rules.round_price(price, rounding)
        assert rounded == 0 or rules.price_is_valid(rounded)
        assert abs(rounded - price) <= rules.tick_at(price)


@given(price=numbers, tick=steps)
def test_prices_round_exactly_on_any_tick(price, tick):
    rules = rules_of(tick=tick)
    down, up, nearest = (rules.round_price(price, rounding) for rounding in ("down", "up", "nearest"))
    exact = lots(price, tick)
    assert lots(down, tick) == exact.numerator // exact.denominator
    assert lots(up, tick) == -(-exact.numerator // exact.denominator)
    assert lots(nearest, tick) == round(exact)
    assert all(rounded == 0 or rules.price_is_valid(rounded) for rounded in (down, up, nearest))


@given(
    size=st.decimals("-1E+15", "1E+15", allow_nan=False, allow_infinity=False),
    step=steps,
    least=st.sampled_from(["0", "0.5", "20"]),
    most=st.sampled_from([None, "30", "1E+9"]),
)
def test_no_rounding_makes_a_size_larger(size, step, least, most):
    rules = rules_of(step=step, min_size=least, **({} if most is None else {"max_size": most}))
    rounded, fitting = rules.round_size(size), rules.fit_size(size)
    assert abs(Fraction(rounded)) <= abs(Fraction(size))
    assert lots(rounded, step).denominator == 1
    assert abs(Fraction(size)) - abs(Fraction(rounded)) < Fraction(step)
    assert fitting == 0 or (rules.size_is_valid(fitting) and Fraction(fitting) <= Fraction(size))


@given(count=st.integers(-(10**12), 10**12), symbol=st.sampled_from(sorted(OKX)))
def test_every_number_of_lots_is_converted_there_and_back(count, symbol):
    rules = OKX[symbol]
    size = count * rules.size_step
    contracts = rules.contracts(size)
    unit = 1 if rules.direction == "inverse" else Fraction(rules.contract_size)
    assert Fraction(contracts) * unit == Fraction(size)
    assert rules.size_of(contracts) == size


# --- instruments --------------------------------------------------------------------------------------
def test_only_the_status_trading_accepts_orders():
    instrument = Instrument("okx", "BTC-USDT-SWAP", "perp", "BTC", "USDT", OKX["BTC-USDT-SWAP"])
    statuses = ("trading", "pre_launch", "halted", "delisted")
    assert [replace(instrument, status=status).trading for status in statuses] == [True, False, False, False]


@pytest.mark.parametrize(
    ("notional", "leverage"), [("0", 125), ("50000", 125), ("50000.01", 50), ("600000", 50), ("600001", 20)]
)
def test_the_maximum_leverage_is_that_of_the_tier(notional, leverage):
    tiers = (LeverageTier(D(50_000), 125), LeverageTier(D(600_000), 50), LeverageTier(None, 20))
    plain = Instrument("binance", "BTCUSDT", "perp", "BTC", "USDT", rules_of(), max_leverage=125)
    assert replace(plain, leverage_tiers=tiers).max_leverage_at(D(notional)) == leverage
    assert plain.max_leverage_at(D(notional)) == 125
    bounded = replace(plain, leverage_tiers=tiers[:2])
    assert bounded.max_leverage_at(D(600_001)) == 50
