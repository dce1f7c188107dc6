"""What `manage.py chaos --bots` looks for, it finds: each kind of harm is planted and seen."""

from dataclasses import replace
from uuid import uuid4

import pytest

from bots.domain.codec import decode, encode
from bots.management.chaos.failovers import BOUND, Seen, Takeovers
from bots.management.chaos.plan import bot_acts, plans
from bots.management.chaos.verification import levels_doubled, reckon_bots, replay_all
from bots.models import Run
from bots.sdk import Level
from tests.bots import test_bot_actor as stage
from tests.wallets.factories import world_make
from wallets.models import Order

BOT, OTHER = uuid4(), uuid4()


def seconds(waits):
    return [wait.seconds for wait in waits]


# --- how long a bot is alone -------------------------------------------------------------------------------
def test_a_bot_waits_from_the_death_of_its_supervisor_to_the_next_sign_of_life():
    takeovers = Takeovers()
    takeovers.look(100, [Seen(BOT, 1, 99), Seen(OTHER, 2, 99)])
    takeovers.stopped(1, 101)
    takeovers.look(102, [Seen(BOT, 1, 100.5), Seen(OTHER, 2, 101.5)])
    assert takeovers.waiting(102) == {BOT: 1}
    takeovers.look(114, [Seen(BOT, 2, 100.5)])  # claimed, and not driven yet
    takeovers.look(115, [Seen(BOT, 2, 114.5)])
    assert (seconds(takeovers.took), takeovers.late, takeovers.waiting(115)) == ([13.5], [], {})


def test_a_bot_that_waits_beyond_the_bound_is_late():
    takeovers = Takeovers()
    takeovers.stopped(1, 100)
    takeovers.look(101, [Seen(BOT, 1, 99)])
    takeovers.look(123, [Seen(BOT, 2, 100 + BOUND + 1)])
    assert seconds(takeovers.late) == [BOUND + 1]
    assert str(takeovers.late[0]) == f"{BOT} from 00:01:40.0 to 00:02:01.0, 21.0 s; then process 2"


def test_an_heir_that_dies_before_its_first_sign_ends_one_wait_and_begins_another():
    takeovers = Takeovers()
    takeovers.stopped(1, 100)
    takeovers.look(101, [Seen(BOT, 1, 99)])
    takeovers.look(112, [Seen(BOT, 2, 99)])  # claimed
    takeovers.stopped(2, 113)
    takeovers.look(114, [Seen(BOT, 2, 99)])
    takeovers.look(125, [Seen(BOT, 3, 124)])
    assert seconds(takeovers.took) == [13, 11]


def test_while_the_database_is_away_nobody_can_take_over():
    takeovers = Takeovers()
    takeovers.stopped(1, 100)
    takeovers.look(101, [Seen(BOT, 1, 99)])
    takeovers.back(110)
    takeovers.look(123, [Seen(BOT, 2, 122)])
    assert seconds(takeovers.took) == [12]


def test_a_paused_supervisor_that_goes_on_drives_its_bots_again():
    takeovers = Takeovers()
    takeovers.stopped(1, 100)
    takeovers.look(101, [Seen(BOT, 1, 99)])
    takeovers.went_on(1)
    takeovers.look(105, [Seen(BOT, 1, 104)])
    assert seconds(takeovers.took) == [4]


def test_a_bot_that_was_given_back_or_whose_run_ended_is_not_forgotten_or_counted():
    takeovers = Takeovers()
    takeovers.look(100, [Seen(BOT, None, 99), Seen(OTHER, None, 99)])
    takeovers.look(103, [Seen(BOT, None, 99)])
    assert takeovers.waiting(103) == {BOT: 3}


def test_a_seed_is_one_run():
    assert plans(1, 9, 2) == plans(1, 9, 2) != plans(2, 9, 2)
    assert {plan.strategy for plan in plans(1, 9, 2)} == {"as-grid", "grid", "dca", "rebalancer", "trend"}
    mine, again = bot_acts(1, 0), bot_acts(1, 0)
    assert [next(mine) for _ in range(20)] == [next(again) for _ in range(20)]


# --- what is stored ------------------------------------------------------------------------------------------
@pytest.fixture
async def driven(alice, transactional_db, monkeypatch):
    """A bot that has followed some prices, and what is wrong with it now: `wrong()` by kind."""
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {"ladder": stage.Ladder})
    world = await stage.in_thread(world_make, alice)
    bot = await stage.in_thread(stage.bot_started, world)
    drive = stage.Stage(bot)
    for middle in stage.PRICES:
        await drive.say(middle, stage.stands(bot, middle))
    await drive.end()

    def judged():
        verdict = reckon_bots([bot.pk], [world.wallet.pk])
        verdict.replay = list(replay_all([bot.pk]))
        return {kind for kind, lines in vars(verdict).items() if lines}

    bot.wrong = lambda: stage.in_thread(judged)
    return bot


def planted(pk, **changes):
    run = Run.objects.get(bot=pk)
    Run.objects.filter(pk=run.pk).update(snapshot=encode(replace(decode(run.snapshot), **changes)))


@pytest.mark.django_db(transaction=True)
async def test_a_bot_that_was_never_stopped_still_runs_and_stands_and_nothing_else_is_wrong(driven):
    assert await driven.wrong() == {"active", "standing"}


@pytest.mark.django_db(transaction=True)
async def test_a_second_order_for_a_level_is_found(driven):
    snapshot = decode((await Run.objects.aget(bot=driven.pk)).snapshot)
    first = next(order for order in snapshot.live if order.state != "cancelling")
    twice = (*snapshot.live, replace(first, client_id=uuid4()))
    await stage.in_thread(planted, driven.pk, live=twice)
    assert "levels" in await driven.wrong()
    (line,) = await stage.in_thread(levels_doubled, [driven.pk])
    assert f"2 orders for level {first.level.id}" in line


@pytest.mark.django_db(transaction=True)
async def test_an_order_that_its_bot_knows_nothing_of_is_found(driven):
    first = await Order.objects.filter(source_id=driven.pk, cancel_asked_at=None).alast()
    first.pk, first.client_id, first.venue_client_id = uuid4(), uuid4(), uuid4().hex
    await first.asave(force_insert=True)
    (line,) = await stage.in_thread(levels_doubled, [driven.pk])
    assert f"{first.client_id} stands" in line


@pytest.mark.django_db(transaction=True)
async def test_a_position_that_no_fill_explains_is_found(driven):
    held = decode((await Run.objects.aget(bot=driven.pk)).snapshot).position
    await stage.in_thread(planted, driven.pk, position=replace(held, size=held.size + 1))
    assert {"snapshots", "replay"} <= await driven.wrong()


@pytest.mark.django_db(transaction=True)
async def test_a_decision_that_is_missing_in_the_journal_is_found(driven):
    run = await Run.objects.aget(bot=driven.pk)
    await Run.objects.filter(pk=run.pk).aupdate(decisions=run.decisions + 1)
    assert "journal" in await driven.wrong()


@pytest.mark.django_db(transaction=True)
async def test_a_strategy_that_decides_otherwise_than_the_journal_says_is_found(driven, monkeypatch):
    def on_tick(self, context, tick):
        context.quotes([Level("b1", "buy", tick.middle - 50, 1)])

    monkeypatch.setattr(stage.Ladder, "on_tick", on_tick)
    assert "replay" in await driven.wrong()
