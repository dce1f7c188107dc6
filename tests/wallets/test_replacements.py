"""A change of an order is of what remains, and its refusal is said."""

import contextlib
from decimal import Decimal
from itertools import count
from random import Random
from uuid import uuid4

import pytest

from market.domain.orders import Accepted, Rejected
from tests.wallets import factories as worlds
from wallets import services
from wallets.domain.errors import OrderConflict
from wallets.models import Order
from wallets.selectors.prices import prices_of

pytestmark = pytest.mark.django_db
D = Decimal


def modify(world, order, **changes):
    return services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), **changes)


def opened(world, **changes):
    return world.open(venue_id=f"v{uuid4().hex[:8]}", **changes)


def prepared_sizes(world):
    return [change.order.size for one in world.take() for change in one.changes]


def test_a_fill_after_the_request_is_deducted_from_the_change(world):
    """0.01 wanted; 0.002 filled before the change and 0.003 before it is sent: 0.005 remain."""
    old = opened(world)
    world.tell(world.fill(old, "0.002"))
    new = modify(world, old, price=D(48_000))
    assert new.size == D("0.008")
    world.tell(world.fill(world.again(old), "0.003"))
    assert prepared_sizes(world) == [D("0.005")]
    new = world.again(new)
    assert new.size == D("0.005")
    assert (
        new.reserved
        <= new.initial_reservation
        == D(48_000) * D("0.005") * new.initial_reservation / (D(48_000) * new.size)
    )


def test_a_change_of_an_order_that_is_filled_before_it_is_sent_is_denied(world):
    old = opened(world)
    new = modify(world, old, size=D("0.004"))
    world.tell(world.fill(old, "0.006"))
    assert prepared_sizes(world) == []
    assert (world.again(new).status, world.again(new).code) == ("denied", "replaced_order_closed")
    assert world.again(old).status == "partially_filled"
    assert world.again(new).reserved == 0


def test_a_bots_change_counts_from_the_fills_that_the_bot_knew(world):
    """The bot knew of 0.002 when it asked for 0.008; 0.003 more were stored before its decision."""
    bot = uuid4()
    first = world.request()
    execute(world, bot, services.OrderCommand(order=first))
    old = world.accept(Order.objects.get(client_id=first.client_id), "1")
    world.tell(world.fill(old, "0.005"))
    changed = world.request(price=48_000, size=D("0.008"))
    command = services.OrderCommand(order=changed, replaces=first.client_id, known_filled=D("0.002"))
    execute(world, bot, command)
    assert prepared_sizes(world) == [D("0.005")]


def execute(world, bot, command):
    services.order_commands_execute(
        user=world.user, wallet_id=world.wallet.pk, source=bot, commands=[command],
        prices=prices_of("hyperliquid-sim"),
    )  # fmt: skip


class Chain:
    """An order and its replacements at a venue that ends the replaced order when it accepts a change."""

    def __init__(self, world, asked):
        self.world, self.ids = world, count(1)
        self.keys = [world.open(venue_id="first", size=asked).pk]

    @property
    def orders(self):
        return [get(key) for key in self.keys]

    @property
    def working(self):
        return [one for one in self.orders if one.status in ("open", "partially_filled")]

    def fill(self, number):
        for one in self.working[:1]:
            size = min(one.size - one.filled, D(number).scaleb(-3))
            self.world.tell(self.world.fill(one, str(size)))

    def change(self, number):
        with contextlib.suppress(OrderConflict):
            self.keys.append(modify(self.world, self.orders[-1], price=D(48_000 + number)).pk)

    def send(self, _number):
        for one in self.world.take():
            for key in one.order_ids:
                self.world.tell(self.world.venue_order(get(get(key).replaces_id), "cancelled"))
            answers = [Accepted(f"w{next(self.ids)}") for _ in one.order_ids]
            services.submission_answered(
                claim=self.world.claim, submission_id=one.submission_id, answers=answers
            )

    def cancel(self, _number):
        for one in self.working[-1:]:
            self.world.cancel(one)


@pytest.mark.parametrize("seed", range(20))
def test_the_filled_sizes_of_a_chain_never_exceed_what_was_asked(world, seed):
    """Fills, changes, sends and cancels in any order; every fill is known before the next change is sent."""
    rng, asked = Random(seed), D("0.01")
    chain = Chain(world, asked)
    for _ in range(12):
        getattr(chain, rng.choice(["fill", "fill", "change", "send", "cancel"]))(rng.randint(1, 4))
        filled = sum(one.filled for one in chain.orders)
        assert filled + sum(one.size - one.filled for one in chain.working[-1:]) <= asked


def get(key):
    return Order.objects.select_related("instrument").get(pk=key)


# --- refused changes ----------------------------------------------------------------------------------
def test_a_post_only_order_is_not_moved_across_the_known_book(world):
    """The venue would end the order and reject its replacement."""
    old = opened(world, tif="alo")
    best = prices_of("hyperliquid-sim").ask(worlds.PERP)
    for price in (best, best + 100):
        with pytest.raises(OrderConflict, match="would trade at once"):
            modify(world, old, price=price)
    assert world.again(old).status == "open"
    assert modify(world, old, price=D(48_000)).status == "pending"


@pytest.mark.parametrize("ended_first", [True, False])
def test_an_order_lost_with_its_rejected_change_says_so(world, ended_first):
    old = opened(world, tif="alo")
    new = modify(world, old, price=D(48_900))
    (prepared,) = world.take()
    events = []

    def end():
        events.extend(world.tell(world.venue_order(world.again(old), "cancelled")))

    if ended_first:
        end()
    events += services.submission_answered(
        claim=world.claim, submission_id=prepared.submission_id, answers=[Rejected("Post only order")]
    )
    if not ended_first:
        end()
    old = world.again(old)
    assert (old.status, world.again(new).status) == ("cancelled", "rejected")
    assert old.message == "The exchange ended this order when it rejected its change: Post only order"
    assert "alert" in {event["type"] for event in events}
