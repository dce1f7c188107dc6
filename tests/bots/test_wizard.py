"""The wizard: every strategy's form, its preview, a last look, and definitions from files."""

import pytest
import redis
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from bots import services
from bots.models import Bot, BotRun
from bots.sdk import schema
from bots.strategies import STRATEGIES
from tests.bots.test_pages import asked, posted
from tests.wallets.factories import prices, world_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(alice):
    return world_make(alice)


@pytest.fixture
def bot(world):
    return services.bot_create(user=world.user, request=asked(world))


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


def test_edit_returns_all_values_without_validation(world, client):
    client.force_login(world.user)
    status, page = shown(client, "edit", posted(world, budget="", in_levels="many"))
    assert status == 200
    assert 'value="many"' in page
    assert "field-error" not in page


def test_create_and_start_is_one_step(world, client):
    client.force_login(world.user)
    status, _ = shown(client, "start", posted(world))
    assert status == 302
    assert BotRun.objects.filter(bot__name="two", ended_at=None).count() == 1


def preview_of(world, client, **changes):
    return client.get(reverse("bots:preview", args=["grid"]), posted(world, **changes)).content.decode()


GRID = {
    "in_lower": "45000",
    "in_upper": "55000",
    "in_cells": "10",
    "in_spacing": "arithmetic",
    "in_direction": "long",
}


def test_the_preview_shows_the_levels_of_the_current_form(world, client):
    prices()
    client.force_login(world.user)
    page = preview_of(world, client, **GRID)
    levels = page.count('data-mark="order"')
    assert levels > 0
    assert f"{levels} orders now" in page
    assert "Round-trip fees" in page


def test_the_preview_shows_errors_and_the_reason_for_no_levels(world, client):
    client.force_login(world.user)
    assert "must be above the lowest" in preview_of(world, client, **{**GRID, "in_upper": "40000"})
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    assert "no current price" in preview_of(world, client, **GRID)


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
