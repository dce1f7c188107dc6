"""A wallet actor at a venue that loses requests and responses: every order is executed at most once."""

import asyncio
from decimal import Decimal

import pytest
from channels.db import database_sync_to_async
from django.db import connection
from django.utils import timezone

from core.leases import LeaseLost, worker_release
from core.threads import in_thread
from tests.wallets.actor_harness import WalletHarness, hurry, trader_make, until
from wallets import services
from wallets.execution import account_sync, expiry
from wallets.models import Balance, Fill, Order, Position, Submission, Wallet
from wallets.vault import VaultLocked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
def trader(world):
    return trader_make(world)


@pytest.fixture
async def harness(world, trader, monkeypatch):
    async with WalletHarness(world, trader).at_work() as harness:
        yield harness


@pytest.fixture(autouse=True)
def _short_validity(monkeypatch):
    """An expiry of half a second, so that waiting it out is quick."""
    hurry(monkeypatch, validity=600)


async def test_an_order_is_written_down_sent_once_and_open(harness):
    order = await harness.place()
    order = await harness.until_status(order, "open")
    (found,) = harness.at_venue(order)
    assert (found.status, order.venue_order_id) == ("open", found.venue_id)
    ((_, nonce, valid_until, _),) = harness.trader.sent
    assert (order.submission.nonce, order.submission.valid_until) == (nonce, valid_until)

    async def answered():  # the stream may be faster than the response
        return (await harness.order(order)).submission.outcome == "answered"

    await until(answered)


async def test_fills_of_the_stream_are_applied(harness):
    order = await harness.until_status(await harness.place(), "open")
    harness.trader.price("BTC", "48000")
    order = await harness.until_status(order, "filled")
    fill = await Fill.objects.aget(order=order)
    assert (fill.size, fill.price) == (order.size, order.price)
    published = {"order", "fill", "position", "balance"}
    await until(lambda: published <= {event["type"] for event in harness.published.events})


async def test_an_order_with_a_lost_response_is_found_and_not_sent_again(harness):
    harness.trader.fates = ["lost_reply"]
    order = await harness.place(kind="market", price=None, size="0.01")
    order = await harness.until_status(order, "filled")
    assert len(harness.trader.sent) == len(harness.at_venue(order)) == 1


async def test_an_order_that_never_arrived_is_sent_again_under_the_same_id(harness):
    harness.trader.fates = ["lost_request"]
    order = await harness.until_status(await harness.place(), "open")
    assert [ids for *_, ids in harness.trader.sent] == [[order.venue_client_id]] * 2
    assert len(harness.at_venue(order)) == 1
    nonces = [nonce for _, nonce, _, _ in harness.trader.sent]
    assert nonces[0] < nonces[1]


async def test_no_order_is_queried_before_its_validity_is_over(harness, monkeypatch):
    hurry(monkeypatch, validity=15_000)
    harness.trader.fates = ["late"]
    order = await harness.place(kind="market", price=None, size="0.01")
    await harness.until_status(order, "unknown")
    with pytest.raises(TimeoutError):
        await until(lambda: "order_get" in harness.trader.queries or len(harness.trader.sent) > 1, within=0.4)
    harness.trader.arrive()
    order = await harness.until_status(order, "filled")
    assert len(harness.at_venue(order)) == 1


async def test_without_waiting_out_a_late_request_is_done_twice(harness, monkeypatch):
    """Negative control: without waiting for the expiry an order is executed twice."""
    monkeypatch.setattr(expiry, "final_before", lambda now, settle: now + 60_000)
    harness.trader.fates = ["late"]
    order = await harness.place(kind="market", price=None, size="0.01")
    await until(lambda: len(harness.trader.sent) == 2)  # resolved at once, without waiting for the expiry
    harness.trader.arrive()
    assert len(harness.at_venue(order)) == 2


async def test_what_arrives_after_its_expiry_is_refused_by_the_venue_and_done_once(harness):
    harness.trader.fates = ["late"]
    order = await harness.place(kind="market", price=None, size="0.01")
    await until(lambda: len(harness.trader.sent) == 2)
    harness.trader.arrive()
    order = await harness.until_status(order, "filled")
    assert len(harness.at_venue(order)) == 1


async def test_what_never_left_waits_and_goes_when_the_venue_is_back(harness):
    await until(harness.actor._sync.ready.is_set)
    harness.trader.fates = ["away"] * 2
    order = await harness.until_status(await harness.place(), "open")
    assert len(harness.trader.sent) == 3

    async def answered():  # the event of the stream may arrive first
        outcomes = [s.outcome async for s in Submission.objects.order_by("pk")]
        return outcomes == ["not_sent", "not_sent", "answered"]

    await until(answered)
    assert order.submission.nonce > harness.trader.sent[0][1]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Invalid nonce: nonce too low 1 < 2", "open"),
        ("Action already expired", "open"),
        ("Too many orders", "rejected"),
    ],
)
async def test_a_refusal_of_the_envelope_is_tried_again_and_one_of_the_order_is_final(harness, text, status):
    await until(harness.actor._sync.ready.is_set)
    harness.trader.fates = [f"refused:{text}"]
    order = await harness.until_status(await harness.place(), status)
    assert len(harness.at_venue(order)) == (status == "open")


async def test_a_cancel_overtakes_orders_that_wait(harness):
    resting = await harness.until_status(await harness.place(), "open")
    harness.trader.fates = ["slow"]
    await harness.place(tif="alo")
    await until(lambda: len(harness.trader.sent) == 2)
    await harness.place(kind="market", price=None, size="0.01")  # waits behind the slow one
    await harness.cancel(resting)
    harness.trader.go.set()
    await harness.until_status(resting, "cancelled")
    await until(lambda: len(harness.trader.sent) >= 4)
    assert [kind for kind, *_ in harness.trader.sent][:4] == ["place", "place", "cancel", "place"]


