"""Pages of bots: what an owner sees and does, and what nobody else does."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from bots import services
from bots.domain.lifecycle import StopPolicy
from bots.domain.requests import BotRequest
from bots.models import Bot, Run
from bots.sdk import schema
from bots.services import books_post
from bots.strategies import STRATEGIES
from tests.wallets.world import PERP, prices, world_make
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


def test_what_the_strategy_refuses_is_said_at_its_field(world, client):
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


def test_the_list_says_why_a_bot_does_nothing(world, bot, client):
    Bot.objects.filter(pk=bot.pk).update(status="idle", reason="The trend is too strong.")
    client.force_login(world.user)
    shown = client.get(reverse("bots:list")).content.decode()
    assert "The trend is too strong." in shown
    assert "The trend is too strong." in client.get(reverse("bots:cards")).content.decode()


def test_start_and_stop_write_what_is_wanted(world, bot, client):
    client.force_login(world.user)
    client.post(reverse("bots:start", args=[bot.pk]))
    assert Run.objects.filter(bot=bot, ended_at=None).count() == 1
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


def test_somebody_elses_bot_does_not_exist(bob, bot, client):
    client.force_login(bob)
    assert client.get(reverse("bots:bot", args=[bot.pk])).status_code == 404
    assert client.post(reverse("bots:start", args=[bot.pk])).status_code == 404
    assert not Run.objects.exists()


# --- the wizard ------------------------------------------------------------------------------------------
def wizard(strategy="as-grid"):
    return f"{reverse('bots:new')}?strategy={strategy}"


def shown(client, step, body, url=""):
    answer = client.post(url or wizard(), {**body, "step": step})
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize("key", sorted(STRATEGIES))
def test_every_strategy_can_be_chosen_and_has_a_form(world, client, key):
    client.force_login(world.user)
    assert STRATEGIES[key].title in client.get(reverse("bots:new")).content.decode()
    form = client.get(wizard(key)).content.decode()
    for name in schema(STRATEGIES[key])["properties"]:
        assert f'name="in_{name}"' in form


def test_the_review_shows_everything_and_makes_nothing(world, client):
    client.force_login(world.user)
    status, page = shown(client, "review", posted(world))
    assert status == 200
    assert 'id="bot-create-start"' in page
    assert 'name="in_levels" value="3"' in page
    assert not Bot.objects.exists()


def test_what_was_typed_comes_back_unjudged_and_whole(world, client):
    client.force_login(world.user)
    status, page = shown(client, "edit", posted(world, budget="", in_levels="many"))
    assert status == 200
    assert 'value="many"' in page
    assert "field-error" not in page


def test_create_and_start_is_one_step(world, client):
    client.force_login(world.user)
    status, _ = shown(client, "start", posted(world))
    assert status == 302
    assert Run.objects.filter(bot__name="two", ended_at=None).count() == 1


def preview_of(world, client, **changes):
    return client.get(reverse("bots:preview", args=["grid"]), posted(world, **changes)).content.decode()


GRID = {
    "in_lower": "45000",
    "in_upper": "55000",
    "in_cells": "10",
    "in_spacing": "arithmetic",
    "in_direction": "long",
}


def test_the_preview_draws_the_levels_of_the_form_as_it_stands(world, client):
    prices()
    client.force_login(world.user)
    page = preview_of(world, client, **GRID)
    levels = page.count('data-mark="order"')
    assert levels > 0
    assert f"{levels} levels now" in page
    assert "Fees of a round trip" in page


def test_the_preview_says_what_is_wrong_and_why_there_are_no_levels(world, client):
    client.force_login(world.user)
    assert "must be above the lowest" in preview_of(world, client, **{**GRID, "in_upper": "40000"})
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    assert "no fresh price" in preview_of(world, client, **GRID)


# --- files -----------------------------------------------------------------------------------------------
def definition_file(client, bot):
    answer = client.get(f"/api/v1/bots/{bot.pk}/export/definition")
    return b"".join(answer.streaming_content)


def test_a_definition_that_was_exported_opens_the_same_settings(world, bot, client):
    client.force_login(world.user)
    file = SimpleUploadedFile("d.json", definition_file(client, bot))
    page = client.post(reverse("bots:load"), {"file": file}).content.decode()
    assert 'name="budget" value="2000"' in page
    assert 'name="in_levels" value="3"' in page
    assert Bot.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"{}", b'{"format":"cryptotrade.bot","version":1,"strategy":["x"]}', b"\xff" * 70_000],
)
def test_a_file_that_is_no_definition_is_refused_in_words(world, client, content):
    client.force_login(world.user)
    answer = client.post(reverse("bots:load"), {"file": SimpleUploadedFile("d.json", content)})
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()


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


def test_a_bot_that_nobody_drives_is_said_to_be_late(world, bot, client):
    old = timezone.now() - timedelta(seconds=30)
    Bot.objects.filter(pk=bot.pk).update(status="running", heartbeat_at=old)
    client.force_login(world.user)
    for url in (reverse("bots:list"), reverse("bots:live", args=[bot.pk])):
        page = client.get(url).content.decode()
        assert 'data-state="late"' in page
        assert "Nobody drives it now" in page


# --- why -------------------------------------------------------------------------------------------------
STANDS = {
    "stopped": ("Stopped by its owner.", ""),
    "faulted": ("ValueError: the author slipped", "Traceback (most recent call last)"),
    "idle": ("The trend is 3.4 deviations; 3 is the most.", ""),
}


@pytest.mark.parametrize("status", sorted(STANDS))
def test_a_stopped_a_faulted_and_an_idle_bot_say_why_on_card_and_page(world, bot, client, status):
    reason, trace = STANDS[status]
    now = timezone.now()
    Bot.objects.filter(pk=bot.pk).update(
        status=status, reason=reason, trace=trace, checked_at=now, heartbeat_at=now
    )
    client.force_login(world.user)
    for url in (
        reverse("bots:cards"),
        reverse("bots:bot", args=[bot.pk]),
        reverse("bots:live", args=[bot.pk]),
    ):
        page = client.get(url).content.decode()
        assert f'data-state="{status}"' in page
        assert reason in page
    for url in (reverse("bots:bot", args=[bot.pk]), reverse("bots:live", args=[bot.pk])):
        assert trace in client.get(url).content.decode()


def filled(world, bot):
    """An order of the bot that traded."""
    order = world.open()
    why = {"level": "b1", "n": 7, "inputs": 1, "code": "c0de", "event": {"$": "Started", "now": 1}}
    Order.objects.filter(pk=order.pk).update(source_id=bot.pk, why=why, origin="bot")
    world.tell(world.fill(world.again(order)))
    books_post(wallet_id=world.wallet.pk)
    return order


def test_an_order_says_which_event_inputs_code_checks_and_answer_led_to_it(world, bot, client):
    order = filled(world, bot)
    client.force_login(world.user)
    page = client.get(reverse("bots:why", args=[bot.pk, order.pk])).content.decode()
    for part in ("Started", "version 1", "c0de", "passed", "Place: ", "Filled"):
        assert part in page
    assert client.get(reverse("bots:why", args=[bot.pk, uuid4()])).status_code == 404


def test_the_page_draws_orders_fills_and_profit(world, bot, client):
    filled(world, bot)
    client.force_login(world.user)
    page = client.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    assert page.count('data-mark="fill"') == 1
    assert 'class="equity"' in page


def test_versions_of_inputs_say_what_each_changed(world, bot, client):
    services.bot_inputs_set(user=world.user, bot_id=bot.pk, inputs={"levels": 4})
    client.force_login(world.user)
    page = client.get(f"{reverse('bots:bot', args=[bot.pk])}?tab=inputs").content.decode()
    assert "Levels a side" in page
    assert "3 →" in page
