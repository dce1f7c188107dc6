"""Hyperliquid feed against a fake venue: reconnects, silence, HTTP 429 and invalid responses."""

import asyncio
import json

import pytest

from market.domain.errors import ParseError, VenueRejected, VenueUnavailable
from market.domain.events import Quote
from market.domain.subscriptions import StreamLimits, Subscription
from market.venues import venue_feed
from market.venues.hyperliquid.client import HyperliquidFeed, stream_url
from market.venues.hyperliquid.rest import InfoClient
from market.venues.rate_limiter import TokenBucket
from market.venues.stream import is_loopback
from tests.market import fake_venue
from tests.market.fake_venue import FakeVenue, until

MIDS, BTC = Subscription("mids"), Subscription("quote", "BTC")


class UnlimitedRateLimiter:
    """A `market.venues.rate_limiter.RateLimiter` without limits."""

    async def acquire(self, weight, lane):
        return

    async def charge(self, weight):
        return

    async def exhausted(self):
        return


class Listener:
    def __init__(self):
        self.events, self.opened, self.lost = [], 0, []

    def connected(self):
        self.opened += 1

    def disconnected(self, reason):
        self.lost.append(reason)

    def event(self, event):
        self.events.append(event)


@pytest.fixture
async def venue():
    async with FakeVenue() as fake:
        yield fake


@pytest.fixture
async def listening(venue):
    """Start a feed; returns it and its listener. Stopped at the end of the test."""
    running = []

    def start(*, limits=None, subscriptions=(MIDS, BTC), **options):
        feed = HyperliquidFeed(
            "hyperliquid-sim", venue.url, limits=limits or StreamLimits(), first_pause=0.02, **options
        )
        feed.set_subscriptions(subscriptions)
        listener = Listener()
        running.append((asyncio.create_task(feed.run(listener)), feed))
        return feed, listener

    yield start
    for task, feed in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await feed.close()


async def test_the_feed_subscribes_and_receives_events(venue, listening):
    _, listener = listening()
    await until(lambda: venue.has(type="allMids") and venue.has(type="bbo", coin="BTC"))
    await venue.push("bbo", fake_venue.bbo("BTC", "1", "2"))
    await until(lambda: listener.events)
    assert listener.events == [Quote("BTC", "1", "2", 1)]


async def test_after_a_disconnect_the_feed_reconnects_and_resubscribes(venue, listening):
    _, listener = listening()
    await until(lambda: venue.has(type="bbo", coin="BTC"))
    venue.drop()
    await until(lambda: len(venue.subscribed) == 2 and venue.has(type="bbo", coin="BTC"))
    assert listener.opened == 2
    assert len(listener.lost) == 1


async def test_a_silent_connection_is_replaced(venue, listening):
    _, listener = listening(limits=StreamLimits(silence=0.3))
    await until(lambda: venue.sockets)
    venue.mute = True
    await until(lambda: listener.lost)
    assert listener.lost[0] == "no data for 0.3 s"
    venue.mute = False
    await until(lambda: venue.has(type="bbo", coin="BTC"))


async def test_pongs_alone_do_not_keep_a_connection_alive(venue, listening):
    _, listener = listening(limits=StreamLimits(silence=0.4, ping_every=0.05))
    await until(lambda: listener.lost)
    assert venue.commands["ping"] >= 2
    assert listener.lost[0] == "no data for 0.4 s"


async def test_an_unavailable_venue_is_retried_until_it_is_back(venue, listening):
    venue.refuses = True
    _, listener = listening()
    await until(lambda: venue.refused >= 2)
    assert listener.opened == 0
    venue.refuses = False
    await until(lambda: venue.has(type="bbo", coin="BTC"))


async def test_invalid_and_error_frames_do_not_close_the_connection(venue, listening):
    _, listener = listening()
    await until(lambda: venue.has(type="bbo", coin="BTC"))
    await venue.push_raw("Websocket connection established.")
    await venue.push_raw("rubbish {")
    await venue.push("error", "Cannot track more than 10 total users.")
    await venue.push("bbo", fake_venue.bbo("BTC", "NaN", "2"))
    await venue.push("bbo", fake_venue.bbo("BTC", "1", "2"))
    await until(lambda: listener.events)
    assert listener.events == [Quote("BTC", "1", "2", 1)]
    assert listener.opened == 1


async def test_subscriptions_may_change_while_the_feed_runs(venue, listening):
    feed, _ = listening()
    await until(lambda: venue.has(type="bbo", coin="BTC"))
    feed.set_subscriptions([MIDS, Subscription("fast_book", "BTC")])
    await until(lambda: venue.has(type="l2Book", coin="BTC", fast=True))
    await until(lambda: not venue.has(type="bbo", coin="BTC"))


async def test_subscriptions_are_distributed_over_connections_and_the_rest_is_returned(venue, listening):
    limits = StreamLimits(subscriptions=2, connections=2)
    subscriptions = [Subscription("quote", symbol) for symbol in "ABCDE"]
    feed, listener = listening(limits=limits, subscriptions=subscriptions)
    assert feed.set_subscriptions(subscriptions) == subscriptions[4:]
    await until(lambda: len(venue.subscribed) == 2 and all(len(held) == 2 for held in venue.subscribed))
    assert listener.opened == 2


