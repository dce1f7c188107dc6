"""A change at the venue itself keeps the client order id under a new venue order id: it stays one order."""

import itertools
from decimal import Decimal
from uuid import uuid4

import pytest

from market.domain.orders import Accepted
from tests.wallets.factories import NOW
from wallets import services
from wallets.models import Order
from wallets.selectors import order_history

pytestmark = pytest.mark.django_db
D = Decimal


def moved(world, order, venue_id="2", *, price=48_000, size="0.01", time=1_000, **changes):
    """The events of a change at the venue: the end of the former venue order, and the new one."""
    client_id = order.venue_client_id
    ended = world.venue_order(order, "cancelled", raw_status="canceled", status_time=world.now + time)
    changes = {"incomplete": True, "price": D(price), "size": D(size), "time": world.now + time} | changes
    return ended, world.venue_order(order, **changes, venue_id=venue_id, client_id=client_id)


def opened(world, **changes):
    order = world.open(venue_id="1", **changes)
    world.tell(world.venue_order(order))
    return world.again(order)


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(2))))
@pytest.mark.parametrize("batched", [True, False])
def test_an_order_changed_at_the_venue_stays_one_order_under_its_newest_id(world, sequence, batched):
    order = opened(world)
    reserved = order.reserved
    events = [moved(world, order)[number] for number in sequence]
    for batch in [events] if batched else [[event] for event in events]:
        world.tell(*batch)
    order = world.again(order)
    assert (order.status, order.venue_order_id, order.former_venue_ids) == ("open", "2", ["1"])
    assert (order.price, order.size) == (48_000, D("0.01"))
    assert order.reserved == world.held("reserved")
    assert abs(order.reserved - reserved * 48 / 49) < D("0.001")
    assert "doubled" not in order.flags
    assert Order.objects.count() == 1


def test_the_cancel_of_a_changed_order_names_its_newest_id(world):
    order = opened(world)
    world.tell(*moved(world, order))
    world.cancel(order)
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert prepared.cancels[0].venue_id == "2"


def test_a_cancel_that_was_sent_for_the_former_id_is_sent_again(world):
    order = opened(world)
    world.cancel(order)
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert prepared.cancels[0].venue_id == "1"
    world.tell(*moved(world, order))
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert prepared.cancels[0].venue_id == "2"


def test_the_history_shows_the_replacement(world):
    order = opened(world)
    world.tell(world.fill(order, "0.004"))
    world.tell(*moved(world, order, size="0.006"))
    (event,) = [event for event in order_history(world.again(order)).events if event.what == "replaced"]
    assert (event.row["venue_id"], event.row["price"], event.row["filled"]) == ("1", "49000", "0.004")


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4))))
def test_fills_under_both_ids_count_once_in_any_order(world, sequence):
    """0.004 of 0.01 are filled under the first id, the rest of 0.006 is moved and filled under the second."""
    order = opened(world)
    first = world.fill(order, "0.004")
    ended, opening = moved(world, order, size="0.006")
    second = world.fill(order, "0.006", venue_id="2", time=world.now + 2_000)
    events = [first, ended, opening, second]
    for number in sequence:
        world.tell(events[number], events[number])
    complete = world.venue_order(order, "filled", venue_id="2", size=D("0.006"), time=world.now + 1_000)
    world.tell(complete)
    order = world.again(order)
    assert (order.filled, order.venue_order_id) == (D("0.01"), "2")
    assert (order.status, order.size) == ("filled", D("0.01"))
    assert Order.objects.count() == 1
    assert world.held("reserved") == 0
    assert "overfill" not in order.flags


def test_a_changed_order_found_in_the_venues_list_is_the_same_order(world):
    order = opened(world)
    listed = world.venue_order(order, venue_id="2", price=D(48_500), time=world.now + 5_000)
    state = world.state({("perp", "USDC"): "10000"})
    for _ in range(2):
        done = services.account_reconcile(
            claim=world.claim, snapshot=world.snapshot(state, open_orders=(listed,))
        )
        assert done.to_query == []
    order = world.again(order)
    assert (order.venue_order_id, order.price, order.status) == ("2", 48_500, "open")
    assert Order.objects.count() == 1


def test_two_orders_that_the_venue_lists_under_one_client_id_are_a_duplicate(world):
    order = opened(world)
    other = world.venue_order(order, venue_id="2", time=world.now + 5_000)
    state = world.state({("perp", "USDC"): "10000"})
    snapshot = world.snapshot(state, open_orders=(world.venue_order(order), other))
    events = services.account_reconcile(claim=world.claim, snapshot=snapshot).events
    assert "critical" in {event.get("level") for event in events}
    assert (world.again(order).venue_order_id, world.again(order).flags) == ("1", ["doubled"])
    assert Order.objects.filter(venue_order_id="2", origin="external").exists()


def test_a_former_id_that_the_venue_still_lists_is_a_duplicate(world):
    order = opened(world)
    first = world.venue_order(order)
    second = moved(world, order)[1]
    world.tell(second)
    state = world.state({("perp", "USDC"): "10000"})
    snapshot = world.snapshot(state, open_orders=(first, second))
    services.account_reconcile(claim=world.claim, snapshot=snapshot)
    assert "doubled" in world.again(order).flags
    assert Order.objects.filter(venue_order_id="1", origin="external").exists()


def test_a_filled_order_and_one_that_never_rests_are_not_replaced(world):
    filled = opened(world)
    world.tell(world.fill(filled))
    world.tell(world.venue_order(filled, venue_id="2", time=world.now + 5_000))
    assert world.again(filled).flags == ["doubled"]
    ioc = world.open(venue_id="5", tif="ioc")
    world.tell(world.venue_order(ioc, venue_id="6", time=world.now + 5_000))
    assert world.again(ioc).flags == ["doubled"]


def test_a_bots_order_that_is_open_again_after_its_end_is_cancelled(world):
    """Its bot was told that it ended, and has placed another one."""
    order = opened(world)
    Order.objects.filter(pk=order.pk).update(source_id=uuid4(), origin="bot")
    ended, opening = moved(world, order)
    world.tell(ended)
    world.tell(opening)
    order = world.again(order)
    assert (order.status, order.venue_order_id) == ("open", "2")
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert prepared.cancels[0].venue_id == "2"


def test_a_bots_order_that_was_moved_stays_open_and_is_not_reported_ended(world):
    order = opened(world)
    Order.objects.filter(pk=order.pk).update(source_id=uuid4(), origin="bot")
    world.tell(*moved(world, order))
    order = world.again(order)
    assert (order.status, order.cancel_requested_at) == ("open", None)


def test_a_response_for_the_former_id_that_arrives_late_is_stored(world):
    order = world.place()
    (prepared,) = world.take()
    world.tell(world.venue_order(order, venue_id="2", time=NOW + 9_000))
    services.submission_answered(
        claim=world.claim, submission_id=prepared.submission_id, answers=[Accepted("1")]
    )
    order = world.again(order)
    assert (order.venue_order_id, order.former_venue_ids) == ("2", ["1"])
    world.tell(world.fill(order, "0.004", venue_id="1"))
    assert world.again(order).filled == D("0.004")
