"""SDK: inputs and their errors, JSON state, random numbers, indicators against worked examples."""

import json
from decimal import Decimal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.sdk import (
    Boolean,
    Candle,
    Choice,
    Instrument,
    InstrumentRules,
    Integer,
    InvalidInputs,
    InvalidJsonValue,
    Level,
    Number,
    OptionalNumber,
    Position,
    SeededRandom,
    Strategy,
    Terms,
    atr,
    dump_inputs,
    ema,
    ewma,
    json_decode,
    json_encode,
    parse_inputs,
    returns,
    schema,
    trend_score,
    volatility,
)


class Sample(Strategy):
    """One input of each kind."""

    share = Number("Share", unit="%", minimum="0.1", maximum="20", default="1.5", help="Of the budget.")
    price = Number("Price", unit="quote", minimum="0.000001", maximum="1000000")
    stop = OptionalNumber("Stop", unit="quote", minimum="0", maximum="1000000")
    count = Integer("Count", minimum=1, maximum=50, default=10)
    spacing = Choice(
        "Spacing", {"arithmetic": "Equal steps", "geometric": "Equal ratios"}, default="arithmetic"
    )
    trailing = Boolean("Trailing", default=False)


# --- inputs ------------------------------------------------------------------------------------------
def test_inputs_are_typed_and_defaults_filled_in():
    values = parse_inputs(Sample, {"price": "100.50"})
    sample = Sample(values)
    assert (sample.share, sample.price, sample.stop) == (Decimal("1.5"), Decimal("100.50"), None)
    assert (sample.count, sample.spacing, sample.trailing) == (10, "arithmetic", False)


@pytest.mark.parametrize(
    ("raw", "name", "sentence"),
    [
        ({}, "price", "Price: enter a value."),
        ({"price": ""}, "price", "Price: enter a value."),
        ({"price": "many"}, "price", "Price: 'many' is not a number."),
        ({"price": "NaN"}, "price", "Price: 'NaN' is not a number."),
        ({"price": True}, "price", 'Price: True is not a number; write it as text, for example "0.5".'),
        ({"price": 0.1}, "price", 'Price: 0.1 is not a number; write it as text, for example "0.5".'),
        (
            {"price": "0.1234567890123456789"},
            "price",
            "Price: 0.1234567890123456789 has more than 18 decimals.",
        ),
        ({"price": "1", "share": "20.1"}, "share", "Share: 20.1 is not between 0.1 and 20."),
        ({"price": "1", "count": "2.5"}, "count", "Count: 2.5 is not a whole number."),
        ({"price": "1", "count": 51}, "count", "Count: 51 is not between 1 and 50."),
        ({"price": "1", "spacing": "wild"}, "spacing", "Spacing: choose one of arithmetic, geometric."),
        ({"price": "1", "trailing": "yes"}, "trailing", "Trailing: must be true or false."),
        ({"price": "1", "speed": 3}, "speed", "Unknown input 'speed'."),
    ],
)
def test_each_wrong_input_has_its_sentence(raw, name, sentence):
    with pytest.raises(InvalidInputs) as raised:
        parse_inputs(Sample, raw)
    assert raised.value.errors == {name: sentence}


def test_all_invalid_inputs_are_reported_together():
    with pytest.raises(InvalidInputs) as raised:
        parse_inputs(Sample, {"share": "0", "count": "x"})
    assert raised.value.errors.keys() == {"share", "count", "price"}


def test_schema_is_a_valid_draft_2020_12_with_units_bounds_and_help():
    made = schema(Sample)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["required"] == ["price"]
    assert made["properties"]["share"] == {
        "title": "Share",
        "type": "string",
        "format": "decimal",
        "pattern": "^-?[0-9]{1,18}(\\.[0-9]{1,18})?$",
        "x-minimum": "0.1",
        "x-maximum": "20",
        "description": "Of the budget.",
        "x-unit": "%",
        "default": "1.5",
    }
    assert made["properties"]["stop"]["type"] == ["string", "null"]


AMOUNTS = st.decimals("0.1", "20", places=6, allow_nan=False)


@given(AMOUNTS, st.integers(1, 50), st.booleans(), st.sampled_from(["arithmetic", "geometric"]))
def test_what_is_read_can_be_written_and_read_again_and_fits_the_schema(share, count, trailing, spacing):
    raw = {"share": str(share), "price": "7", "count": count, "trailing": trailing, "spacing": spacing}
    values = parse_inputs(Sample, raw)
    written = json.loads(json.dumps(dump_inputs(values)))
    assert parse_inputs(Sample, written) == values
    jsonschema.Draft202012Validator(schema(Sample)).validate(written)


# --- JSON state ----------------------------------------------------------------------------------------
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key[:1] != "$"), inner),
    max_leaves=20,
)


def exact(value):
    """Equal only to what is equal in type and in every digit: 1.0 and 1.00 differ, as do 1 and True."""
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else (type(value), str(value))


