"""`demo_bot`: a new installation gets one demo bot, and never a second one."""

import pytest
from django.core.management import call_command

from bots import services
from bots.domain.lifecycle import StopPolicy
from bots.management.commands.demo_bot import INPUTS
from bots.models import Bot, BotRun
from tests.wallets.factories import world_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(alice):
    return world_make(alice)


def demo(world):
    call_command("demo_bot", email=world.user.email)


def test_the_demo_bot_is_made_and_started_once(world):
    demo(world)
    demo(world)
    bot = Bot.objects.get()
    assert (bot.desired, bot.strategy, bot.instrument.symbol) == ("running", "as-grid", "BTC")
    assert bot.inputs.get().inputs["levels"] == INPUTS["levels"]
    assert BotRun.objects.count() == 1


def test_a_demo_bot_that_its_owner_stopped_stays_stopped(world):
    demo(world)
    bot = Bot.objects.get()
    services.bot_stop(user=world.user, bot_id=bot.pk, policy=StopPolicy.KEEP)
    BotRun.objects.update(ended_at="2026-01-01T00:00:00Z")
    demo(world)
    assert BotRun.objects.count() == 1


def test_without_a_simulated_wallet_there_is_no_demo_bot(world):
    world.venue.simulated = False
    world.venue.save(update_fields=["simulated"])
    demo(world)
    assert not Bot.objects.exists()
