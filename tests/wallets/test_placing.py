"""Placing, repeating and taking back orders."""

from decimal import Decimal

import pytest

pytestmark = pytest.mark.django_db


def test_an_approved_order_waits_with_its_funds_reserved(world):
    order = world.place()
    assert (order.status, order.venue_client_id) == ("pending", f"0x{order.pk.hex}")
    assert order.reserved == Decimal("24.72050000")  # 490 / 20 and the fee
    assert (world.held("reserved"), world.held()) == (order.reserved, 10_000 - order.reserved)


def test_a_whole_life(world):
    order = world.open(venue_id="77")
    assert (order.status, order.venue_order_id) == ("open", "77")
    world.tell(world.fill(order, "0.004"))
    assert world.again(order).status == "partly_filled"
    assert world.again(order).reserved == Decimal("14.832300")
    world.tell(world.fill(order, "0.006"))
    order = world.again(order)
    assert (order.status, order.filled, order.reserved) == ("filled", order.size, 0)
    assert world.held("reserved") == 0
    assert world.held() == Decimal("9999.8")


def test_a_cancel_of_what_never_left_ends_at_once(world):
    order = world.cancel(world.place())
    assert (order.status, order.reserved, world.held()) == ("cancelled", 0, 10_000)
    assert world.take() == []
