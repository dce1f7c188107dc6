"""The ledger's side of a position conflict: what is compared, and when a reduce-only order becomes a plain one."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from bots import services
from bots.domain.order_planner import PlaceOrder
from bots.services.position_close import reduce_only_requests
from tests.bots.test_ledger_posting import TradingSetup
from tests.wallets.factories import PERP
from wallets.domain.position import taken_from_bots
from wallets.models import Order
from wallets.services import order_preview

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def env(alice):
    setup = TradingSetup(alice)
    setup.tell(setup.fill(1, "a", "buy", 100, "2"))
    return setup


def conflict(env, name="a"):
    return services.position_conflict(bot_id=env.bots[name].pk)


def test_a_bot_alone_or_beside_a_person_on_its_side_has_no_conflict(env):
    assert conflict(env) == conflict(env, "b") == ""
    env.tell(env.fill(2, "hand", "buy", 100, "5"))
    assert conflict(env) == ""


@pytest.mark.parametrize("holder", ["hand", "gone"])
def test_what_was_sold_by_hand_or_at_the_venue_pauses_the_bot_with_a_reason(env, holder):
    env.tell(env.fill(2, holder, "sell", 100, "0.5"))
    assert conflict(env) == (
        "Paused: this bot holds 2 BTC, but 0.5 of it were sold by hand or at the exchange. Its orders are "
        "cancelled. Stop the bot, or buy 0.5 BTC back."
    )
    env.tell(env.fill(3, holder, "buy", 100, "0.5"))
    assert conflict(env) == ""


def test_an_opposite_bot_is_no_conflict(env):
    env.tell(env.fill(2, "b", "sell", 100, "2"))
    assert conflict(env) == conflict(env, "b") == ""


@pytest.mark.parametrize(
    ("fills", "reduce_only"),
    [
        ([], True),
        ([("b", "sell", "2")], False),  # the other bot hides the position: the venue would reject the order
        ([("hand", "sell", "2")], True),  # a person sold it: the order must not open a short
        ([("b", "sell", "1"), ("hand", "sell", "1")], True),
    ],
)
def test_a_closing_level_is_plain_only_where_other_bots_hide_the_position(env, fills, reduce_only):
    for number, (holder, side, size) in enumerate(fills, 2):
        env.tell(env.fill(number, holder, side, 100, size))
    bot = env.bots["a"]
    loaded = SimpleNamespace(
        bot=bot.pk, wallet=env.world.wallet.pk, user=env.world.user, instrument_id=bot.instrument_id
    )
    order = env.world.request(side="sell", size=D(1), reduce_only=True)
    [placed] = reduce_only_requests(loaded=loaded, position=D(2), requests=[PlaceOrder("c_1", order)])
    assert placed.order.reduce_only is reduce_only


def test_the_preview_of_a_sale_says_what_it_takes_from_the_bots(env):

    Order.objects.filter(source_id=env.bots["a"].pk).update(filled=2)
    request = env.world.request(side="sell", kind="market", price=None, tif="ioc", size=D("0.5"))
    preview = order_preview(user=env.world.user, wallet_id=env.world.wallet.pk, request=request)
    assert preview.taken_from_bots == D("0.5")
    assert request.symbol == PERP


@pytest.mark.parametrize(
    ("side", "size", "net", "bots", "taken"),
    [
        ("sell", 3, 5, 2, 0),  # three are held by hand
        ("sell", 4, 5, 2, 1),
        ("sell", 9, 5, 2, 2),
        ("buy", 9, 5, 2, 0),
        ("buy", 1, -2, -2, 1),
        ("sell", 1, -1, 2, 1),
    ],
)
def test_what_an_order_takes_from_bots(side, size, net, bots, taken):
    assert taken_from_bots(side, D(size), net=D(net), bots=D(bots)) == taken
