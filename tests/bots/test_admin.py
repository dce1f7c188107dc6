"""Admin of bots: read-only lists of all users' bots, a force-stop with recent authentication, no edits."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.domain.permissions import Role
from bots import services
from bots.models import Bot, BotJournalEntry
from tests.accounts.test_admin import staff
from tests.bots.test_pages import asked
from tests.wallets.factories import world_make

BOTS = "admin:bots_bot_changelist"
pytestmark = pytest.mark.django_db


@pytest.fixture
def world(alice):
    return world_make(alice)


@pytest.fixture
def bot(world):
    made = services.bot_create(user=world.user, request=asked(world))
    services.bot_start(user=world.user, bot_id=made.pk)
    heartbeat_at = timezone.now() - timedelta(minutes=3)
    Bot.objects.filter(pk=made.pk).update(
        status="idle", reason="The trend is too strong.", heartbeat_at=heartbeat_at
    )
    return made


@pytest.fixture
def boss():
    return staff(Role.ADMINISTRATOR)


def rows(client, **query):
    return client.get(reverse(BOTS), query).content.decode()


def test_the_list_shows_status_owner_reason_and_age_of_the_heartbeat(bot, boss):
    page = rows(boss)
    for part in ("alice@example.org", "The trend is too strong.", "3 min ago", "1 of 100"):
        assert part in page


def test_late_bots_can_be_picked_out(world, bot, boss):
    services.bot_create(user=world.user, request=asked(world, client_id=uuid4(), name="at rest"))
    page = rows(boss, heartbeat="late")
    assert "The trend is too strong." in page
    assert "at rest" not in page


def test_a_force_stop_ends_a_bot_of_another_user(bot, boss):
    boss.post(reverse(BOTS), {"action": "force_stop", "_selected_action": [str(bot.pk)]})
    bot.refresh_from_db()
    assert (bot.desired, bot.stop_reason) == ("stopped", "Stopped by an administrator.")


def test_support_reads_and_cannot_stop(bot):
    helper = staff(Role.SUPPORT)
    assert "The trend is too strong." in rows(helper)
    helper.post(reverse(BOTS), {"action": "force_stop", "_selected_action": [str(bot.pk)]})
    bot.refresh_from_db()
    assert bot.desired == "running"


@pytest.mark.parametrize("kind", ["bot", "botjournalentry", "botrun"])
def test_nothing_is_edited_added_or_deleted_by_hand(bot, boss, kind):
    row = {"bot": bot, "botjournalentry": BotJournalEntry.objects.first(), "botrun": bot.runs.first()}[kind]
    change = reverse(f"admin:bots_{kind}_change", args=[row.pk])
    assert boss.get(change).status_code == 200
    assert boss.post(change, {"name": "changed", "text": "changed"}).status_code == 403
    assert boss.get(reverse(f"admin:bots_{kind}_add")).status_code == 403
    assert boss.post(reverse(f"admin:bots_{kind}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
