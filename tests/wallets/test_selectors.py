"""Selectors: readable rows of users and staff, and derived values."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.domain.permissions import Role
from accounts.services import role_set
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, SPOT
from wallets import selectors, services
from wallets.models import Wallet

pytestmark = pytest.mark.django_db
D = Decimal


def test_wallets_are_ones_own_with_the_archived_last(world, bob):
    first = worlds.wallet_make(world.user, world.venue, 2)
    Wallet.objects.filter(pk=world.wallet.pk).update(status="archived")
    worlds.wallet_make(bob, world.venue, 3)
    assert [wallet.pk for wallet in selectors.wallets_of(world.user)] == [first.pk, world.wallet.pk]


@pytest.mark.parametrize(
    ("role", "sees"), [(Role.TRADER, False), (Role.SUPPORT, True), (Role.ADMINISTRATOR, True)]
)
def test_others_see_what_their_role_may_read(world, bob, role, sees):
    order = world.open()
    world.tell(world.fill(order))
    if role is not Role.TRADER:
        role_set(user=bob, role=role, actor=None)
        bob.second_factor_verified = True
    seen = (
        selectors.wallet_get(bob, world.wallet.pk) is not None,
        selectors.order_get(bob, order.pk) is not None,
        selectors.orders_page(bob).exists(),
        selectors.fills_page(bob).exists(),
        selectors.ledger_entries_page(bob, world.wallet.pk).exists(),
        selectors.ledger_transactions_page(bob, world.wallet.pk).exists(),
    )
    assert set(seen) == {sees}
    bob.second_factor_verified = False
    assert selectors.wallet_get(bob, world.wallet.pk) is selectors.order_get(bob, order.pk) is None
    assert selectors.wallet_get(world.user, world.wallet.pk) == world.wallet


def test_an_anonymous_user_sees_nothing(world):
    world.open()
    assert not selectors.orders_page(AnonymousUser()).exists()
    assert selectors.wallet_get(AnonymousUser(), world.wallet.pk) is None


def test_balances_by_account_type_and_asset(world):
    world.deposit("500", account_type="spot")
    world.place(symbol=SPOT, price=25, size=4)
    rows = {(row.account_type, row.asset): row for row in selectors.balances_of(world.wallet)}
    assert set(rows) == {("perp", "USDC"), ("spot", "USDC")}
    assert (rows["spot", "USDC"].available, rows["spot", "USDC"].reserved) == (400, 100)
    assert rows["spot", "USDC"].total == 500


def test_positions_at_a_mark_and_without_one(world):
    world.tell(world.fill(world.open()))
    (held,) = selectors.positions_of(world.wallet, {PERP: D(50_000)})
    assert (held.notional, held.unrealised_pnl) == (500, 10)
    (held,) = selectors.positions_of(world.wallet, {})
    assert (held.notional, held.unrealised_pnl) == (None, None)


def test_orders_by_what_is_asked(world):
    world.deposit("500", account_type="spot")
    live, ended = world.open(), world.cancel(world.place())
    spot = world.place(symbol=SPOT, price=25, size=4)

    def found(**filters):
        return [order.pk for order in selectors.orders_page(world.user, **filters)]

    assert found() == [spot.pk, ended.pk, live.pk]
    assert found(live=True) == [spot.pk, live.pk]
    assert found(live=False) == [ended.pk]
    assert found(symbol=SPOT) == [spot.pk]
    assert found(status="open") == [live.pk]
    assert found(wallet_id=world.wallet.pk, live=True, symbol=PERP) == [live.pk]


def test_fills_by_what_is_asked(world):
    one, two = world.open(), world.open()
    world.tell(world.fill(one), world.fill(two))
    assert [fill.order_id for fill in selectors.fills_page(world.user)] == [two.pk, one.pk]
    assert [fill.order_id for fill in selectors.fills_page(world.user, order_id=one.pk)] == [one.pk]
    assert not selectors.fills_page(world.user, symbol=SPOT).exists()
    assert selectors.fills_page(world.user, wallet_id=world.wallet.pk).count() == 2


def test_the_whole_story_of_an_order(world):
    order = world.place()
    (first,) = world.take()
    services.submission_not_sent(claim=world.claim, submission_id=first.submission_id)
    order = world.accept(order)
    world.tell(world.fill(order))
    why = selectors.order_trace(world.again(order))
    assert [(row.kind, row.outcome) for row in why.submissions] == [
        ("place", "not_sent"),
        ("place", "answered"),
    ]
    assert [fill.size for fill in why.fills] == [order.size]
    assert {row.kind for row in why.transactions} == {"reserve", "release", "fill"}
    assert why.replaced_by == []


def test_prices_are_as_old_as_the_feed(world):
    prices = selectors.prices_of("hyperliquid-sim")
    assert (prices.mark(PERP), prices.ask(PERP)) == (50_000, 50_005)
    assert 100 <= prices.age_of(PERP) < 60_000
    assert (prices.mark("NONE"), prices.age_of("NONE"), prices.bid("NONE")) == (None, None, None)
    worlds.prices_forget()
    assert selectors.prices_of("hyperliquid-sim").age is None


def test_a_redis_that_is_away_means_no_prices(world, monkeypatch):
    import redis

    def away(*_args):
        raise redis.ConnectionError("away")

    monkeypatch.setattr("market.hub.topic_read", away)
    assert selectors.prices_of("hyperliquid-sim").ticks == {}
    with pytest.raises(services.OrderDenied, match="Market data of BTC is older"):
        world.place()
