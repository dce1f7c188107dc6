"""Venue feed end to end: a fake venue on one side, real Redis and PostgreSQL on the other."""

import asyncio
import time
from types import SimpleNamespace

import orjson
import pytest
import redis
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.conf import settings as django_settings
from django.db import connection

from core import leases
from cryptotrade.embedded import EmbeddedRedis, services_at
from market import models
from market.domain.subscriptions import StreamLimits
from market.feed import aggregator, backfill
from market.feed import venue_feed as venue_module
from market.feed.venue_feed import VenueFeed
from market.hub import Publisher
from market.hub.snapshots import interest_key, log_key, snap_key
from market.services import venue_ensure
from market.venues.hyperliquid.client import HyperliquidFeed
from tests.market import fake_venue
from tests.market.fake_venue import FakeVenue, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


NOW = 1_795_200_030_000  # half a minute into a minute
MINUTE = NOW - NOW % 60_000


@pytest.fixture
def short_history(monkeypatch):
    """A short backfill depth, so that a test needs no full day of minutes."""
    monkeypatch.setattr(backfill, "DEPTH", {"1m": 5, "5m": 2})


@pytest.fixture
def store():
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
        yield client


@pytest.fixture
async def venue():
    async with FakeVenue() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _still_clock(monkeypatch):
    """The wall clock is fixed at NOW, so that no minute ends during a test."""
    monkeypatch.setattr(
        aggregator, "time", SimpleNamespace(time=lambda: NOW / 1000, monotonic=time.monotonic)
    )


@pytest.fixture
def claimed():
    venue_ensure(name="hyperliquid-sim", title="Simulator", simulated=True)
    worker = leases.worker_register(channel="market-feed")
    (claim,) = leases.claim(models.Venue, worker)
    return claim


@pytest.fixture
async def running(claimed, venue, store, short_history):
    """Start the feed of the claimed venue; stopped at the end."""
    started = []

    def start(*, limits=None, safe=lambda: True):
        feed = HyperliquidFeed(
            "hyperliquid-sim", venue.url, limits=limits or StreamLimits(), first_pause=0.02
        )
        publisher = Publisher("hyperliquid-sim", claimed.epoch, simulated=True)
        venue_feed = VenueFeed(feed, publisher, claimed, safe=safe)
        task = asyncio.create_task(venue_feed.run())
        started.append(task)
        return SimpleNamespace(feed=venue_feed, task=task)

    yield start
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)


def snap(store, topic):
    raw = store.hget(snap_key("hyperliquid-sim"), topic)
    return orjson.loads(raw) if raw else None


def value(store, topic):
    found = snap(store, topic)
    return found[2] if found else None


def status(store):
    return (snap(store, "_status") or {}).get("status")


def log(store, topic):
    return [orjson.loads(row)[2] for row in store.lrange(log_key(topic), 0, -1)]


def watch_topics(store, *topics):
    store.zadd(interest_key("hyperliquid-sim"), dict.fromkeys(topics, time.time() + 60))


async def rows(model, **where):
    return await sync_to_async(lambda: list(model.objects.filter(**where).order_by("pk")))()


async def subscribed(venue):
    await until(lambda: venue.has(type="candle", coin="ETH", interval="1m"))


async def test_ticks_reach_redis_with_instruments_and_status(running, venue, store):
    running()
    await subscribed(venue)
    await venue.push("bbo", fake_venue.bbo("BTC", "100.0", "101.0", NOW))
    await until(lambda: (value(store, "ticks.hyperliquid-sim") or {}).get("BTC", {}).get("bid"))
    tick = value(store, "ticks.hyperliquid-sim")["BTC"]
    assert tick == {
        "bid": "100.0", "ask": "101.0", "last": None, "mark": "101.0", "change24h": "1.0000",
        "volume24h": "5.0", "t": NOW,
    }  # fmt: skip
    await until(lambda: status(store) == "live")
    assert snap(store, "_status")["simulated"] is True
    await until(lambda: snap(store, "_symbols") == ["BTC", "ETH"])
    assert {row.symbol for row in await rows(models.Instrument)} == {"BTC", "ETH"}


async def test_a_feed_without_its_venue_publishes_down(running, venue, store):
    venue.faults.extend([500] * 1000)
    running()
    await until(lambda: status(store) == "down")


