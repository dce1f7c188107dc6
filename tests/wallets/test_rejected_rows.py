"""Account data of the venue that cannot be decoded is left out and said; orders are sent all the same."""

from decimal import Decimal

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from market.domain.errors import ParseError, VenueUnreadable
from market.venues.rows import Rows
from tests.wallets.actor_harness import WalletHarness, hurry, trader_make, until
from wallets import services
from wallets.models import Order, Wallet

D = Decimal
BAD = ParseError("not a decimal number", "1e-8")


# --- the services -------------------------------------------------------------------------------------
@pytest.fixture
def snapshot(world):
    """A snapshot with its problems."""

    def make(**changes):
        return world.snapshot(world.state({("perp", "USDC"): "10000"}), **changes)

    return make


@pytest.mark.django_db
def test_the_wallet_says_what_was_left_out_once_and_forgets_it(world, snapshot):
    problem = "Open orders: 1 row was left out."
    seen = []
    for _ in range(2):
        done = services.account_reconcile(claim=world.claim, snapshot=snapshot(rejected_state=problem))
        seen.append([event["text"] for event in done.events if event["type"] == "alert"])
        assert Wallet.objects.get().venue_problem == problem
    assert seen == [[problem], []]
    services.account_reconcile(claim=world.claim, snapshot=snapshot())
    assert Wallet.objects.get().venue_problem == ""


@pytest.mark.django_db
def test_events_that_were_left_out_are_read_again_for_a_day(world, snapshot):
    read = snapshot(rejected_events="Fills: 1 row was left out.")
    services.account_reconcile(claim=world.claim, snapshot=read)
    assert Wallet.objects.get().events_synced_until == read.before.time - 24 * 3600 * 1000
    services.account_reconcile(claim=world.claim, snapshot=snapshot())
    assert Wallet.objects.get().events_synced_until == read.before.time


@pytest.mark.django_db
def test_an_account_with_a_row_left_out_is_not_compared_with_the_ledger(world):
    state = world.state({("perp", "USDC"): "10000"})
    services.account_reconcile(claim=world.claim, snapshot=world.snapshot(state))
    partial = world.state({}, rejected=(BAD,))
    done = services.account_reconcile(claim=world.claim, snapshot=world.snapshot(partial))
    assert (done.stable, Wallet.objects.get().residual) == (False, {})


@pytest.mark.django_db
def test_an_order_of_an_unknown_type_is_adopted_and_keeps_the_venues_word(world):
    event = world.venue_order(
        venue_id="99", kind="other", tif="other", unknown_words="orderType Scale, tif Fok"
    )
    world.tell(event)
    order = Order.objects.get()
    assert (order.kind, order.tif, order.status) == ("other", "other", "open")
    assert order.flags == ["orderType Scale, tif Fok"]
    assert world.cancel(order).cancel_requested_at is not None


@pytest.mark.django_db
def test_an_unknown_status_means_that_the_venue_has_the_order(world):
    order = world.place()
    world.take()
    world.tell(world.venue_order(order, "other", raw_status="frozen"))
    order = world.again(order)
    assert (order.status, order.code) == ("open", "frozen")


# --- the actor ----------------------------------------------------------------------------------------
@pytest.fixture
async def _hang_up(transactional_db):
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.mark.usefixtures("_hang_up")
@pytest.mark.django_db(transaction=True)
async def test_an_exit_is_sent_although_lists_and_an_order_cannot_be_decoded(world, monkeypatch):
    """After a restart: one open order is left out of the list, and its query cannot be decoded either."""
    hurry(monkeypatch, validity=600)
    trader = trader_make(world)
    async with WalletHarness(world, trader).at_work() as harness:
        resting = await harness.until_status(await harness.place(), "open")
    listed, fills = trader.orders_open, trader.fills

    async def orders_open(address):
        rows = await listed(address)
        return Rows([row for row in rows if row.client_id != resting.venue_client_id], [BAD])

    async def fills_read(address, since):
        return Rows(await fills(address, since), [BAD])

    async def order_get(address, **ids):
        raise VenueUnreadable(trader.venue, "not an order kind")

    monkeypatch.setattr(trader, "orders_open", orders_open)
    monkeypatch.setattr(trader, "fills", fills_read)
    monkeypatch.setattr(trader, "order_get", order_get)
    async with WalletHarness(world, trader).at_work() as harness:
        order = await harness.place(price=48_500)
        await harness.until_status(order, "open")

        async def said():
            return "left out" in (await Wallet.objects.aget(pk=world.wallet.pk)).venue_problem

        await until(said)
        assert (await harness.order(resting)).status == "open"
