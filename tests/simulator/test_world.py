"""Synthetic traders with a fake clock: deterministic, active, and always around the price."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from random import Random

import pytest

from market.domain.matching import NewOrder
from simulator.markets.candles import DAY, MINUTE
from simulator.markets.numbers import decimal_text
from simulator.markets.universe import UNIVERSE, meta, spot_meta
from simulator.markets.world import Quoted, Traded, World
from tests.simulator.conftest import NOW, small_world

BLOCK = 100


def play(world, seconds):
    events = []
    for _ in range(int(seconds * 1000 / BLOCK)):
        events += world.step(world.now + BLOCK)
    return events


def top(market):
    return market.best("buy").price, market.best("sell").price


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(1005050, 1, "100505.0"), (5, 6, "0.000005"), (29792, 0, "29792.0"), (-3, 2, "-0.03"), (0, 3, "0.0")],
)
def test_numbers_are_written_as_the_venue_writes_them(units, decimals, text):
    assert decimal_text(units, decimals) == text


def test_the_universe_has_at_least_32_trading_instruments():
    trading = [listing for listing in UNIVERSE if not listing.delisted]
    assert len(trading) >= 32
    assert sum(listing.is_spot for listing in trading) >= 2
    assert [row["name"] for row in meta(UNIVERSE)["universe"][:6]] == [
        "BTC", "ETH", "ATOM", "MATIC", "DYDX", "SOL",
    ]  # fmt: skip
    indices = {token["index"] for token in spot_meta(UNIVERSE)["tokens"]}
    assert all(set(pair["tokens"]) <= indices for pair in spot_meta(UNIVERSE)["universe"])


def test_the_same_seed_and_clock_give_the_same_events():
    assert play(small_world(), 10) == play(small_world(), 10)
    assert play(small_world(seed=3), 10) != play(small_world(seed=4), 10)


def test_the_price_always_lies_between_bid_and_ask(world):
    for _ in range(300):
        world.step(world.now + BLOCK)
        for market in world.markets.values():
            bid, ask = top(market)
            assert bid <= market.oracle <= ask


def test_every_instrument_trades():
    world = World(seed=3, now=NOW)
    events = play(world, 30)
    quoted = {}
    for event in events:
        if isinstance(event, Quoted):
            quoted[event.coin] = quoted.get(event.coin, 0) + 1
    assert min(quoted.get(coin, 0) for coin in world.markets) >= 25
    traded = {event.coin for event in events if isinstance(event, Traded)}
    assert len(traded) >= len(world.markets) - 3
    busy = sum(len(e.trades) for e in events if isinstance(e, Traded) and e.coin == "BTC")
    assert busy >= 60


def test_books_have_twenty_levels_on_valid_prices(world):
    play(world, 20)
    for market in world.markets.values():
        for side in ("buy", "sell"):
            levels = list(market.levels(side))
            assert len(levels) >= 20
            for level in levels:
                assert level.price % market.listing.tick_at(level.price) == 0


def test_makers_follow_a_jump_within_one_block(world):
    market = world.markets["BTC"]
    price = market.path.price
    market.path.price = lambda time: price(time) * 9 // 10
    world.step(world.now + BLOCK)
    bid, ask = top(market)
    assert bid <= market.oracle <= ask
    assert ask - bid <= 3 * market.listing.tick_at(bid)


def test_an_order_that_the_price_crosses_is_filled(world):
    market = world.markets["BTC"]
    bid, _ = top(market)
    tick = market.listing.tick_at(bid)
    market._traders.book.submit(NewOrder(10**9, "carol", "buy", bid - 100 * tick, 5))
    price = market.path.price
    market.path.price = lambda time: price(time) - 200 * tick
    [traded] = [
        event for event in world.step(world.now + BLOCK) if isinstance(event, Traded) and event.coin == "BTC"
    ]
    assert 5 in [trade.lots for trade in traded.trades]
    assert market._traders.book.order(10**9) is None


def test_trade_ids_are_unique_and_matches_of_one_taker_share_its_order(world):
    trades = [trade for event in play(world, 60) if isinstance(event, Traded) for trade in event.trades]
    assert len({trade.id for trade in trades}) == len(trades) > 200
    assert len({(trade.order, trade.time) for trade in trades}) < len(trades)


def test_contexts_change_over_time(world):
    market = world.markets["ETH"]
    before = (market.mark, market.oracle, market.day_notional, market.open_interest(), market.premium_at(NOW))
    play(world, 120)
    after = (
        market.mark,
        market.oracle,
        market.day_notional,
        market.open_interest(),
        market.premium_at(world.now),
    )
    assert all(new != old for old, new in zip(before, after, strict=True))
    assert 0.2 * market.listing.daily < market.day_notional < 5 * market.listing.daily


def test_a_spot_pair_tracks_its_perpetual(world):
    play(world, 5)
    perp, spot = world.markets["HYPE"], world.markets["@107"]
    assert spot.oracle == perp.oracle * 100


# --- history -----------------------------------------------------------------------------------
def test_history_ends_exactly_at_the_current_price(world):
    play(world, 1)
    for market in world.markets.values():
        minutes = market.tape.snapshot("1m", world.now - 10 * MINUTE, world.now, world.now)
        bid, ask = top(market)
        near = 15 * market.listing.tick_at(bid)  # how far a taker reaches
        assert bid - near <= minutes[-1].close <= ask + near


@pytest.mark.parametrize("coin", ["BTC", "DOGE", "PURR/USDC", "@107"])
def test_there_are_five_thousand_minutes_without_gap_or_jump(world, coin):
    play(world, 1)
    market = world.markets[coin]
    bars = market.tape.snapshot("1m", 0, world.now, world.now)
    assert len(bars) == 5000
    assert {after.time - before.time for before, after in pairwise(bars)} == {MINUTE}
    for before, after in pairwise(bars):
        assert abs(after.open - before.close) <= max(40 * market.listing.tick_at(before.close), 2)
        assert after.low <= min(after.open, after.close) <= max(after.open, after.close) <= after.high


@pytest.mark.parametrize(("interval", "days"), [("1h", 200), ("4h", 300), ("1d", 300)])
def test_long_intervals_reach_back_months(world, interval, days):
    bars = world.markets["ETH"].tape.snapshot(interval, 0, world.now, world.now)
    assert bars[-1].time - bars[0].time >= days * DAY
    assert len(bars) <= 5000


@pytest.mark.parametrize("interval", ["5m", "15m", "1h", "4h"])
def test_recent_intervals_are_the_aggregates_of_their_minutes(world, interval):
    play(world, 65)
    market = world.markets["DOGE"]
    [*_, before, last] = market.tape.snapshot(interval, world.now - DAY // 4, world.now, world.now)
    for bar in (before, last):
        length = last.time - before.time
        minutes = market.tape.snapshot("1m", bar.time, bar.time + length - 1, world.now)
        assert bar.open == minutes[0].open
        assert bar.close == minutes[-1].close
        assert bar.high == max(minute.high for minute in minutes)
        assert bar.low == min(minute.low for minute in minutes)
        assert bar.volume == sum(minute.volume for minute in minutes)


def test_the_open_bar_agrees_with_the_snapshot(world):
    play(world, 130)
    market = world.markets["BTC"]
    for interval in ("1m", "15m", "4h", "1d", "1w", "1M"):
        assert (
            market.tape.bar(interval, world.now)
            == (market.tape.snapshot(interval, world.now, world.now, world.now)[-1])
        )


def test_two_threads_may_ask_for_history_at_once(world):
    market = world.markets["ETH"]
    requests = [("1m", NOW - days * DAY, NOW - days * DAY + 2000 * MINUTE, NOW) for days in (2, 9, 30, 80)]
    alone = [market.tape.snapshot(*span) for span in requests]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the usual 5 ms would hide a race
    try:
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda span: market.tape.snapshot(*span), requests * 3))
    finally:
        sys.setswitchinterval(usual)
    assert together == alone * 3


def test_history_is_the_same_in_every_process_with_a_seed():
    first, second = small_world(), small_world(now=NOW + 3 * DAY)
    request = ("15m", NOW - 5 * DAY, NOW - 4 * DAY)
    assert first.markets["ETH"].tape.snapshot(*request, NOW) == (
        second.markets["ETH"].tape.snapshot(*request, NOW + 3 * DAY)
    )


# --- restart -----------------------------------------------------------------------------------
def test_after_a_restart_there_is_no_gap_and_no_jump():
    first = small_world()
    play(first, 70)
    down = 7 * MINUTE + 1234
    second = small_world(now=first.now + down)
    second.restore(first.dump())
    play(second, 130)
    for coin, market in second.markets.items():
        tick = market.listing.tick_at(market.mark)
        bars = market.tape.snapshot("1m", NOW - 10 * MINUTE, second.now, second.now)
        assert {b.time - a.time for a, b in pairwise(bars)} == {MINUTE}, coin
        for before, after in pairwise(bars):
            assert abs(after.open - before.close) <= 40 * tick, coin
        written = {bar.time: bar for bar in first.markets[coin].tape.minutes()}
        stored = {bar.time: bar for bar in bars}
        last = max(written)
        assert all(stored[time] == bar for time, bar in written.items() if time != last), coin


def test_an_interrupted_minute_closes_at_the_open_of_the_next():
    first = small_world()
    play(first, 45)  # the clock stands at 14:47:25
    second = small_world(now=first.now + 5 * MINUTE)
    second.restore(json.loads(json.dumps(first.dump())))
    play(second, 1)
    cut = first.now - first.now % MINUTE
    for coin, market in second.markets.items():
        published = {bar.time: bar for bar in first.markets[coin].tape.minutes()}[cut]
        ended, after = market.tape.snapshot("1m", cut, cut + MINUTE, second.now)
        assert ended.open == published.open
        assert ended.volume == published.volume
        assert ended.high >= published.high
        assert ended.close == after.open


def test_trade_ids_continue_after_a_restart():
    first = small_world()
    before = {trade.id for event in play(first, 20) if isinstance(event, Traded) for trade in event.trades}
    second = small_world(now=first.now + MINUTE)
    second.restore(first.dump())
    after = {trade.id for event in play(second, 20) if isinstance(event, Traded) for trade in event.trades}
    assert before
    assert not before & after


def test_trade_ids_published_after_the_last_save_are_not_reused():
    first = small_world()
    saved = first.dump()
    published = {trade.id for event in play(first, 10) if isinstance(event, Traded) for trade in event.trades}
    second = small_world(now=first.now + MINUTE)
    second.restore(saved)
    again = {trade.id for event in play(second, 20) if isinstance(event, Traded) for trade in event.trades}
    assert published
    assert not published & again


def test_tapes_of_another_seed_are_ignored():
    first = small_world()
    play(first, 5)
    second = small_world(seed=99, now=first.now + MINUTE)
    second.restore(first.dump())
    assert not list(second.markets["BTC"].tape.minutes())


def test_a_world_with_irregular_steps_stays_consistent(world):
    steps = Random(5)
    for _ in range(200):
        world.step(world.now + steps.choice((1, 100, 100, 5_000, 90_000)))
        for market in world.markets.values():
            bid, ask = top(market)
            assert bid < ask
