"""One rule for intervals without trades: a flat candle at the last close with the volume 0, wherever candles are read."""

from decimal import Decimal

import pytest

from bots.sdk import ema
from bots.selectors.market_data import candles_stored
from market import models
from market.domain.candles import gaps_filled
from market.domain.events import Candle
from market.selectors import candles_before, instrument_rules
from tests.market import factories as market

HOUR = 3_600_000
D = Decimal


def candle(hour, close, volume="1"):
    price = D(close)
    return Candle("BTC", "1h", hour * HOUR, price, price, price, price, D(volume))


def test_an_average_counts_silent_hours_at_the_last_close():
    """20 closes at 100, one at 110, 30 silent hours, one at 110: the average of 5 is 110.00, not 105.56."""
    candles = [candle(hour, 100) for hour in range(20)] + [candle(20, 110), candle(51, 110)]
    filled = gaps_filled(candles, 500)
    assert len(filled) == 52
    average = ema([one.close for one in filled], 5)
    assert average is not None
    assert round(average, 2) == D("110.00")
    assert round(ema([one.close for one in candles], 5), 2) == D("105.56")


def test_a_flat_candle_has_the_last_close_and_no_volume():
    before, flat, after = gaps_filled([candle(1, 100), candle(3, 120)], 9)
    assert flat == Candle("BTC", "1h", 2 * HOUR, D(100), D(100), D(100), D(100), D(0))
    assert (before.close, after.close) == (100, 120)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6])
def test_the_newest_are_returned_oldest_first(most):
    hours = [one.open_time // HOUR for one in gaps_filled([candle(0, 1), candle(2, 2), candle(5, 3)], most)]
    assert hours == [0, 1, 2, 3, 4, 5][-most:]


@pytest.fixture
def row(db):
    row = market.instrument_make(market.venue_make(), "BTC", 5)
    prices = {name: D(100) for name in ("open", "high", "low", "close")}
    models.Candle.objects.bulk_create(
        models.Candle(instrument=row, interval="1h", open_time=hour * HOUR, volume=1, **prices)
        for hour in (0, 1, 5)
    )
    return row


def hours(candles):
    return [one.open_time // HOUR for one in candles]


def test_charts_the_api_warm_up_and_live_candles_of_bots_follow_it(row):
    assert hours(candles_before(row, "1h")) == [0, 1, 2, 3, 4, 5]
    assert hours(candles_before(row, "1h", limit=3)) == [3, 4, 5]
    assert hours(candles_stored(instrument_rules(row), "1h", 4)) == [2, 3, 4, 5]


def test_pages_of_older_candles_join_without_a_hole(row):
    assert hours(candles_before(row, "1h", before=5 * HOUR, limit=2)) == [3, 4]
    assert hours(candles_before(row, "1h", before=3 * HOUR, limit=2)) == [1, 2]
    assert hours(candles_before(row, "1h", before=1 * HOUR, limit=2)) == [0]
