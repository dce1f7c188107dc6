"""A desk against a venue that loses requests and answers: every order is done once, or not at all."""

import asyncio
from decimal import Decimal

import pytest
from channels.db import database_sync_to_async
from django.db import connection
from django.utils import timezone

from market.hub import in_thread
from market.leases import LeaseLost, worker_release
from tests.wallets.actor_harness import Bench, hurry, trader_make, until
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
async def bench(world, trader, monkeypatch):
    async with Bench(world, trader).at_work() as bench:
        yield bench


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """An expiry of half a second, so that waiting it out is quick."""
    hurry(monkeypatch, validity=600)


async def test_an_order_is_written_down_sent_once_and_open(bench):
    order = await bench.place()
    order = await bench.until_status(order, "open")
    (found,) = bench.at_venue(order)
    assert (found.status, order.venue_order_id) == ("open", found.venue_id)
    ((_, nonce, valid_until, _),) = bench.trader.sent
    assert (order.submission.nonce, order.submission.valid_until) == (nonce, valid_until)

    async def answered():  # the stream may have been quicker than the answer
        return (await bench.order(order)).submission.outcome == "answered"

    await until(answered)


async def test_fills_of_the_stream_are_booked(bench):
    order = await bench.until_status(await bench.place(), "open")
    bench.trader.price("BTC", "48000")
    order = await bench.until_status(order, "filled")
    fill = await Fill.objects.aget(order=order)
    assert (fill.size, fill.price) == (order.size, order.price)
    told = {"order", "fill", "position", "balance"}
    await until(lambda: told <= {event["type"] for event in bench.told.events})


async def test_an_order_whose_answer_was_lost_is_found_and_not_sent_again(bench):
    bench.trader.fates = ["lost_reply"]
    order = await bench.place(kind="market", price=None, size="0.01")
    order = await bench.until_status(order, "filled")
    assert len(bench.trader.sent) == len(bench.at_venue(order)) == 1


async def test_an_order_that_never_arrived_is_sent_again_under_the_same_id(bench):
    bench.trader.fates = ["lost_request"]
    order = await bench.until_status(await bench.place(), "open")
    assert [ids for *_, ids in bench.trader.sent] == [[order.venue_client_id]] * 2
    assert len(bench.at_venue(order)) == 1
    nonces = [nonce for _, nonce, _, _ in bench.trader.sent]
    assert nonces[0] < nonces[1]


async def test_the_venue_is_not_asked_before_the_validity_is_over(bench, monkeypatch):
    monkeypatch.setattr(expiry, "VALIDITY", 15_000)
    bench.trader.fates = ["late"]
    order = await bench.place(kind="market", price=None, size="0.01")
    await bench.until_status(order, "unknown")
    with pytest.raises(TimeoutError):
        await until(lambda: "order_get" in bench.trader.asked or len(bench.trader.sent) > 1, within=0.4)
    bench.trader.arrive()
    order = await bench.until_status(order, "filled")
    assert len(bench.at_venue(order)) == 1


async def test_without_waiting_out_a_late_request_is_done_twice(bench, monkeypatch):
    """The negative control: this is the one line that everything hangs on."""
    monkeypatch.setattr(expiry, "settled_before", lambda now, margin=0: now + 60_000)
    bench.trader.fates = ["late"]
    order = await bench.place(kind="market", price=None, size="0.01")
    await until(lambda: len(bench.trader.sent) == 2)  # it is in doubt for a moment only: nobody waits
    bench.trader.arrive()
    assert len(bench.at_venue(order)) == 2


async def test_what_arrives_after_its_expiry_is_refused_by_the_venue_and_done_once(bench):
    bench.trader.fates = ["late"]
    order = await bench.place(kind="market", price=None, size="0.01")
    await until(lambda: len(bench.trader.sent) == 2)
    bench.trader.arrive()
    order = await bench.until_status(order, "filled")
    assert len(bench.at_venue(order)) == 1


async def test_what_never_left_waits_and_goes_when_the_venue_is_back(bench):
    await until(bench.desk._books.ready.is_set)
    bench.trader.fates = ["away"] * 2
    order = await bench.until_status(await bench.place(), "open")
    assert len(bench.trader.sent) == 3

    async def answered():  # the stream may have told of the order first
        outcomes = [s.outcome async for s in Submission.objects.order_by("pk")]
        return outcomes == ["not_sent", "not_sent", "answered"]

    await until(answered)
    assert order.submission.nonce > bench.trader.sent[0][1]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Invalid nonce: nonce too low 1 < 2", "open"),
        ("Action already expired", "open"),
        ("Too many orders", "rejected"),
    ],
)
async def test_a_refusal_of_the_envelope_is_tried_again_and_one_of_the_order_is_final(bench, text, status):
    await until(bench.desk._books.ready.is_set)
    bench.trader.fates = [f"refused:{text}"]
    order = await bench.until_status(await bench.place(), status)
    assert len(bench.at_venue(order)) == (status == "open")


async def test_a_cancel_overtakes_orders_that_wait(bench):
    resting = await bench.until_status(await bench.place(), "open")
    bench.trader.fates = ["slow"]
    await bench.place(tif="alo")
    await until(lambda: len(bench.trader.sent) == 2)
    await bench.place(kind="market", price=None, size="0.01")  # waits behind the slow one
    await bench.cancel(resting)
    bench.trader.go.set()
    await bench.until_status(resting, "cancelled")
    await until(lambda: len(bench.trader.sent) >= 4)
    assert [kind for kind, *_ in bench.trader.sent][:4] == ["place", "place", "cancel", "place"]


