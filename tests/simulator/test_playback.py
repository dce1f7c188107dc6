"""Playback of recorded candles."""

import csv
import gzip
import json
from itertools import pairwise

import pytest

from simulator.hyperliquid import wire
from simulator.markets.candles import DAY, MINUTE
from simulator.markets.playback import Playback, RecordedPath, playback_start, recordings_load
from simulator.markets.universe import UNIVERSE
from simulator.markets.world import World
from tests.market.recordings import recorded
from tests.simulator.conftest import NOW, listings_of, small_world

FIVE = 5 * MINUTE
BEGIN = 1_750_000_200_000  # a multiple of five minutes
ROWS = [
    ("100000", "100300", "99900", "100200", "10"),  # the low is nearer: down first
    ("100200", "100250", "99000", "99500", "20"),  # the high is nearer: up first
    ("99500", "99500", "99500", "99500", "0"),
]


def write(folder, name, rows, begin=BEGIN):
    with gzip.open(folder / name, "wt", newline="") as file:
        table = csv.writer(file)
        table.writerow(["open_time", "open", "high", "low", "close", "volume"])
        table.writerows([begin + number * FIVE, *row] for number, row in enumerate(rows))


@pytest.fixture
def recording(tmp_path):
    write(tmp_path, "BTC-5m.csv.gz", ROWS)
    return recordings_load(tmp_path, UNIVERSE)["BTC"]


def path_of(recording, speed=1.0):
    return RecordedPath(recording, Playback(NOW, BEGIN, recording.end, speed))


@pytest.mark.parametrize(
    ("share", "price"),
    [
        (0, 100_000),
        (0.3, 99_900),
        (0.7, 100_300),
        (0.85, 100_250),
        (1.3, 100_250),
        (1.7, 99_000),
        (2.5, 99_500),
    ],
)
def test_within_a_candle_the_nearer_extreme_comes_first(recording, share, price):
    assert path_of(recording).price(NOW + int(share * FIVE)) == price * 10


def test_speed_shortens_the_candles(recording):
    assert path_of(recording, 10.0).price(NOW + FIVE // 10 + FIVE * 3 // 100) == 100_250 * 10


def test_at_its_end_the_recording_begins_again(recording):
    path = path_of(recording)
    length = recording.end - BEGIN
    assert path.price(NOW + length + 1000) == path.price(NOW + 1000)


def test_minutes_fold_to_the_recorded_candle(recording):
    bar = path_of(recording).coarse(NOW, NOW + FIVE)
    assert bar[1:4] == (1_000_000, 1_003_000, 999_000)
    assert bar.volume == 10 * 10**5
    assert abs(bar.close - 1_002_000) <= 10


def test_before_the_anchor_history_is_the_recorded_candles(tmp_path):
    days = 30
    rows = [(str(100_000 + n % 50), "100100", "99900", str(100_001 + n % 50), "3") for n in range(days * 288)]
    write(tmp_path, "BTC-5m.csv.gz", rows)
    recordings = recordings_load(tmp_path, UNIVERSE)
    playback = playback_start(recordings.values(), NOW, speed=1.0)
    assert 7 * DAY <= playback.end - playback.at < 8 * DAY
    assert (NOW - playback.at) % DAY == 0
    path = RecordedPath(recordings["BTC"], playback)
    wall = NOW - NOW % FIVE - 100 * FIVE
    recorded = recordings["BTC"].bars[(wall - (NOW - playback.at) - BEGIN) // FIVE]
    assert path.coarse(wall, wall + FIVE)[1:6] == recorded[1:6]
    hour = path.coarse(wall, wall + 12 * FIVE)
    assert hour.volume == 12 * 3 * 10**5


def test_playback_can_begin_at_a_given_time(recording):
    playback = playback_start([recording], NOW, speed=2.0, start=BEGIN + FIVE)
    assert BEGIN <= playback.at <= BEGIN + 2 * FIVE
    assert (NOW - playback.at) % FIVE == 0


def test_a_time_outside_the_recording_is_refused(recording):
    with pytest.raises(ValueError, match="nothing at that time"):
        playback_start([recording], NOW, speed=1.0, start=BEGIN - DAY)


def test_files_are_matched_to_instruments(tmp_path):
    for name in (
        "ETHUSDT-5m.csv.gz",
        "HYPE_USDC-1h.csv.gz",
        "NOSUCH-5m.csv.gz",
        "MATIC-5m.csv.gz",
        "BTC-1h.csv.gz",
    ):
        write(tmp_path, name, ROWS)
    write(tmp_path, "BTC-5m.csv.gz", ROWS)
    found = recordings_load(tmp_path, UNIVERSE)
    assert set(found) == {"ETH", "@107", "BTC"}
    assert found["BTC"].interval == FIVE


def follow_real(seconds_step=1, **options):
    folder = recorded("candles/hyperliquid_perp_5m")[0]
    recordings = recordings_load(folder, listings_of("BTC", "ETH", "SOL", "HYPE"))
    playback = playback_start(recordings.values(), NOW, speed=options.pop("speed", 1.0))
    return small_world(
        coins=("BTC", "ETH", "SOL", "HYPE", "DOGE", "@142"), recordings=recordings, playback=playback
    ), folder


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_the_book_stays_around_the_recorded_price(speed):
    world, _ = follow_real(speed=speed)
    for _ in range(300):
        world.step(world.now + 100)
        for coin, units in world.followed().items():
            market = world.markets[coin]
            assert market.best("buy").price <= units <= market.best("sell").price
            assert wire.perp_context(market)["oraclePx"] == market.listing.price_text(units)


def test_the_candles_of_btc_are_the_recorded_ones_retimed():
    world, folder = follow_real()
    shift = NOW - world.playback.at
    with gzip.open(folder / "BTC-5m.csv.gz", "rt") as file:
        recorded = {int(row["open_time"]): row for row in csv.DictReader(file)}
    market = world.markets["BTC"]
    played = wire.candles(market, "5m", NOW - 40 * DAY, NOW - 2 * DAY, NOW)
    assert len(played) == 5000
    for candle in played:
        row = recorded[candle["t"] - shift]
        names = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
        assert all(float(candle[key]) == pytest.approx(float(row[name])) for key, name in names.items())


def test_a_coin_without_a_file_walks_by_the_seed():
    world, _ = follow_real()
    plain = small_world(coins=("DOGE",))
    world.step(NOW + 100)
    plain.step(NOW + 100)
    assert world.markets["DOGE"].oracle == plain.markets["DOGE"].oracle


def test_playback_goes_on_after_a_restart():
    world, _ = follow_real()
    for _ in range(100):
        world.step(world.now + 100)
    dump = json.loads(json.dumps(world.dump()))
    later = World(
        seed=3,
        now=world.now + 90_000,
        listings=world.listings,
        recordings=world.recordings,
        playback=Playback(**dump["playback"]),
    )
    later.restore(dump)
    later.step(later.now + 100)
    assert later.markets["BTC"].oracle == world.markets["BTC"].path.price(later.now)
    bars = later.markets["BTC"].tape.snapshot("1m", NOW - 5 * MINUTE, later.now, later.now)
    assert {b.time - a.time for a, b in pairwise(bars)} == {MINUTE}