async def test_a_tap_sees_every_raw_frame_with_its_time(venue, listening):
    seen = []
    _, listener = listening(tap=lambda frame, at: seen.append((frame, at)))
    await until(lambda: venue.has(type="bbo", coin="BTC"))
    await venue.push("bbo", fake_venue.bbo("BTC", "1", "2"))
    await until(lambda: listener.events)
    assert json.loads(seen[-1][0])["channel"] == "bbo"
    assert seen[-1][1] > 1_700_000_000_000_000_000


# --- requests ----------------------------------------------------------------------------------------
@pytest.fixture
async def feed(venue):
    feed = HyperliquidFeed("hyperliquid-sim", venue.url, first_pause=0.001)
    yield feed
    await feed.close()


async def test_instruments_contexts_candles_and_trades(venue, feed):
    venue.bars["BTC", "1m"] = [fake_venue.candle(60_000), fake_venue.candle(0)]
    venue.answers["recentTrades"] = [fake_venue.trade(2, time=9), fake_venue.trade(1, time=5)]
    assert [i.symbol for i in await feed.instruments()] == ["BTC", "ETH"]
    assert [c.mark for c in await feed.contexts()] == ["101.0", "101.0"]
    assert [c.open_time for c in await feed.candles("BTC", "1m", 0, 60_000)] == [0, 60_000]
    assert [t.id for t in await feed.recent_trades("BTC")] == ["1", "2"]


@pytest.mark.parametrize("fault", [429, 500, 502])
async def test_requests_to_a_busy_venue_are_retried(venue, feed, fault):
    feed._rest._rate_limiter = UnlimitedRateLimiter()
    venue.faults.extend([fault, fault])
    assert len(await feed.recent_trades("BTC")) == 0
    assert len(venue.requests) == 3


async def test_a_venue_that_stays_busy_is_unavailable(venue, feed):
    feed._rest._rate_limiter = UnlimitedRateLimiter()
    venue.faults.extend([503] * 9)
    with pytest.raises(VenueUnavailable, match="recentTrades: HTTP 503"):
        await feed.recent_trades("BTC")
    assert len(venue.requests) == 5


async def test_a_rejected_request_is_not_retried(venue, feed):
    venue.faults.append(422)
    with pytest.raises(VenueRejected, match="HTTP 422"):
        await feed.recent_trades("BTC")
    assert len(venue.requests) == 1


async def test_an_invalid_response_is_a_parse_error(venue, feed):
    venue.answers["meta"] = {"universe": 3}
    with pytest.raises(ParseError):
        await feed.instruments()


async def test_an_unreachable_venue_is_unavailable():
    client = InfoClient(
        "hyperliquid-sim", "http://127.0.0.1:1", rate_limiter=UnlimitedRateLimiter(), first=0.001
    )
    with pytest.raises(VenueUnavailable):
        await client.post({"type": "meta"}, weight=1, lane="feed")
    await client.close()


def test_the_stream_address_follows_from_the_base_address():
    assert stream_url("http://127.0.0.1:8010") == "ws://127.0.0.1:8010/ws"
    assert stream_url("https://api.hyperliquid.xyz/") == "wss://api.hyperliquid.xyz/ws"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://127.0.0.1:1/ws", True),
        ("ws://localhost/", True),
        ("ws://[::1]:2/", True),
        ("wss://api.x.io/", False),
    ],
)
def test_addresses_of_this_machine_are_known(url, expected):
    assert is_loopback(url) is expected


def test_venues_are_made_from_the_settings(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:8010"
    assert venue_feed("hyperliquid-sim").venue == "hyperliquid-sim"


# --- budget ------------------------------------------------------------------------------------------
def test_a_bucket_allows_a_burst_and_then_paces():
    bucket = TokenBucket(capacity=100, per_minute=60)
    assert [bucket.try_acquire(50, 0.0) for _ in range(3)] == [0, 0, 50]
    assert bucket.try_acquire(50, 49.0) == 1
    assert bucket.try_acquire(50, 50.0) == 0


def test_a_request_with_a_floor_leaves_room_for_one_without():
    bucket = TokenBucket(capacity=100, per_minute=60)
    assert bucket.try_acquire(70, 0.0, floor=30) == 0
    assert bucket.try_acquire(10, 0.0, floor=30) == 10
    assert bucket.try_acquire(10, 0.0) == 0


def test_a_weight_above_the_share_waits_for_a_full_bucket():
    bucket = TokenBucket(capacity=100, per_minute=60)
    assert bucket.try_acquire(90, 0.0, floor=50) == 0
    assert bucket.try_acquire(90, 0.0, floor=50) == 90


def test_http_429_empties_the_bucket():
    bucket = TokenBucket(capacity=100, per_minute=60)
    bucket.drain(0.0)
    assert bucket.try_acquire(10, 0.0) == 10
