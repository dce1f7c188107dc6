import csv
import gzip
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.domain.candles import MINUTE, CandleAggregator, bucket, candle_of_trades, first_gap
from market.domain.events import INTERVALS, Candle, Trade
from tests.market.recordings import absent, recorded

MIDNIGHT = 1_780_000_000_000 - 1_780_000_000_000 % 86_400_000
DAY = INTERVALS["1d"]


def minute(number, *, start=MIDNIGHT, close=None, volume=1):
    price = Decimal(100 + number if close is None else close)
    return Candle("BTC", "1m", start + number * MINUTE, price, price + 1, price - 1, price, Decimal(volume))


def of(candles, interval):
    return [candle for candle in candles if candle.interval == interval]


def backfilled(candles, minutes=(), covered_since=MIDNIGHT):
    return candles.backfill(minutes, covered_since)


def test_a_newer_minute_closes_the_one_before():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    assert candles.live(minute(0)) == []
    assert candles.live(minute(0, close=105)) == []
    assert candles.live(minute(1)) == [minute(0, close=105)]
    assert candles.open("1m") == minute(1)


def test_five_minutes_make_a_five_minute_candle():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    closed = [candle for number in range(6) for candle in candles.live(minute(number))]
    (five,) = of(closed, "5m")
    assert five == Candle("BTC", "5m", MIDNIGHT, *map(Decimal, (100, 105, 99, 104, 5)))
    assert candles.open("5m") == Candle(
        "BTC", "5m", MIDNIGHT + 5 * MINUTE, *map(Decimal, (105, 106, 104, 105, 1))
    )
    assert candles.open("1h") == Candle("BTC", "1h", MIDNIGHT, *map(Decimal, (100, 106, 99, 105, 6)))


def test_no_longer_candle_is_returned_before_the_backfill():
    candles = CandleAggregator("BTC")
    candles.live(minute(7))
    candles.live(minute(8))
    assert candles.open("1m") == minute(8)
    assert candles.open("5m") is None
    backfilled(candles, [minute(number) for number in range(8)])
    assert candles.open("5m").volume == 4  # minutes 5, 6, 7 and the live one
    assert candles.open("1d").open == 100


def test_a_longer_candle_with_missing_minutes_is_neither_returned_nor_closed():
    candles = CandleAggregator("BTC")
    backfilled(candles, [minute(3), minute(4)], covered_since=MIDNIGHT + 3 * MINUTE)
    closed = candles.live(minute(6))
    assert of(closed, "5m") == []
    assert candles.open("5m") == Candle(
        "BTC", "5m", MIDNIGHT + 5 * MINUTE, *map(Decimal, (106, 107, 105, 106, 1))
    )
    assert candles.open("1h") is None


def test_a_backfilled_gap_closes_the_candles_that_ended_in_it():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    for number in range(3):
        candles.live(minute(number))
    candles.gap()
    assert candles.open("1m") is None
    assert candles.live(minute(7)) == []
    assert candles.live(minute(8)) == [minute(7)]  # stored at once, aggregated after the backfill
    closed = candles.backfill([minute(number) for number in range(2, 8)], MIDNIGHT + 2 * MINUTE)
    assert [candle.volume for candle in of(closed, "5m")] == [5]
    assert candles.open("5m").volume == 4
    assert candles.open("1h").volume == 9


def test_an_unfinished_minute_at_the_gap_is_not_reported_as_closed():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    candles.live(minute(0, volume=1))
    candles.gap()
    assert candles.live(minute(5)) == []


def test_minutes_are_counted_once_when_backfilled_twice():
    candles = CandleAggregator("BTC")
    minutes = [minute(number) for number in range(4)]
    backfilled(candles, minutes)
    backfilled(candles, minutes)
    candles.live(minute(4))
    assert candles.open("1h").volume == 5


