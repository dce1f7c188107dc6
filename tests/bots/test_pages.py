"""Bot pages: what an owner sees and does, and what other users cannot."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from bots import services
from bots.domain import events
from bots.domain.codec import encode
from bots.domain.lifecycle import StopPolicy
from bots.domain.requests import BotRequest
from bots.models import Bot, BotRun
from bots.sdk import Tick
from bots.services import wallet_fills_post
from tests.wallets.factories import PERP, world_make
from wallets.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(alice):
    return world_make(alice)


@pytest.fixture
def bot(world):
    return services.bot_create(user=world.user, request=asked(world))


def asked(world, **changes):
    fields = {
        "client_id": uuid4(), "wallet_id": world.wallet.pk, "symbol": PERP, "strategy": "as-grid",
        "budget": Decimal(2_000), "inputs": {"levels": 3}, "name": "one",
    }  # fmt: skip
    return BotRequest(**{**fields, **changes})


def posted(world, **changes):
    fields = {
        "client_id": str(uuid4()), "name": "two", "wallet": str(world.wallet.pk), "symbol": PERP,
        "budget": "2000", "leverage": "1", "step": "create", "in_direction": "neutral", "in_interval": "5m", "in_levels": "3",
    }  # fmt: skip
    return {**fields, **changes}


def test_a_bot_is_made_from_the_form_of_its_strategy_and_twice_is_once(world, client):
    client.force_login(world.user)
    url, body = f"{reverse('bots:new')}?strategy=as-grid", posted(world)
    for _ in range(2):
        answer = client.post(url, body)
        assert answer.status_code == 302, answer.content.decode()[:3000]
    bot = Bot.objects.get()
    assert (bot.name, bot.budget, bot.status) == ("two", 2000, "stopped")
    assert bot.inputs.get().inputs["direction"] == "neutral"


def test_errors_of_the_strategy_are_shown_at_their_fields(world, client):
    client.force_login(world.user)
    answer = client.post(f"{reverse('bots:new')}?strategy=as-grid", posted(world, in_levels="51"))
    assert answer.status_code == 422
    assert "is not between 1 and 50" in answer.content.decode()
    assert not Bot.objects.exists()


@pytest.mark.parametrize("tab", ["orders", "fills", "events", "inputs"])
def test_every_tab_of_a_bot_can_be_read(world, bot, client, tab):
    client.force_login(world.user)
    answer = client.get(f"{reverse('bots:bot', args=[bot.pk])}?tab={tab}")
    assert answer.status_code == 200
    assert "one" in answer.content.decode()


def test_the_list_shows_the_reason_of_an_idle_bot(world, bot, client):
    Bot.objects.filter(pk=bot.pk).update(status="idle", reason="The trend is too strong.")
    client.force_login(world.user)
    shown = client.get(reverse("bots:list")).content.decode()
    assert "The trend is too strong." in shown
    assert "The trend is too strong." in client.get(reverse("bots:cards")).content.decode()


def test_start_and_stop_store_the_desired_state(world, bot, client):
    client.force_login(world.user)
    client.post(reverse("bots:start", args=[bot.pk]))
    assert BotRun.objects.filter(bot=bot, ended_at=None).count() == 1
    client.post(reverse("bots:stop", args=[bot.pk]), {"policy": "keep"})
    bot.refresh_from_db()
    assert (bot.desired, bot.stop_policy) == ("stopped", StopPolicy.KEEP)


def test_a_stop_without_an_answer_changes_nothing(world, bot, client):
    client.force_login(world.user)
    client.post(reverse("bots:start", args=[bot.pk]))
    client.post(reverse("bots:stop", args=[bot.pk]), {"policy": "perhaps"})
    bot.refresh_from_db()
    assert bot.desired == "running"


def test_other_inputs_are_another_version_and_the_same_are_not(world, bot, client):
    client.force_login(world.user)
    url = reverse("bots:inputs", args=[bot.pk])
    body = {"in_direction": "neutral", "in_interval": "5m", "in_levels": "4"}
    for _ in range(2):
        assert client.post(url, body).status_code == 302
    assert [row.version for row in bot.inputs.order_by("version")] == [1, 2]


def test_a_bot_of_another_user_does_not_exist(bob, bot, client):
    client.force_login(bob)
    assert client.get(reverse("bots:bot", args=[bot.pk])).status_code == 404
    assert client.post(reverse("bots:start", args=[bot.pk])).status_code == 404
    assert not BotRun.objects.exists()


# --- the list --------------------------------------------------------------------------------------------
def test_the_list_is_filtered_and_sorted(world, bot, client):
    other = services.bot_create(
        user=world.user, request=asked(world, name="alpha", strategy="dca", inputs={})
    )
    Bot.objects.filter(pk=other.pk).update(status="faulted", reason="It raised.")
    client.force_login(world.user)

    def names(**query):
        return [card.bot.name for card in client.get(reverse("bots:list"), query).context["cards"]]

    assert names(sort="name") == ["alpha", "one"]
    assert names(sort="-name") == ["one", "alpha"]
    assert names(state="needs") == names(state="faulted") == names(strategy="dca") == ["alpha"]
    assert names(wallet=uuid4()) == []
    assert names(sort="nonsense", state="nonsense") == ["alpha", "one"]


def test_a_bot_without_a_current_heartbeat_is_shown_as_not_responding(world, bot, client):
    old = timezone.now() - timedelta(seconds=30)
    Bot.objects.filter(pk=bot.pk).update(status="running", heartbeat_at=old)
    client.force_login(world.user)
    for url in (reverse("bots:list"), reverse("bots:summary", args=[bot.pk])):
        page = client.get(url).content.decode()
        assert 'data-state="late"' in page
        assert "No supervisor runs this bot now" in page


# --- why -------------------------------------------------------------------------------------------------
STANDS = {
    "stopped": ("Stopped by its owner.", ""),
    "faulted": ("ValueError: the author slipped", "Traceback (most recent call last)"),
    "idle": ("The trend is 3.4 deviations; 3 is the most.", ""),
}


@pytest.mark.parametrize("status", sorted(STANDS))
def test_stopped_faulted_and_idle_bots_show_a_reason_on_card_and_page(world, bot, client, status):
    reason, trace = STANDS[status]
    now = timezone.now()
    Bot.objects.filter(pk=bot.pk).update(
        status=status, reason=reason, traceback=trace, reason_at=now, heartbeat_at=now
    )
    client.force_login(world.user)
    for url in (
        reverse("bots:cards"),
        reverse("bots:bot", args=[bot.pk]),
        reverse("bots:summary", args=[bot.pk]),
    ):
        page = client.get(url).content.decode()
        assert f'data-state="{status}"' in page
        assert reason in page
    for url in (reverse("bots:bot", args=[bot.pk]), reverse("bots:summary", args=[bot.pk])):
        assert trace in client.get(url).content.decode()


def filled(world, bot):
    """An order of the bot that traded."""
    order = world.open()
    why = {"level": "b1", "n": 7, "inputs": 1, "code": "c0de", "event": {"$": "Started", "now": 1}}
    Order.objects.filter(pk=order.pk).update(source_id=bot.pk, provenance=why, origin="bot")
    world.tell(world.fill(world.again(order)))
    wallet_fills_post(wallet_id=world.wallet.pk)
    return order


def test_order_details_show_event_inputs_code_checks_and_response(world, bot, client):
    order = filled(world, bot)
    client.force_login(world.user)
    page = client.get(reverse("bots:order_detail", args=[bot.pk, order.pk])).content.decode()
    for part in ("Started", "version 1", "c0de", "passed", "Place: ", "Filled"):
        assert part in page
    assert client.get(reverse("bots:order_detail", args=[bot.pk, uuid4()])).status_code == 404


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.TickReceived(1, Tick(1, Decimal("99.5"), Decimal("100.5"), Decimal(100))), "99.5 / 100.5"),
        (
            events.OrderFilled(
                1, 2, UUID(int=1), "b1", "r", "sell", Decimal("100.5"), Decimal("0.25"), Decimal(0), "USDC"
            ),
            "sell 0.25 at 100.5",
        ),
        (events.StopRequested(1, StopPolicy.KEEP, "Stopped by its owner."), "Stopped by its owner."),
    ],
)
def test_order_details_show_the_figures_of_the_event(world, bot, client, event, text):
    order = filled(world, bot)
    Order.objects.filter(pk=order.pk).update(provenance={**order.provenance, "event": encode(event)})
    client.force_login(world.user)
    page = client.get(reverse("bots:order_detail", args=[bot.pk, order.pk])).content.decode()
    assert text in page


def test_the_page_draws_orders_fills_and_profit(world, bot, client):
    filled(world, bot)
    client.force_login(world.user)
    page = client.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    assert page.count('data-mark="fill"') == 1
    assert 'class="equity"' in page


def test_versions_of_inputs_show_their_changes(world, bot, client):
    services.bot_inputs_update(user=world.user, bot_id=bot.pk, inputs={"levels": 4})
    client.force_login(world.user)
    page = client.get(f"{reverse('bots:bot', args=[bot.pk])}?tab=inputs").content.decode()
    assert "Levels a side" in page
    assert "3 →" in page
