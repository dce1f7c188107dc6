"""Cancelling all orders: the dialog says what and of whom, and only the chosen scope is cancelled."""

import json

import pytest
from django.test import Client

from wallets.models import Order

HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(world):
    client = Client()
    client.force_login(world.user)
    return client


@pytest.fixture
def orders(world):
    """Two orders of the trader, one of a bot."""
    placed = [world.place(price="48000"), world.place(price="47000"), world.place(price="46000")]
    Order.objects.filter(pk=placed[2].pk).update(origin="bot")
    return placed


def statuses(orders):
    return [Order.objects.get(pk=order.pk).status for order in orders]


def test_the_dialog_counts_the_orders_of_each_scope_and_cancels_nothing(page, orders):
    content = page.get("/orders/cancel/", headers=HTMX).content.decode()
    for scope, count in (("manual", 2), ("bots", 1), ("all", 3)):
        assert f'value="{scope}" data-says="Cancel {count} order' in content
    assert "placed by a bot" in content
    assert statuses(orders) == ["pending"] * 3


def test_the_dialog_is_of_what_the_page_shows(page, orders):
    assert "No open orders" in page.get("/orders/cancel/?symbol=ETH", headers=HTMX).content.decode()


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("manual", ["cancelled", "cancelled", "pending"]),
        ("bots", ["pending", "pending", "cancelled"]),
        ("all", ["cancelled"] * 3),
    ],
)
def test_only_the_chosen_scope_is_cancelled_and_a_toast_says_how_many(page, orders, scope, left):
    answer = page.post("/orders/cancel/", {"scope": scope}, headers=HTMX)
    assert statuses(orders) == left
    count = left.count("cancelled")
    assert json.loads(answer["HX-Trigger"])["toast:show"]["title"].startswith(f"Cancelling {count} order")


def test_another_traders_wallet_is_not_found(page, bob, orders):
    other = Client()
    other.force_login(bob)
    wallet = orders[0].wallet_id
    assert other.get(f"/orders/cancel/?wallet={wallet}", headers=HTMX).status_code == 404