async def test_a_cancel_whose_answer_was_lost_is_sent_again(bench):
    order = await bench.until_status(await bench.place(), "open")
    bench.trader.fates = ["lost_request"]
    await bench.cancel(order)
    await bench.until_status(order, "cancelled")
    assert [kind for kind, *_ in bench.trader.sent] == ["place", "cancel", "cancel"]


async def test_nothing_is_sent_before_the_account_was_asked_for_everything(world, trader):
    trader.mute = {"fills"}
    async with Bench(world, trader).at_work() as bench:
        order = await bench.place()
        await until(lambda: trader.asked.count("fills") >= 2)
        assert (await bench.order(order)).status == "pending"
        assert trader.sent == []
        trader.mute = set()
        await bench.until_status(order, "open")


async def test_what_waits_for_a_venue_that_is_away_lapses(world, trader):
    trader.away = True
    async with Bench(world, trader).at_work() as bench:
        order = await bench.place()
        await Order.objects.filter(pk=order.pk).aupdate(send_before=timezone.now())
        await bench.until_status(order, "expired")
        assert trader.sent == []


async def test_orders_wait_while_the_key_cannot_be_opened_and_the_owner_is_told_once(world, trader):
    class Locked:
        def signer(self, wallet):
            raise VaultLocked("sealed for kid 1, key not present")

    async with Bench(world, trader, opener=Locked()).at_work() as bench:
        await until(bench.desk._books.ready.is_set)
        order = await bench.place()
        await until(lambda: [event for event in bench.told.events if event["type"] == "alert"])
        bench.desk.nudge()
        await asyncio.sleep(0.3)
        alerts = [event["text"] for event in bench.told.events if event["type"] == "alert"]
        assert alerts == ["Orders wait: sealed for kid 1, key not present."]
        assert (await bench.order(order)).status == "pending"
        assert trader.sent == []


async def test_a_worker_whose_lease_is_not_safe_sends_nothing_and_leaves(world, trader):
    safe = {"now": True}
    async with Bench(world, trader, safe=lambda: safe["now"]).at_work() as bench:
        await until(bench.desk._books.ready.is_set)
        safe["now"] = False
        await bench.place()
        await until(bench.task.done)
        assert isinstance(bench.task.exception(), LeaseLost)
        assert trader.sent == []


async def test_a_worker_that_lost_its_lease_while_it_waited_for_an_answer_changes_nothing(bench):
    await until(bench.desk._books.ready.is_set)
    bench.trader.fates, bench.trader.streaming = ["slow"], False
    order = await bench.place()
    await until(lambda: bench.trader.sent)
    owner = (await Wallet.objects.aget()).owner_id
    await in_thread(worker_release, owner)
    bench.trader.go.set()
    await until(bench.task.done)
    assert isinstance(bench.task.exception(), LeaseLost)
    assert (await bench.order(order)).status == "submitting"


async def test_a_leverage_is_set_at_the_venue_and_then_believed(bench):
    fields = {"user": bench.world.user, "wallet_id": bench.world.wallet.pk, "symbol": "BTC", "leverage": 3}
    await in_thread(services.leverage_set, **fields)
    bench.desk.nudge()

    async def believed():
        return await Position.objects.filter(leverage=3, leverage_wanted=None).aexists()

    await until(believed)
    assert [(kind, ids) for kind, _, _, ids in bench.trader.sent] == [("leverage", ["BTC"])]


async def test_what_a_stream_did_not_say_is_found_when_it_is_back(bench):
    order = await bench.until_status(await bench.place(), "open")
    bench.trader.streaming = False
    bench.trader.price("BTC", "48000")
    assert (await bench.order(order)).status == "open"
    bench.trader.cut.set()
    order = await bench.until_status(order, "filled")
    assert await Fill.objects.acount() == 1


async def test_a_cancel_that_no_stream_tells_of_is_found_in_seconds(bench, monkeypatch):
    monkeypatch.setattr(account_sync, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(account_sync, "ENDING_SECONDS", 0.1)
    order = await bench.until_status(await bench.place(), "open")
    bench.trader.streaming = False
    await bench.cancel(order)
    await bench.until_status(order, "cancelled")


async def test_a_fact_that_cannot_be_booked_ends_the_desk_and_not_silently(bench, monkeypatch):
    def break_(**_):
        raise ValueError("a bug")

    order = await bench.until_status(await bench.place(), "open")
    monkeypatch.setattr(services, "facts_apply", break_)
    bench.trader.price("BTC", "48000")
    await until(bench.task.done)
    assert "a bug" in str(bench.task.exception().exceptions)
    assert (await bench.order(order)).status == "open"


async def test_the_ledger_is_the_venues_cash_after_any_of_this(bench):
    bench.trader.fates = ["lost_reply", "ok", "lost_request", "ok", "lost_reply"]
    orders = [
        await bench.place(kind="market", price=None, size="0.01", side=side)
        for side in ("buy", "sell", "buy")
    ]
    for order in orders:
        await bench.until_status(order, "filled")
    account = bench.trader.accounts[bench.world.wallet.address]
    mine = Balance.objects.filter(pot="perp", asset="USDC", account__in=("available", "reserved"))

    async def same():
        return sum([row.amount async for row in mine], Decimal(0)) == account.cash

    await until(same)
