"""Leases against a real PostgreSQL: claims, expiry, fencing, races, and a suspended worker."""

import asyncio
import threading
from datetime import timedelta

import psycopg
import pytest
from channels.db import database_sync_to_async
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from core import leases
from core.leases import LeaseKeeper, LeaseLost
from core.models import Worker
from core.threads import in_thread
from cryptotrade.settings import DATABASE_URL, database
from market import models
from tests.clock import Clock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
def venue():
    return models.Venue.objects.create(name="hyperliquid-sim", title="Simulator")


@pytest.fixture
def worker():
    return leases.worker_register(channel="market-feed")


@pytest.fixture
def rival():
    return leases.worker_register(channel="market-feed")


def expire(worker):
    Worker.objects.filter(pk=worker).update(lease_until=Now() - timedelta(seconds=1))


def claim_venues(worker, **options):
    return leases.claim(models.Venue, worker, **options)


def test_a_claim_names_the_owner_and_raises_the_epoch(venue, worker):
    (claim,) = claim_venues(worker)
    venue.refresh_from_db()
    assert (venue.owner_id, venue.owner_epoch, claim.epoch) == (worker, 1, 1)


def test_a_claimed_row_is_not_claimable(venue, worker, rival):
    claim_venues(worker)
    assert claim_venues(rival) == []
    assert claim_venues(worker) == []


def test_only_matching_rows_are_claimed(venue, worker):
    assert claim_venues(worker, where=Q(name="other")) == []
    assert claim_venues(worker, limit=0) == []


def test_an_expired_lease_frees_the_work_and_fences_the_old_owner(venue, worker, rival):
    (old,) = claim_venues(worker)
    expire(worker)
    (new,) = claim_venues(rival)
    assert new.epoch == old.epoch + 1
    assert not leases.is_still_owner(old)
    assert leases.is_still_owner(new)
    with pytest.raises(LeaseLost), transaction.atomic():
        leases.fence(old)
    with transaction.atomic():
        leases.fence(new)


def test_an_expired_worker_is_fenced_even_without_a_new_owner(venue, worker):
    (claim,) = claim_venues(worker)
    expire(worker)
    with pytest.raises(LeaseLost, match="Venue hyperliquid-sim is not owned"), transaction.atomic():
        leases.fence(claim)
    assert leases.worker_renew(worker)
    with transaction.atomic():
        leases.fence(claim)  # no other worker claimed it: the claim is valid again


def test_a_release_is_immediate_and_ignored_for_another_owner(venue, worker, rival):
    (old,) = claim_venues(worker)
    leases.release(old)
    (new,) = claim_venues(rival)
    leases.release(old)
    assert leases.is_still_owner(new)


def test_a_released_worker_releases_all_its_claims(venue, worker, rival):
    claim_venues(worker)
    leases.worker_release(worker)
    assert len(claim_venues(rival)) == 1
    assert not leases.worker_renew(worker)


def test_the_fence_holds_the_row_until_the_write_is_done(venue, worker, rival):
    (claim,) = claim_venues(worker)
    fenced, finish, taken = threading.Event(), threading.Event(), []

    def write():
        try:
            with transaction.atomic():
                leases.fence(claim)
                fenced.set()
                finish.wait(60)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert fenced.wait(60)
        expire(worker)
        taken = claim_venues(rival)  # the row is locked: skipped, not waited for
    finally:
        finish.set()
        writer.join(60)
    assert taken == []
    assert len(claim_venues(rival)) == 1


