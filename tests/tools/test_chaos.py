"""Tests that `manage.py chaos --bots` detects every kind of error: each is inserted and must be reported."""

from dataclasses import replace
from uuid import uuid4

import pytest

from bots.domain.codec import decode, encode
from bots.models import BotRun
from bots.sdk import Level
from tests.bots import test_bot_actor as stage
from tests.wallets.factories import world_make
from tools.chaos.bots.failovers import BOUND, BotStatus, FailoverTracker
from tools.chaos.bots.plan import bot_actions, plans
from tools.chaos.bots.verification import duplicate_levels, replay_all, verify_bots
from wallets.models import Order

BOT, OTHER = uuid4(), uuid4()


def seconds(failovers):
    return [failover.seconds for failover in failovers]


# --- failover times ------------------------------------------------------------------------------------------
def test_a_failover_lasts_from_the_stop_of_the_supervisor_to_the_next_heartbeat():
    tracker = FailoverTracker()
    tracker.update(100, [BotStatus(BOT, 1, 99), BotStatus(OTHER, 2, 99)])
    tracker.stopped(1, 101)
    tracker.update(102, [BotStatus(BOT, 1, 100.5), BotStatus(OTHER, 2, 101.5)])
    assert tracker.pending(102) == {BOT: 1}
    tracker.update(114, [BotStatus(BOT, 2, 100.5)])  # claimed, but no heartbeat yet
    tracker.update(115, [BotStatus(BOT, 2, 114.5)])
    assert (seconds(tracker.failovers), tracker.late, tracker.pending(115)) == ([13.5], [], {})


def test_a_failover_longer_than_the_bound_is_late():
    tracker = FailoverTracker()
    tracker.stopped(1, 100)
    tracker.update(101, [BotStatus(BOT, 1, 99)])
    tracker.update(123, [BotStatus(BOT, 2, 100 + BOUND + 1)])
    assert seconds(tracker.late) == [BOUND + 1]
    assert str(tracker.late[0]) == f"{BOT} from 00:01:40.0 to 00:02:01.0, 21.0 s; then process 2"


def test_a_successor_stopped_before_its_first_heartbeat_ends_one_failover_and_begins_another():
    tracker = FailoverTracker()
    tracker.stopped(1, 100)
    tracker.update(101, [BotStatus(BOT, 1, 99)])
    tracker.update(112, [BotStatus(BOT, 2, 99)])  # claimed
    tracker.stopped(2, 113)
    tracker.update(114, [BotStatus(BOT, 2, 99)])
    tracker.update(125, [BotStatus(BOT, 3, 124)])
    assert seconds(tracker.failovers) == [13, 11]


def test_a_failover_starts_again_when_the_database_is_back():
    tracker = FailoverTracker()
    tracker.stopped(1, 100)
    tracker.update(101, [BotStatus(BOT, 1, 99)])
    tracker.database_restored(110)
    tracker.update(123, [BotStatus(BOT, 2, 122)])
    assert seconds(tracker.failovers) == [12]


def test_a_resumed_supervisor_ends_the_failover_of_its_bots():
    tracker = FailoverTracker()
    tracker.stopped(1, 100)
    tracker.update(101, [BotStatus(BOT, 1, 99)])
    tracker.resumed(1)
    tracker.update(105, [BotStatus(BOT, 1, 104)])
    assert seconds(tracker.failovers) == [4]


def test_a_released_bot_is_pending_and_a_bot_with_an_ended_run_is_not():
    tracker = FailoverTracker()
    tracker.update(100, [BotStatus(BOT, None, 99), BotStatus(OTHER, None, 99)])
    tracker.update(103, [BotStatus(BOT, None, 99)])
    assert tracker.pending(103) == {BOT: 3}


def test_a_plan_is_a_function_of_the_seed():
    assert plans(1, 9, 2) == plans(1, 9, 2) != plans(2, 9, 2)
    assert {plan.strategy for plan in plans(1, 9, 2)} == {"as-grid", "grid", "dca", "rebalancer", "trend"}
    first, second = bot_actions(1, 0), bot_actions(1, 0)
    assert [next(first) for _ in range(20)] == [next(second) for _ in range(20)]


# --- verification --------------------------------------------------------------------------------------------
@pytest.fixture
async def running_bot(alice, transactional_db, monkeypatch):
    """A bot that has processed some prices; `wrong()` gives the categories of problems that it has now."""
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {"ladder": stage.Ladder})
    world = await stage.in_thread(world_make, alice)
    bot = await stage.in_thread(stage.bot_started, world)
    market = stage.Stage(bot)
    for mid in stage.PRICES:
        await market.say(mid, stage.stands(bot, mid))
    await market.end()

    def check():
        verdict = verify_bots([bot.pk], [world.wallet.pk])
        verdict.replay = list(replay_all([bot.pk]))
        return {kind for kind, lines in vars(verdict).items() if lines}

    bot.wrong = lambda: stage.in_thread(check)
    return bot


def snapshot_change(pk, **changes):
    run = BotRun.objects.get(bot=pk)
    BotRun.objects.filter(pk=run.pk).update(snapshot=encode(replace(decode(run.snapshot), **changes)))


@pytest.mark.django_db(transaction=True)
async def test_a_running_bot_has_only_an_active_run_and_open_orders(running_bot):
    assert await running_bot.wrong() == {"active", "standing"}


@pytest.mark.django_db(transaction=True)
async def test_a_second_order_for_a_level_is_detected(running_bot):
    snapshot = decode((await BotRun.objects.aget(bot=running_bot.pk)).snapshot)
    first = next(order for order in snapshot.live if order.state != "cancelling")
    twice = (*snapshot.live, replace(first, client_id=uuid4()))
    await stage.in_thread(snapshot_change, running_bot.pk, live=twice)
    assert "levels" in await running_bot.wrong()
    (line,) = await stage.in_thread(duplicate_levels, [running_bot.pk])
    assert f"2 orders for level {first.level.id}" in line


@pytest.mark.django_db(transaction=True)
async def test_an_order_missing_in_the_snapshot_is_detected(running_bot):
    first = await Order.objects.filter(source_id=running_bot.pk, cancel_requested_at=None).alast()
    first.pk, first.client_id, first.venue_client_id = uuid4(), uuid4(), uuid4().hex
    await first.asave(force_insert=True)
    (line,) = await stage.in_thread(duplicate_levels, [running_bot.pk])
    assert f"{first.client_id} is open" in line


@pytest.mark.django_db(transaction=True)
async def test_a_position_without_matching_fills_is_detected(running_bot):
    position = decode((await BotRun.objects.aget(bot=running_bot.pk)).snapshot).position
    await stage.in_thread(snapshot_change, running_bot.pk, position=replace(position, size=position.size + 1))
    assert {"snapshots", "replay"} <= await running_bot.wrong()


@pytest.mark.django_db(transaction=True)
async def test_a_missing_decision_in_the_journal_is_detected(running_bot):
    run = await BotRun.objects.aget(bot=running_bot.pk)
    await BotRun.objects.filter(pk=run.pk).aupdate(last_decision=run.last_decision + 1)
    assert "journal" in await running_bot.wrong()


@pytest.mark.django_db(transaction=True)
async def test_a_strategy_that_differs_from_the_journal_is_detected(running_bot, monkeypatch):
    def on_tick(self, context, tick):
        context.set_orders([Level("b1", "buy", tick.mid - 50, 1)])

    monkeypatch.setattr(stage.Ladder, "on_tick", on_tick)
    assert "replay" in await running_bot.wrong()
