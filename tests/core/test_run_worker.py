"""The worker process: claims, crashes, drains on SIGTERM, and a standby that takes over after kill -9."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from channels.db import database_sync_to_async
from channels.testing import ApplicationCommunicator
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from core.management.commands.run_worker import WakingWorker
from core.models import Worker
from market import models
from market.feed import worker as worker_module
from market.feed.worker import FeedConsumer
from market.hub.snapshots import snap_key
from tests.market.fake_venue import FakeVenue, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def venue(settings):
    async with FakeVenue() as fake:
        settings.SIMULATOR_URL = fake.url
        settings.VENUES = ["hyperliquid-sim"]
        yield fake


@pytest.fixture
async def consumer(venue):
    communicator = ApplicationCommunicator(
        FeedConsumer.as_asgi(), {"type": "channel", "channel": "market-feed"}
    )
    yield communicator
    communicator.future.cancel()
    await asyncio.gather(communicator.future, return_exceptions=True)


async def wake(consumer, condition, *, within=60):
    """Wake the consumer as its worker does, until `true()`."""
    async with asyncio.timeout(within):
        while not await condition():
            await consumer.send_input({"type": "wake"})
            await asyncio.sleep(0.05)


async def row():
    return await models.Venue.objects.filter(pk="hyperliquid-sim").afirst()


async def owned():
    venue_row = await row()
    return bool(venue_row and venue_row.owner_id)


async def test_a_wake_creates_the_venue_claims_it_and_connects(consumer, venue):
    await wake(consumer, owned)
    await until(lambda: venue.has(type="bbo", coin="BTC"))
    venue_row = await row()
    assert (venue_row.title, venue_row.simulated, venue_row.owner_epoch) == ("Hyperliquid Sim", True, 1)


async def test_a_drained_consumer_leaves_no_lease_and_no_connection(consumer, venue):
    await wake(consumer, owned)
    await until(lambda: venue.sockets)
    consumer.future.cancel()
    await asyncio.gather(consumer.future, return_exceptions=True)
    assert not await owned()
    assert not await Worker.objects.aexists()
    await until(lambda: not venue.sockets)


async def test_a_disabled_venue_is_released_and_claimed_again_when_enabled(consumer, venue):
    await wake(consumer, owned)
    await models.Venue.objects.aupdate(enabled=False)

    async def released():
        return not await owned()

    await wake(consumer, released)
    await models.Venue.objects.aupdate(enabled=True)
    await wake(consumer, owned)
    assert (await row()).owner_epoch == 2


async def test_a_crashed_feed_is_restarted(consumer, venue, monkeypatch):
    monkeypatch.setattr(worker_module, "PAUSE_AFTER_CRASH", 0.0)
    crashes = []

    async def crash(self):
        crashes.append(self)
        raise RuntimeError("a bug")

    real = worker_module.VenueFeed.run
    monkeypatch.setattr(worker_module.VenueFeed, "run", crash)

    async def crashed_twice():
        return len(crashes) >= 2

    await wake(consumer, crashed_twice)
    monkeypatch.setattr(worker_module.VenueFeed, "run", real)

    async def connected():
        return venue.has(type="bbo", coin="BTC")

    await wake(consumer, connected)


async def test_a_lost_lease_ends_the_feed(consumer, venue):
    await wake(consumer, owned)
    await until(lambda: venue.sockets)
    rival = await Worker.objects.acreate(channel="market-feed", host="x", pid=1, lease_until=Now())
    await models.Venue.objects.aupdate(owner=rival, owner_epoch=7)

    async def claimed_again():  # the rival's lease is over at once, so it comes back, under a newer epoch
        return (await row()).owner_epoch == 8

    await wake(consumer, claimed_again)
    await until(lambda: len(venue.subscribed) >= 2)


async def test_an_unknown_message_is_harmless(consumer, venue):
    await consumer.send_input({"type": "no.such"})
    await consumer.send_input({"type": "interest.changed", "venue": "hyperliquid-sim"})
    await wake(consumer, owned)


async def test_a_worker_wakes_its_consumer_without_redis():
    received = []

    async def application(scope, receive, send):
        while True:
            received.append(((await receive())["type"], scope["channel"]))

    class UnavailableLayer:
        async def receive(self, channel):
            raise redis.ConnectionError("away")

    worker = WakingWorker(application, "market-feed", UnavailableLayer())
    serving = asyncio.create_task(worker.arun())
    await until(lambda: received)
    serving.cancel()
    await worker.drain()
    await asyncio.gather(serving, return_exceptions=True)
    assert received[0] == ("wake", "market-feed")


async def test_nudges_reach_the_consumer_through_the_layer():
    received, inbox = [], asyncio.Queue()

    async def application(scope, receive, send):
        while True:
            received.append((await receive())["type"])

    class Layer:
        async def receive(self, channel):
            return await inbox.get()

    worker = WakingWorker(application, "market-feed", Layer())
    serving = asyncio.create_task(worker.arun())
    inbox.put_nowait({"no": "type"})
    inbox.put_nowait({"type": "interest.changed"})
    await until(lambda: "interest.changed" in received)
    serving.cancel()
    await worker.drain()
    await asyncio.gather(serving, return_exceptions=True)


def test_an_unknown_worker_name_is_refused():
    with pytest.raises(CommandError, match="market-feed"):
        call_command("run_worker", "nonsense")


# --- whole processes -----------------------------------------------------------------------------------
def environment(venue):
    database = connection.settings_dict
    host = quote(database["HOST"], safe="")
    place = f"{database['USER']}:{quote(database['PASSWORD'])}@{host}" + (
        f":{database['PORT']}" if database["PORT"] else ""
    )
    return os.environ | {
        "DATABASE_URL": f"postgresql://{place}/{database['NAME']}",
        "REDIS_URL": django_settings.REDIS_URL,
        "SIMULATOR_URL": venue.url,
        "VENUES": "hyperliquid-sim",
    }


@pytest.fixture
async def process(venue):
    """Start `run_worker market-feed` processes; killed at the end."""
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
    started = []

    async def start():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "manage.py", "run_worker", "market-feed", cwd=ROOT, env=environment(venue)
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def owner_pid():
    venue_row = await models.Venue.objects.select_related("owner").filter(owner__isnull=False).afirst()
    return venue_row.owner.pid if venue_row else None


async def eventually(condition, *, within):
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_process_in_five_seconds(process, venue, signal_number):
    child = await process()
    await until(lambda: venue.has(type="bbo", coin="BTC"), within=60)
    child.send_signal(signal_number)
    assert await asyncio.wait_for(child.wait(), 5) == 0
    assert not await owned()
    assert not await Worker.objects.aexists()


@pytest.mark.proof
@pytest.mark.slow
async def test_a_standby_takes_over_after_kill_9(process, venue):
    first = await process()
    await until(lambda: venue.has(type="bbo", coin="BTC"), within=60)
    second = await process()

    async def both_live():
        return await Worker.objects.acount() == 2

    await eventually(both_live, within=60)
    assert await owner_pid() == first.pid
    first.kill()

    async def taken_over():
        return await owner_pid() == second.pid

    await eventually(taken_over, within=15)
    await until(lambda: venue.has(type="bbo", coin="BTC"), within=60)
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        assert client.hexists(snap_key("hyperliquid-sim"), "_status")
