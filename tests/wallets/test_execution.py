"""The execution worker: claims wallets, runs an actor for each, survives their crashes, releases all."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.testing import ApplicationCommunicator
from django.db import connection
from django.db.models.functions import Now

from core import leases
from core.models import Worker
from core.nudges import nudge
from core.threads import in_thread
from tests.wallets import factories as worlds
from tests.wallets.actor_harness import Opener, until
from tests.wallets.fake_trader import FakeTrader
from wallets import consumers, services
from wallets.consumers import ExecutionConsumer
from wallets.execution import wallet_actor as actor_module
from wallets.execution import worker as worker_module
from wallets.execution.venue_connection import VenueClock, slots_assign
from wallets.models import Order, Wallet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
def two(world, bob):
    """alice's wallet and bob's, claimed by no worker."""
    leases.release(world.claim)
    other = worlds.wallet_make(bob, world.venue, 2)
    return world.wallet, other


@pytest.fixture
def trader(two, monkeypatch):
    venue = FakeTrader({"BTC": "50000"})
    for wallet in two:
        venue.account_open(wallet.address, wallet.signer_address)
    monkeypatch.setattr(worker_module, "trader_for", lambda name: venue)
    monkeypatch.setattr(consumers, "Unsealer", lambda folder: Opener())
    monkeypatch.setattr(consumers, "harden", lambda: None)
    return venue


@pytest.fixture
async def worker(trader):
    """The consumer, woken often as in its process."""
    talk = ApplicationCommunicator(
        ExecutionConsumer.as_asgi(), {"type": "channel", "channel": "wallets-execution"}
    )

    async def wake():
        while not talk.future or not talk.future.done():
            await talk.send_input({"type": "wake"})
            await asyncio.sleep(0.1)

    talk.waking = asyncio.create_task(wake())
    yield talk
    talk.waking.cancel()
    talk.future.cancel()
    await asyncio.gather(talk.future, talk.waking, return_exceptions=True)


async def opened():
    return await Wallet.objects.filter(ledger_opened_at__isnull=False, owner__isnull=False).acount() == 2


def place(world, wallet):
    worlds.prices()  # a busy machine takes longer to get here than a price is fresh
    return services.order_place(user=wallet.user, wallet_id=wallet.pk, request=world.request(), origin="api")


async def status_is(order, status):
    async def reached():
        return await Order.objects.filter(pk=order.pk, status=status).aexists()

    await until(reached)


async def test_a_worker_claims_every_wallet_syncs_and_streams_it(worker, two, trader):
    await until(opened)
    assert {wallet.owner_epoch async for wallet in Wallet.objects.all()} <= {1, 2}
    await until(lambda: set(trader.watched) == {wallet.address for wallet in two})

    async def live():
        return await Wallet.objects.filter(stream_status="live").acount() == 2

    await until(live)


async def test_archived_wallets_are_not_claimed(worker, two, trader):
    await Wallet.objects.filter(pk=two[1].pk).aupdate(status="archived")
    await until(lambda: trader.watched == [two[0].address])
    assert (await Wallet.objects.aget(pk=two[1].pk)).owner_id is None


async def test_a_nudge_alone_sends_an_order(worker, two, trader, world):
    await until(opened)
    worker.waking.cancel()
    await asyncio.to_thread(nudge, "wallets-execution", "no-such-wallet")
    order = await in_thread(place, world, two[0])
    await status_is(order, "open")


async def test_an_actor_that_crashes_is_restarted_and_others_keep_running(
    worker, two, trader, world, monkeypatch
):
    monkeypatch.setattr(worker_module, "FIRST_PAUSE", 0.2)
    await until(opened)
    crashes = []
    real = actor_module.WalletActor._signer

    async def crash(actor):
        if actor.claim.pk == two[0].pk and len(crashes) < 2:
            crashes.append(actor)
            raise RuntimeError("a bug")
        return await real(actor)

    monkeypatch.setattr(actor_module.WalletActor, "_signer", crash)
    mine, others = [await in_thread(place, world, wallet) for wallet in two]
    await status_is(others, "open")
    await status_is(mine, "open")
    assert len({id(actor) for actor in crashes}) == 2  # a new actor each time


async def test_a_wallet_that_another_worker_took_is_released_at_once(worker, two, trader):
    await until(opened)
    rival = await Worker.objects.acreate(channel="wallets-execution", host="x", pid=1, lease_until=Now())
    await Wallet.objects.filter(pk=two[0].pk).aupdate(owner=rival, owner_epoch=70)

    async def claimed_again():  # the rival's lease is over, so it comes back under a newer epoch
        return (await Wallet.objects.aget(pk=two[0].pk)).owner_epoch == 71

    await until(claimed_again)


async def test_a_drained_worker_finishes_its_send_and_gives_everything_back(worker, two, trader, world):
    await until(opened)
    trader.fates = ["slow"]
    order = await in_thread(place, world, two[0])
    await until(lambda: trader.sent)
    waiting = await in_thread(place, world, two[0])
    worker.future.cancel()
    await asyncio.sleep(0.2)
    trader.go.set()
    await asyncio.gather(worker.future, return_exceptions=True)
    order = await Order.objects.select_related("submission").aget(pk=order.pk)
    assert (order.status, order.submission.outcome) == ("open", "answered")
    assert (await Order.objects.aget(pk=waiting.pk)).status == "pending"
    assert not await Wallet.objects.filter(owner__isnull=False).aexists()
    assert trader.closed


# --- stream slots -------------------------------------------------------------------------------------
def test_busy_accounts_get_the_streams_and_keep_them():
    assert slots_assign([], {"a": False, "b": True, "c": False}, 2) == ["b", "a"]
    assert set(slots_assign(["c"], {"a": False, "b": True, "c": False}, 2)) == {"b", "c"}
    assert set(slots_assign(["b", "c"], {"a": True, "b": True, "c": True}, 2)) == {"b", "c"}
    assert set(slots_assign(["b", "c"], {"a": True, "b": True, "c": False}, 2)) == {"a", "b"}
    assert slots_assign(["gone"], {"a": False}, 2) == ["a"]


# --- the venue's clock --------------------------------------------------------------------------------
def test_the_quickest_answer_tells_the_venues_time():
    clock = VenueClock()
    assert clock.offset is None
    assert not clock.is_trusted(5_000)
    clock.sample(venue=10_500, sent=10_000, received=10_900)
    clock.sample(venue=11_050, sent=11_000, received=11_020)
    assert clock.offset == 40
    assert clock.now(20_000) == 20_040
    assert clock.round_trip == 900
    assert clock.is_trusted(5_000)


def test_a_round_trip_with_a_process_suspension_is_no_sample():
    clock = VenueClock()
    clock.sample(venue=10_000, sent=10_000, received=40_000)
    assert clock.offset is None


def test_a_clock_that_is_half_the_validity_wrong_is_not_trusted():
    clock = VenueClock()
    clock.sample(venue=12_600, sent=10_000, received=10_010)
    assert not clock.is_trusted(5_000)