async def test_books_are_subscribed_only_while_watched(running, venue, store):
    feed = running().feed
    await subscribed(venue)
    assert not venue.has(type="l2Book", coin="BTC", fast=True)
    watch_topics(store, "book.hyperliquid-sim.BTC", "book.hyperliquid-sim.NOPE", "nonsense")
    feed.interest_changed()
    await until(
        lambda: venue.has(type="l2Book", coin="BTC", fast=True) and venue.has(type="l2Book", coin="BTC")
    )
    await venue.push("l2Book", fake_venue.book("BTC", "98", "102", 5))
    await venue.push("l2Book", fake_venue.book("BTC", "99", "101", 6, fast=True))
    await until(lambda: (value(store, "book.hyperliquid-sim.BTC") or {}).get("t") == 6)
    assert value(store, "book.hyperliquid-sim.BTC")["bids"] == [["99", "1"], ["98", "1"]]
    store.delete(interest_key("hyperliquid-sim"))
    feed.interest_changed()
    await until(lambda: not venue.has(type="l2Book", coin="BTC", fast=True))


async def test_trades_begin_with_the_recent_ones_and_each_comes_once(running, venue, store):
    venue.answers["recentTrades"] = [fake_venue.trade(2, time=20), fake_venue.trade(1, time=10)]
    feed = running().feed
    await subscribed(venue)
    watch_topics(store, "trades.hyperliquid-sim.BTC")
    feed.interest_changed()
    await until(lambda: venue.has(type="trades", coin="BTC"))
    await venue.push("trades", [fake_venue.trade(2, time=20), fake_venue.trade(3, time=30, side="A")])
    await until(lambda: len(log(store, "trades.hyperliquid-sim.BTC")) == 3)
    assert log(store, "trades.hyperliquid-sim.BTC")[-1] == ["100.0", "1", "sell", 30, "3"]


async def test_trades_of_a_gap_are_refilled_in_order(running, venue, store):
    feed = running().feed
    await subscribed(venue)
    watch_topics(store, "trades.hyperliquid-sim.BTC")
    feed.interest_changed()
    await until(lambda: venue.has(type="trades", coin="BTC"))
    await venue.push("trades", [fake_venue.trade(1, time=10)])
    await until(lambda: len(log(store, "trades.hyperliquid-sim.BTC")) == 1)
    venue.answers["recentTrades"] = [fake_venue.trade(n, time=10 * n) for n in (4, 3, 2, 1)]
    venue.drop()
    await until(lambda: len(venue.subscribed) == 2 and venue.has(type="trades", coin="BTC"))
    await venue.push("trades", [fake_venue.trade(5, time=50)])
    await until(lambda: len(log(store, "trades.hyperliquid-sim.BTC")) == 5)
    assert [item[4] for item in log(store, "trades.hyperliquid-sim.BTC")] == ["1", "2", "3", "4", "5"]


async def test_history_is_fetched_at_the_start_and_stored(running, venue, store):
    venue.bars["BTC", "1m"] = [fake_venue.candle(MINUTE - n * 60_000) for n in range(5)]
    venue.bars["BTC", "5m"] = [fake_venue.candle(MINUTE - MINUTE % 300_000 - 300_000, interval="5m")]
    running()
    async with asyncio.timeout(60):
        while len(await rows(models.Candle)) < 5:
            await asyncio.sleep(0.02)
    stored = {(row.interval, row.open_time) for row in await rows(models.Candle)}
    closed = {("1m", MINUTE - n * 60_000) for n in range(1, 5)}
    assert stored == closed | {("5m", MINUTE - MINUTE % 300_000 - 300_000)}


async def test_a_gap_is_backfilled_from_the_first_missing_candle(running, venue, store):
    venue.bars["BTC", "1m"] = [fake_venue.candle(MINUTE - n * 60_000) for n in (4, 3)]
    running()
    await subscribed(venue)
    await until(lambda: len(venue.snapshots()) == 2)
    venue.bars["BTC", "1m"] += [fake_venue.candle(MINUTE - n * 60_000) for n in (2, 1)]
    venue.drop()
    await until(lambda: len([s for s in venue.snapshots() if s["coin"] == "BTC"]) == 2)
    again = [s for s in venue.snapshots() if s["coin"] == "BTC"][-1]
    assert again["startTime"] == MINUTE - 2 * 60_000
    async with asyncio.timeout(60):
        while len(await rows(models.Candle, interval="1m", instrument__symbol="BTC")) < 4:
            await asyncio.sleep(0.02)


async def test_a_live_minute_that_ends_is_stored_and_longer_candles_are_folded(
    running, venue, store, monkeypatch
):
    monkeypatch.setattr(backfill, "DEPTH", {"1m": 1440})
    feed = running().feed
    await subscribed(venue)
    watch_topics(store, "candles.hyperliquid-sim.BTC.1d")
    feed.interest_changed()
    day = MINUTE - MINUTE % 86_400_000
    first = max(day, MINUTE - 60_000)
    await venue.push("candle", fake_venue.candle(first, close="110", volume="2"))
    await venue.push("candle", fake_venue.candle(first + 60_000, close="120", volume="3"))
    await until(lambda: (value(store, "candles.hyperliquid-sim.BTC.1d") or [0] * 6)[5] == "5")
    assert value(store, "candles.hyperliquid-sim.BTC.1d") == [day, "100", "200", "50", "120", "5"]
    async with asyncio.timeout(60):
        while not await rows(models.Candle, open_time=first, interval="1m"):
            await asyncio.sleep(0.02)


