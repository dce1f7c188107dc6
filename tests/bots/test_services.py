"""What owners do to bots: once per client id, one run at a time, inputs in versions."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from bots import services
from bots.domain.codec import encode
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.snapshot import Snapshot
from bots.models import Bot, BotJournalEntry, BotRun
from bots.sdk import Position
from tests.bots.test_pages import asked
from tests.concurrency import at_once
from tests.wallets.factories import world_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(alice):
    return world_make(alice)


@pytest.fixture
def bot(world):
    return services.bot_create(user=world.user, request=asked(world))


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_pass_the_limits(world, settings):
    settings.MAX_BOTS_PER_USER, settings.MAX_RUNNING_BOTS_PER_USER = 2, 1
    came = at_once(*[partial(services.bot_create, user=world.user, request=asked(world)) for _ in range(4)])
    bots = [one for one in came if isinstance(one, Bot)]
    assert (len(bots), Bot.objects.count()) == (2, 2)
    assert [str(one) for one in came if one not in bots] == [
        "At most 2 bots are allowed; archive one first."
    ] * 2
    came = at_once(*[partial(services.bot_start, user=world.user, bot_id=bot.pk) for bot in bots])
    assert sorted(type(one).__name__ for one in came) == ["BotConflict", "BotRun"]
    assert BotRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_repeated_requests_create_one_bot_also_at_the_limit(world, settings):
    settings.MAX_BOTS_PER_USER = 1
    request = asked(world)
    came = at_once(*[partial(services.bot_create, user=world.user, request=request)] * 4)
    assert [one.pk for one in came] == [Bot.objects.get().pk] * 4


def ended(bot, **snapshot):
    BotRun.objects.filter(bot=bot).update(
        ended_at="2026-01-01T00:00:00Z", snapshot=encode(Snapshot(**snapshot)), last_fill_id=7
    )
    Bot.objects.filter(pk=bot.pk).update(status="stopped")


@pytest.mark.parametrize("change", [{"text": "never happened"}, None])
def test_the_journal_is_only_added_to(bot, change):
    services.bot_start(user=bot.user, bot_id=bot.pk)
    rows = BotJournalEntry.objects.filter(bot=bot)
    refused = pytest.raises(DatabaseError, match="append-only")
    with refused, transaction.atomic():
        rows.update(**change) if change else rows.delete()
    assert rows.exists()


def _decisions(bot, run_ended, count=2):
    run = BotRun.objects.create(bot=bot, inputs_version=1, code_hash="", ended_at=run_ended)
    for number in range(1, count + 1):
        BotJournalEntry.objects.create(bot=bot, run=run, number=number, kind="decision", text="Ticked")
    BotJournalEntry.objects.create(bot=bot, run=run, kind="request", text="Started.")
    return run


def test_decisions_of_runs_that_ended_long_ago_go_and_nothing_else(bot, settings, monkeypatch):
    settings.BOT_JOURNAL_DAYS = 30
    now = timezone.now()
    old, young, going = (
        _decisions(bot, ended) for ended in (now - timedelta(days=31), now - timedelta(days=29), None)
    )
    monkeypatch.setattr("bots.services.runs.BATCH_SIZE", 1)
    assert [services.journal_trim(now=now) for _ in range(3)] == [1, 1, 0]
    left = BotJournalEntry.objects.filter(bot=bot).order_by("pk").values_list("run", "kind")
    kept = ["decision", "decision", "request"]
    assert list(left) == [(old.pk, "request"), *((run.pk, kind) for run in (young, going) for kind in kept)]


def test_decisions_of_the_last_week_cannot_be_deleted_with_any_setting(bot, settings):
    settings.BOT_JOURNAL_DAYS = 0
    now = timezone.now()
    for ended in (now - timedelta(days=6), None):
        _decisions(bot, ended)
        assert services.journal_trim(now=now) == 0
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            BotJournalEntry.objects.filter(bot=bot, kind="decision").delete()
        BotRun.objects.filter(bot=bot).update(ended_at=now)


def test_the_same_client_id_is_the_same_bot(world):
    request = asked(world)
    made = [services.bot_create(user=world.user, request=request).pk for _ in range(2)]
    assert made[0] == made[1]
    assert Bot.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"wallet_id": uuid4()}, "wallet"),
        ({"strategy": "nothing"}, "strategy"),
        ({"symbol": "NOPE"}, "symbol"),
        ({"budget": "-1"}, "budget"),
        ({"budget": "NaN"}, "budget"),
        ({"budget": "0.123456789"}, "budget"),
        ({"leverage": 0}, "leverage"),
        ({"inputs": {"levels": "many"}}, "levels"),
        ({"inputs": {"spread": "1"}}, "spread"),
    ],
)
def test_errors_are_reported_by_field_and_nothing_is_stored(world, changes, field):
    with pytest.raises(BotInvalid) as refusal:
        services.bot_create(user=world.user, request=asked(world, **changes))
    assert list(refusal.value.errors) == [field]
    assert not Bot.objects.exists()


def test_a_bot_cannot_be_created_on_a_wallet_of_another_user(world, bob):
    with pytest.raises(BotInvalid):
        services.bot_create(user=bob, request=asked(world))


def test_a_second_start_is_the_same_run(world, bot):
    runs = {services.bot_start(user=world.user, bot_id=bot.pk).pk for _ in range(2)}
    assert len(runs) == 1


def test_the_database_itself_allows_one_active_run(world, bot):
    run = services.bot_start(user=world.user, bot_id=bot.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        BotRun.objects.create(bot=bot, inputs_version=1, code_hash=run.code_hash)


def test_a_bot_that_is_being_stopped_cannot_be_started_over_it(world, bot):
    services.bot_start(user=world.user, bot_id=bot.pk)
    services.bot_stop(user=world.user, bot_id=bot.pk, policy=StopPolicy.KEEP)
    with pytest.raises(BotConflict):
        services.bot_start(user=world.user, bot_id=bot.pk)


def test_a_new_run_inherits_the_position_and_no_target_orders(world, bot):
    services.bot_start(user=world.user, bot_id=bot.pk)
    held = Position(size=Decimal("0.5"), cost=Decimal(100))
    ended(bot, status=Status.STOPPED, policy=StopPolicy.KEEP, position=held, state='{"lines":[]}', last_seq=9)
    run = services.bot_start(user=world.user, bot_id=bot.pk)
    assert run.snapshot == encode(Snapshot(position=held, state='{"lines":[]}'))
    assert run.last_fill_id == 7


def test_a_new_run_after_a_fault_forgets_the_memory_that_may_have_caused_it(world, bot):
    services.bot_start(user=world.user, bot_id=bot.pk)
    held = Position(size=Decimal("0.5"), cost=Decimal(100))
    ended(bot, status=Status.FAULTED, position=held, state='{"bad":1}')
    run = services.bot_start(user=world.user, bot_id=bot.pk)
    assert run.snapshot == encode(Snapshot(position=held))


def test_only_a_stopped_bot_is_archived(world, bot):
    services.bot_start(user=world.user, bot_id=bot.pk)
    with pytest.raises(BotConflict):
        services.bot_archive(user=world.user, bot_id=bot.pk)
    ended(bot)
    assert services.bot_archive(user=world.user, bot_id=bot.pk).archived_at is not None


def test_a_clone_has_the_newest_inputs_and_is_stopped(world, bot):
    services.bot_inputs_update(user=world.user, bot_id=bot.pk, inputs={"levels": 4})
    copy = services.bot_clone(user=world.user, bot_id=bot.pk, client_id=uuid4())
    assert copy.pk != bot.pk
    assert copy.inputs.get().inputs["levels"] == 4
    assert not BotRun.objects.filter(bot=copy).exists()


def test_a_bot_of_another_user_is_not_found(world, bot, bob):
    for act in (services.bot_start, services.bot_archive):
        with pytest.raises(BotNotFound):
            act(user=bob, bot_id=bot.pk)