def test_a_quiet_minute_is_closed_by_the_clock():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    candles.live(minute(4))
    assert candles.finalize(MIDNIGHT + 5 * MINUTE + 4_999) == []
    closed = candles.finalize(MIDNIGHT + 5 * MINUTE + 5_000)
    assert [candle.interval for candle in closed] == ["1m", "5m"]
    assert candles.live(minute(4, volume=2)) == [minute(4, volume=2)]  # a late revision is stored again


def test_a_longer_candle_is_closed_by_the_clock_though_its_last_minutes_were_empty():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    candles.live(minute(0))
    candles.finalize(MIDNIGHT + MINUTE + 5_000)
    assert [candle.interval for candle in candles.finalize(MIDNIGHT + 5 * MINUTE + 5_000)] == ["5m"]


def test_a_clock_reset_of_the_venue_starts_a_new_series():
    candles = CandleAggregator("BTC")
    backfilled(candles)
    candles.live(minute(100))
    candles.live(minute(101))
    candles.gap()
    backfilled(candles, [minute(0), minute(1)])
    assert candles.live(minute(2)) == [minute(1)]
    assert candles.open("5m").volume == 3
    assert candles.live(minute(20)) != []
    assert candles.live(minute(3)) == []
    assert candles.open("1m") == minute(3)


def test_trades_are_aggregated_into_candles():
    trades = [
        Trade("BTC", price, "2", "buy", MIDNIGHT + at, str(at))
        for at, price in ((0, "10"), (30_000, "12"), (59_999, "9"), (60_000, "11"))
    ]
    first, second = candle_of_trades(trades, "1m")
    assert first == Candle("BTC", "1m", MIDNIGHT, *map(Decimal, (10, 12, 9, 9, 6)))
    assert candle_of_trades(trades[3:], "1m", part=first) == [first, second]


def test_the_first_missing_candle_is_found():
    existing = [MIDNIGHT, MIDNIGHT + 300_000, MIDNIGHT + 900_000]
    assert first_gap(existing, "5m", MIDNIGHT + 1, MIDNIGHT + 600_000) is None
    assert first_gap(existing, "5m", MIDNIGHT, MIDNIGHT + 1_200_000) == MIDNIGHT + 600_000
    assert first_gap([], "1d", MIDNIGHT + 5, MIDNIGHT + DAY) == MIDNIGHT


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.integers(1, 10**6), st.integers(0, 50)), min_size=1, max_size=60
    )
)
def test_live_aggregation_equals_aggregation_of_the_full_history(steps):
    candles, at, minutes, closed = CandleAggregator("BTC"), 0, [], []
    backfilled(candles)
    for step, close, volume in steps:
        at += step
        minutes.append(minute(at, close=close, volume=volume))
        closed += candles.live(minutes[-1])
    for interval in INTERVALS:
        spans = sorted({bucket(m.open_time, interval) for m in minutes})
        volumes = [sum(m.volume for m in minutes if bucket(m.open_time, interval) == span) for span in spans]
        seen = [*of(closed, interval), candles.open(interval)]
        assert [candle.open_time for candle in seen] == spans
        assert [candle.volume for candle in seen] == volumes


def read(name, interval):
    path = recorded(f"candles/{name}")[0]
    with gzip.open(path, "rt") as file:
        rows = [row for row in csv.reader(file) if row[0].isdigit()]
    return [Candle("BTC", interval, int(row[0]), *map(Decimal, row[1:6])) for row in rows]


def test_recorded_minutes_aggregate_to_the_recorded_longer_candles():
    minutes = read("binance_usdm_1m/BTCUSDT-1m.csv.gz", "1m")
    recorded_candles = {
        candle.open_time: candle for candle in read("binance_usdm_5m/BTCUSDT-5m.csv.gz", "5m")
    }
    start = bucket(minutes[0].open_time, "1d") + DAY
    candles = CandleAggregator("BTC")
    backfilled(candles, covered_since=start)
    closed = [c for m in minutes if m.open_time >= start for c in candles.live(m)]
    both = [candle for candle in of(closed, "5m") if candle.open_time in recorded_candles]
    if not both:
        absent("the recordings do not overlap")
    assert both == [recorded_candles[candle.open_time] for candle in both]