async def test_trades_are_stored_when_asked_for(running, venue, store, settings):
    settings.STORE_TRADES = True
    running()
    await until(lambda: venue.has(type="trades", coin="BTC"))
    await venue.push("trades", [fake_venue.trade(7, time=10)])
    async with asyncio.timeout(60):
        while not (stored := await rows(models.Trade)):
            await asyncio.sleep(0.02)
    assert [(row.trade_id, row.side, row.price) for row in stored] == [("7", "buy", 100)]


async def test_a_silent_venue_is_reconnected(running, venue, store):
    running(limits=StreamLimits(silence=0.4))
    await subscribed(venue)
    venue.mute = True
    await until(lambda: len(venue.subscribed) >= 2)
    venue.mute = False
    await until(lambda: venue.has(type="candle", coin="ETH", interval="1m"))
    await venue.push("bbo", fake_venue.bbo("BTC", "5", "6", NOW))
    await until(lambda: (value(store, "ticks.hyperliquid-sim") or {}).get("BTC", {}).get("bid") == "5")


async def test_a_worker_that_lost_its_lease_stops_at_once(running, venue):
    started_feed = running()
    await subscribed(venue)
    await models.Venue.objects.aupdate(owner_epoch=99)
    await venue.push("candle", fake_venue.candle(MINUTE))
    await venue.push("candle", fake_venue.candle(MINUTE + 60_000))
    with pytest.raises(leases.LeaseLost):
        await asyncio.wait_for(started_feed.task, 60)


async def test_a_worker_that_cannot_renew_its_lease_stops_publishing_by_its_own_clock(running, venue, store):
    state = {"safe": True}
    started_feed = running(safe=lambda: state["safe"])
    await subscribed(venue)
    state["safe"] = False
    with pytest.raises(leases.LeaseLost):
        await asyncio.wait_for(started_feed.task, 60)


async def test_a_feed_stops_although_a_library_swallowed_the_cancellation(running, venue, monkeypatch):
    requested = asyncio.Event()

    async def ignores_cancellation(_feed):
        requested.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return []

    monkeypatch.setattr(HyperliquidFeed, "contexts", ignores_cancellation)
    started_feed = running()
    await asyncio.wait_for(requested.wait(), 60)
    started_feed.task.cancel()
    done, _ = await asyncio.wait({started_feed.task}, timeout=60)
    assert done


async def test_a_stopped_feed_publishes_down(running, venue, store):
    started_feed = running()
    await subscribed(venue)
    await venue.push("bbo", fake_venue.bbo("BTC", "5", "6", NOW))
    await until(lambda: status(store) == "live")
    started_feed.task.cancel()
    await asyncio.gather(started_feed.task, return_exceptions=True)
    assert status(store) == "down"


@pytest.fixture
def own_redis(tmp_path_factory, settings):
    """A Redis that a test may stop and start."""
    var = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(var)
    server.start()
    url = services_at(var).redis_url
    settings.REDIS_URL = url
    layer = settings.CHANNEL_LAYERS["stream"] | {"CONFIG": {"hosts": [url], "prefix": "t"}}
    settings.CHANNEL_LAYERS = settings.CHANNEL_LAYERS | {"stream": layer}
    yield server, url
    server.stop()


@pytest.mark.slow
async def test_without_redis_the_feed_keeps_running_and_publishes_everything_afterwards(
    own_redis, claimed, venue, short_history, monkeypatch
):
    monkeypatch.setattr(venue_module, "FLUSH_RETRY_DELAY", 0.05)
    server, url = own_redis
    feed = HyperliquidFeed("hyperliquid-sim", venue.url, first_pause=0.02)
    venue_feed = VenueFeed(feed, Publisher("hyperliquid-sim", 1, simulated=True), claimed, safe=lambda: True)
    task = asyncio.create_task(venue_feed.run())
    try:
        await subscribed(venue)
        failures = venue_module.FLUSH_FAILURES.labels("hyperliquid-sim")._value.get
        before = failures()
        await asyncio.to_thread(server.stop)
        await venue.push("bbo", fake_venue.bbo("BTC", "7", "8", NOW))
        await until(lambda: failures() > before)
        assert len(venue.subscribed) == 1
        assert not task.done()
        await asyncio.to_thread(server.start)
        with redis.Redis.from_url(url) as fresh:
            await until(
                lambda: (value(fresh, "ticks.hyperliquid-sim") or {}).get("BTC", {}).get("bid") == "7"
            )
        assert len(venue.subscribed) == 1
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