def test_racing_workers_never_claim_the_same_row():
    for number in range(30):
        models.Venue.objects.create(name=f"v{number}", title="V")
    claims, errors = [], []
    start = threading.Barrier(3)

    def race():
        try:
            me = leases.worker_register(channel="market-feed")
            start.wait(60)
            while claimed_now := claim_venues(me, limit=3):
                claims.extend((item.pk, item.epoch) for item in claimed_now)
        except (DatabaseError, threading.BrokenBarrierError) as error:
            errors.append(error)
        finally:
            connection.close()

    racers = [threading.Thread(target=race) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    # A row that was locked by a rival at that moment is skipped, so one more look may be needed.
    claims += [(item.pk, item.epoch) for item in claim_venues(leases.worker_register(channel="market-feed"))]
    assert not errors
    assert len(claims) == len({pk for pk, _ in claims}) == 30
    assert {epoch for _, epoch in claims} == {1}


def test_rows_of_long_expired_workers_are_swept(worker, rival):
    Worker.objects.filter(pk=worker).update(lease_until=Now() - timedelta(hours=2))
    assert leases.workers_sweep() == 1
    assert list(Worker.objects.values_list("pk", flat=True)) == [rival]


# --- Keeper ------------------------------------------------------------------------------------------
@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(leases, "RENEW_INTERVAL", 0.01)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_keeper_is_safe_until_three_seconds_before_the_lease_ends(clock):
    keeper = LeaseKeeper("market-feed", clock=clock)
    assert not keeper.is_safe()
    await keeper.start()
    assert keeper.is_safe()
    clock.now += 8.9
    assert keeper.is_safe()
    clock.now += 0.2
    assert not keeper.is_safe()
    await keeper.stop()
    assert not keeper.is_safe()


async def test_a_keeper_renews_and_leaves_no_row_behind(clock, quick):
    keeper = LeaseKeeper("market-feed", clock=clock)
    await keeper.start()
    clock.now += 20
    await until(keeper.is_safe)
    await keeper.stop()
    assert not await Worker.objects.aexists()


async def test_a_keeper_with_a_swept_row_registers_again(clock, quick):
    keeper = LeaseKeeper("market-feed", clock=clock)
    first = await keeper.start()
    await Worker.objects.all().adelete()
    await until(lambda: keeper.worker != first)
    assert keeper.is_safe()
    await keeper.stop()


async def test_a_keeper_that_cannot_renew_becomes_unsafe_and_recovers(clock, quick, monkeypatch):
    keeper = LeaseKeeper("market-feed", clock=clock)
    await keeper.start()
    away = []

    def renew(worker):
        away.append(worker)
        raise OperationalError("the server is away")

    real = leases.worker_renew
    monkeypatch.setattr(leases, "worker_renew", renew)
    await until(lambda: away)
    clock.now += 10
    assert not keeper.is_safe()
    monkeypatch.setattr(leases, "worker_renew", real)
    await until(keeper.is_safe)
    await keeper.stop()


async def test_a_keeper_stops_though_the_database_is_away(clock, monkeypatch):
    keeper = LeaseKeeper("market-feed", clock=clock)
    await keeper.start()

    def release(worker):
        raise OperationalError("the server is away")

    monkeypatch.setattr(leases, "worker_release", release)
    await keeper.stop()
    assert keeper.worker is None


async def test_a_worker_suspended_in_a_transaction_does_not_block_its_rows(venue, worker, rival):
    """As after SIGSTOP: the database ends the session of the worker, and its rows can be claimed."""
    (claim,) = await database_sync_to_async(claim_venues)(worker)
    inside, go = threading.Event(), threading.Event()

    def write():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            leases.fence(claim)
            inside.set()
            go.wait(60)
            models.Venue.objects.filter(pk=claim.pk).update(title="Too late")

    writing = asyncio.create_task(in_thread(write))
    assert await asyncio.to_thread(inside.wait, 60)
    await database_sync_to_async(expire)(worker)
    async with asyncio.timeout(60):
        while not (taken := await database_sync_to_async(claim_venues)(rival)):
            await asyncio.sleep(0.01)
    go.set()
    with pytest.raises(OperationalError, match="idle-in-transaction"):
        await writing
    assert taken == [leases.Claim(models.Venue, claim.pk, claim.epoch + 1)]
    await database_sync_to_async(venue.refresh_from_db)()
    assert venue.title == "Simulator"


def test_the_database_does_not_wait_for_a_stopped_process_until_its_lease_ends():
    options = database(DATABASE_URL)["OPTIONS"]["options"]
    with psycopg.connect(DATABASE_URL, options=options) as own, own.cursor() as cursor:
        cursor.execute(
            "SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
        )
        (ends_after,) = cursor.fetchone()
    assert 1_000 < ends_after < LeaseKeeper.MARGIN * 1000
