"""Recording of raw frames, and their replay through the path of live frames."""

import asyncio
import gzip
import json
from io import StringIO

import orjson
import pytest
import redis
from channels.db import database_sync_to_async
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from core import leases
from core.models import Worker
from market import models
from market.domain.errors import ParseError
from market.feed.recording import Recorder, ReplayFeed, recording_open
from market.hub.snapshots import interest_key, log_key, snap_key
from market.management.commands import record as record_command
from market.services import venue_ensure
from market.venues.hyperliquid.codec import HyperliquidCodec
from tests.market import fake_venue
from tests.market.fake_venue import FakeVenue, until
from tests.market.recordings import recorded

CODEC = HyperliquidCodec()
SECOND = 1_000_000_000


def frames_file(path, rows, *, instruments=()):
    with Recorder(path, "hyperliquid-sim", instruments) as recorder:
        for at, channel, data in rows:
            recorder(json.dumps({"channel": channel, "data": data}).encode(), at)
    return path


@pytest.fixture
def store():
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
        yield client


async def test_a_recording_holds_every_frame_with_its_time_and_the_instruments(
    tmp_path, settings, monkeypatch
):
    out, recorders = tmp_path / "x.jsonl.gz", []

    class Watched(Recorder):
        def __enter__(self):
            recorders.append(self)
            return self

    monkeypatch.setattr(record_command, "Recorder", Watched)
    async with FakeVenue() as venue:
        settings.SIMULATOR_URL = venue.url
        recording = asyncio.create_task(record_command.record("hyperliquid-sim", 30, out, ["BTC"]))
        await until(lambda: venue.has(type="candle", coin="ETH", interval="1m"))
        assert venue.has(type="l2Book", coin="BTC", fast=True)
        assert not venue.has(type="trades", coin="ETH")
        acks = sum(venue.commands.values())
        await venue.push("bbo", fake_venue.bbo("BTC", "1", "2"))
        await venue.push_raw("rubbish {")
        await until(lambda: recorders[0].frames == acks + 2)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
    opened = recording_open(out, "hyperliquid-sim", CODEC)
    assert opened.venue == "hyperliquid-sim"
    assert [(i.symbol, i.rules.size_decimals) for i in opened.instruments] == [("BTC", 5), ("ETH", 4)]
    frames = list(opened.frames())
    assert b"rubbish {" in [frame for _, frame in frames]
    assert [at for at, _ in frames] == sorted(at for at, _ in frames)


async def test_a_replay_keeps_the_pace_of_the_recording_times_the_speed(tmp_path, monkeypatch):
    rows = [(n * SECOND, "bbo", fake_venue.bbo("BTC", str(n), "9")) for n in (5, 7, 8)]
    path = frames_file(tmp_path / "x.jsonl.gz", rows)
    feed = ReplayFeed("hyperliquid-sim", recording_open(path, "hyperliquid-sim", CODEC), CODEC, speed=2.0)
    clock, slept = [0.0], []

    async def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("market.feed.recording.asyncio.sleep", sleep)
    monkeypatch.setattr("market.feed.recording.time.monotonic", lambda: clock[0])
    events = []

    class Listener:
        connected = disconnected = staticmethod(lambda *_: None)

        def event(self, event):
            events.append((clock[0], event.bid))

    feed.set_subscriptions([])
    task = asyncio.create_task(feed.run(Listener()))
    await asyncio.wait_for(feed.finished.wait(), 60)
    task.cancel()
    assert events == [(0.5, "5"), (1.5, "7"), (2.0, "8")]


@pytest.mark.django_db(transaction=True)
def test_replay_publishes_as_simulated_and_stores_nothing(tmp_path, store):
    rows = [
        (SECOND, "bbo", fake_venue.bbo("BTC", "1", "2", 7)),
        (SECOND + 1, "l2Book", {"broken": True}),
        (SECOND + 2, "candle", fake_venue.candle(0)),
        (SECOND + 3, "candle", fake_venue.candle(60_000)),
    ]
    log = tmp_path / "bare.log.gz"
    lines = [f"{at} " + json.dumps({"channel": channel, "data": data}) for at, channel, data in rows]
    log.write_bytes(gzip.compress("\n".join(lines).encode()))
    out = StringIO()
    call_command("replay", str(log), "--speed", "10", "--venue", "hyperliquid", stdout=out)
    assert "4 frames played as hyperliquid, 1 not understood" in out.getvalue()
    _, _, ticks = orjson.loads(store.hget(snap_key("hyperliquid"), "ticks.hyperliquid"))
    assert (ticks["BTC"]["bid"], ticks["BTC"]["last"]) == ("1", "100")
    assert orjson.loads(store.hget(snap_key("hyperliquid"), "_status"))["simulated"] is True
    assert not models.Candle.objects.exists()
    venue = models.Venue.objects.get()
    assert venue.owner is None
    assert venue.simulated is False
    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_recorded_session_replays_with_book_and_trades(store):
    path = recorded("ws/hftbacktest/hyperliquid/*.log.gz")[0]
    topics = {"book.hyperliquid-sim.BTC": 4e9, "trades.hyperliquid-sim.BTC": 4e9}
    store.zadd(interest_key("hyperliquid-sim"), topics)
    call_command("replay", str(path), "--speed", "20", stdout=StringIO())
    _, _, book = orjson.loads(store.hget(snap_key("hyperliquid-sim"), "book.hyperliquid-sim.BTC"))
    assert len(book["bids"]) == 20
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    assert len(store.lrange(log_key("trades.hyperliquid-sim.BTC"), 0, -1)) > 3


@pytest.mark.django_db(transaction=True)
def test_a_venue_that_a_worker_drives_is_not_replayed_over(tmp_path):
    path = frames_file(tmp_path / "x.jsonl.gz", [])
    venue_ensure(name="hyperliquid-sim", title="Simulator", simulated=True)
    leases.claim(models.Venue, leases.worker_register(channel="market-feed"))
    with pytest.raises(CommandError, match="hyperliquid-sim is driven by a feed worker"):
        call_command("replay", str(path))


def test_what_is_no_recording_is_refused(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    for content in (b'{"a": 1}', b'{"recording": 1, "venue": "v", "instruments": []}', b"{"):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(ParseError):
            recording_open(path, "hyperliquid-sim", CODEC)
    path.write_text("plain")
    with pytest.raises(CommandError):
        call_command("replay", str(path))
    with pytest.raises(CommandError, match="more than 0"):
        call_command("replay", str(path), "--speed", "0")


def test_a_recording_that_was_cut_off_plays_to_the_cut(tmp_path):
    rows = [(n, "bbo", fake_venue.bbo("BTC", str(n), "9")) for n in range(5000)]
    path = frames_file(tmp_path / "x.jsonl.gz", rows)
    path.write_bytes(path.read_bytes()[:-500])
    frames = list(recording_open(path, "hyperliquid-sim", CODEC).frames())
    assert 0 < len(frames) < 5000


@pytest.mark.django_db(transaction=True)
async def test_sync_instruments_writes_what_the_venue_lists(settings):
    out = StringIO()
    async with FakeVenue() as venue:
        settings.SIMULATOR_URL = venue.url
        sync = database_sync_to_async(call_command, thread_sensitive=False)
        await sync("sync_instruments", "hyperliquid-sim", stdout=out)
    assert out.getvalue() == "hyperliquid-sim: 2 instruments\n"