@given(PLAIN)
def test_state_comes_back_exactly_as_it_was_left(value):
    assert exact(json_decode(json.loads(json.dumps(json_encode(value))))) == exact(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"levels": [1, (2, 3)]}, "state.levels[1] is a tuple, which is not plain data"),
        ({"seen": {1, 2}}, "state.seen is a set, which is not plain data"),
        ({1: "one"}, "state has the key 1, which is not text"),
        ({"$decimal": "1"}, "state has the key '$decimal'; keys that begin with $ are reserved"),
        (Decimal("NaN"), "state is not a finite number"),
        (float("inf"), "state is not a finite number"),
        (2**63, "state is a whole number beyond 64 bits; use a Decimal"),
        (object, "state is a type, which is not plain data"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(value, sentence):
    with pytest.raises(InvalidJsonValue) as raised:
        json_encode(value)
    assert str(raised.value) == sentence


def test_endless_nesting_is_refused():
    ring = []
    ring.append(ring)
    with pytest.raises(InvalidJsonValue, match="nested deeper than 16"):
        json_encode(ring)


# --- rng -------------------------------------------------------------------------------------------------
def test_random_numbers_are_reproducible_from_any_point():
    first = SeededRandom("run-7")
    rolls = [first.randrange(6) for _ in range(99)]
    assert [SeededRandom("run-7", n).randrange(6) for n in range(99)] == rolls
    assert rolls != [SeededRandom("run-8", n).randrange(6) for n in range(99)]
    assert set(rolls) == {0, 1, 2, 3, 4, 5}


def test_nothing_lies_below_zero():
    with pytest.raises(ValueError, match="end must be at least 1, not 0"):
        SeededRandom("x").randrange(0)


@given(st.text(), st.integers(1, 1 << 32))
def test_random_numbers_stay_in_range(seed, end):
    rng = SeededRandom(seed)
    assert 0 <= rng.randrange(end) < end
    assert 0 <= rng.uniform() < 1
    assert rng.drawn == 2


# --- indicators --------------------------------------------------------------------------------------------
def candle(close, high=None, low=None, n=0):
    high, low = high or close, low or close
    return Candle("X", "1h", n, *(Decimal(str(each)) for each in (close, high, low, close, 1)))


def test_ema_by_hand():
    values = [Decimal(n) for n in (1, 2, 3, 7, 5)]
    assert ema(values, 3) == Decimal("4.75")  # 2, then 2 + (7 - 2) / 2 = 4.5, then 4.5 + (5 - 4.5) / 2
    assert ema(values, 6) is None


def test_atr_by_hand():
    candles = [candle(10, 11, 9), candle(12, 13, 11), candle(11, 12, 8), candle(14, 15, 13)]
    # ranges 3 (13 - 10), 4 (12 - 8), 4 (15 - 11): average of the first two, then (3.5 + 4) / 2
    assert atr(candles, 2) == Decimal("3.75")
    assert atr(candles, 4) is None


def test_returns_and_volatility_by_hand():
    e = Decimal(1).exp()
    moves = returns([candle(1), candle(e), candle(e), candle(e * e)])
    assert [round(move, 9) for move in moves] == [1, 0, 1]
    assert round(volatility(moves), 9) == Decimal("0.577350269")  # sqrt(1/3)
    assert round(ewma(moves, Decimal("0.5")), 9) == Decimal("0.866025404")  # sqrt(0.75)
    assert volatility(moves[:1]) is None
    assert ewma([], Decimal("0.5")) is None


def test_trend_score_counts_standard_deviations():
    moves = [Decimal(1), Decimal(0), Decimal(1)]
    assert round(trend_score(moves), 6) == 2  # 2 / (sqrt(1/3) sqrt(3))
    assert trend_score([Decimal(0)] * 9) is None  # a market that stands still has no direction


# --- small things that money hangs on ------------------------------------------------------------------------
BTC = Instrument(
    "hyperliquid-sim", "BTC", "perp", "BTC", "USDC", InstrumentRules.from_decimals(5, 1, 5, Decimal(10))
)


def test_prices_and_sizes_are_fitted_to_the_rules_away_from_trouble():
    terms = Terms(BTC, Decimal(1000), leverage=3)
    assert terms.buying_power == 3000
    assert terms.round_price_down(Decimal("67123.7")) == 67123
    assert terms.round_price_up(Decimal("67123.2")) == 67124
    assert terms.round_price_down(Decimal(-1)) == 0
    assert terms.round_size_down(Decimal("0.123456789")) == Decimal("0.12345")
    assert not terms.is_tradable(Decimal(67000), Decimal("0.0001"))
    assert terms.is_tradable(Decimal(67000), Decimal("0.00015"))


def test_profit_counts_everything():
    position = Position(Decimal(2), Decimal(200), Decimal(7), Decimal(3), Decimal(-1))
    assert position.entry_price == 100
    assert position.pnl(Decimal(110)) == 7 + 20 - 3 - 1
    assert Position().entry_price == 0


@pytest.mark.parametrize(
    "level",
    [
        Level("Upper", "buy", Decimal(1), Decimal(1)),
        Level("", "buy", Decimal(1), Decimal(1)),
        Level(7, "buy", Decimal(1), Decimal(1)),
        Level("a", "hold", Decimal(1), Decimal(1)),
        Level("a", "buy", Decimal(1), Decimal(1), "later"),
        Level("a", "buy", 1.5, Decimal(1)),
        Level("a", "buy", Decimal(0), Decimal(1)),
        Level("a", "buy", Decimal(1), Decimal("NaN")),
        Level("a", "buy", Decimal(1), Decimal(1), trigger=Decimal(-1)),
        Level("a", "buy", Decimal(1), Decimal(1), reduce_only=1),
    ],
)
def test_an_invalid_level_reports_its_error(level):
    assert level.validation_error()
    assert (
        Level("b0.x-1", "sell", Decimal(1), Decimal(1), "ioc", trigger=Decimal(2)).validation_error() is None
    )