async def test_a_cancel_with_a_lost_response_is_sent_again(harness):
    order = await harness.until_status(await harness.place(), "open")
    harness.trader.fates = ["lost_request"]
    await harness.cancel(order)
    await harness.until_status(order, "cancelled")
    assert [kind for kind, *_ in harness.trader.sent] == ["place", "cancel", "cancel"]


async def test_nothing_is_sent_before_the_first_full_sync(world, trader):
    trader.mute = {"fills"}
    async with WalletHarness(world, trader).at_work() as harness:
        order = await harness.place()
        await until(lambda: trader.queries.count("fills") >= 2)
        assert (await harness.order(order)).status == "pending"
        assert trader.sent == []
        trader.mute = set()
        await harness.until_status(order, "open")


async def test_what_waits_for_a_venue_that_is_away_lapses(world, trader):
    trader.away = True
    async with WalletHarness(world, trader).at_work() as harness:
        order = await harness.place()
        await Order.objects.filter(pk=order.pk).aupdate(send_before=timezone.now())
        await harness.until_status(order, "expired")
        assert trader.sent == []


async def test_orders_wait_while_the_key_is_locked_and_the_owner_is_alerted_once(world, trader):
    class Locked:
        def signer(self, wallet):
            raise VaultLocked("sealed for kid 1, key not present")

    async with WalletHarness(world, trader, opener=Locked()).at_work() as harness:
        await until(harness.actor._sync.ready.is_set)
        order = await harness.place()
        await until(lambda: [event for event in harness.published.events if event["type"] == "alert"])
        harness.actor.nudge()
        await asyncio.sleep(0.3)
        alerts = [event["text"] for event in harness.published.events if event["type"] == "alert"]
        assert alerts == ["Orders are waiting: sealed for kid 1, key not present."]
        assert (await harness.order(order)).status == "pending"
        assert trader.sent == []


async def test_a_worker_without_a_safe_lease_sends_nothing_and_ends(world, trader):
    safe = {"now": True}
    async with WalletHarness(world, trader, safe=lambda: safe["now"]).at_work() as harness:
        await until(harness.actor._sync.ready.is_set)
        safe["now"] = False
        await harness.place()
        await until(harness.task.done)
        assert isinstance(harness.task.exception(), LeaseLost)
        assert trader.sent == []


async def test_a_worker_that_lost_its_lease_while_it_waited_for_an_answer_changes_nothing(harness):
    await until(harness.actor._sync.ready.is_set)
    harness.trader.fates, harness.trader.streaming = ["slow"], False
    order = await harness.place()
    await until(lambda: harness.trader.sent)
    owner = (await Wallet.objects.aget()).owner_id
    await in_thread(worker_release, owner)
    harness.trader.go.set()
    await until(harness.task.done)
    assert isinstance(harness.task.exception(), LeaseLost)
    assert (await harness.order(order)).status == "submitting"


async def test_a_leverage_is_set_at_the_venue_and_then_stored(harness):
    fields = {
        "user": harness.world.user,
        "wallet_id": harness.world.wallet.pk,
        "symbol": "BTC",
        "leverage": 3,
    }
    await in_thread(services.leverage_set, **fields)
    harness.actor.nudge()

    async def stored():
        return await Position.objects.filter(leverage=3, target_leverage=None).aexists()

    await until(stored)
    assert [(kind, ids) for kind, _, _, ids in harness.trader.sent] == [("leverage", ["BTC"])]


async def test_events_missed_by_a_stream_are_found_when_it_is_back(harness):
    order = await harness.until_status(await harness.place(), "open")
    harness.trader.streaming = False
    harness.trader.price("BTC", "48000")
    assert (await harness.order(order)).status == "open"
    harness.trader.cut.set()
    order = await harness.until_status(order, "filled")
    assert await Fill.objects.acount() == 1


async def test_a_cancel_that_no_stream_tells_of_is_found_in_seconds(harness, monkeypatch):
    monkeypatch.setattr(account_sync, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(account_sync, "ENDING_SECONDS", 0.1)
    order = await harness.until_status(await harness.place(), "open")
    harness.trader.streaming = False
    await harness.cancel(order)
    await harness.until_status(order, "cancelled")


async def test_an_event_that_cannot_be_applied_ends_the_actor_with_an_error(harness, monkeypatch):
    def break_(**_):
        raise ValueError("a bug")

    order = await harness.until_status(await harness.place(), "open")
    monkeypatch.setattr(services, "account_events_apply", break_)
    harness.trader.price("BTC", "48000")
    await until(harness.task.done)
    assert "a bug" in str(harness.task.exception().exceptions)
    assert (await harness.order(order)).status == "open"


async def test_the_ledger_is_the_venues_cash_after_any_of_this(harness):
    harness.trader.fates = ["lost_reply", "ok", "lost_request", "ok", "lost_reply"]
    orders = [
        await harness.place(kind="market", price=None, size="0.01", side=side)
        for side in ("buy", "sell", "buy")
    ]
    for order in orders:
        await harness.until_status(order, "filled")
    account = harness.trader.accounts[harness.world.wallet.address]
    owned = Balance.objects.filter(account_type="perp", asset="USDC", account__in=("available", "reserved"))

    async def same():
        return sum([row.amount async for row in owned], Decimal(0)) == account.cash

    await until(same)
