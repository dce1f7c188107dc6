"""State synchronisation and replay: missing events are computed, and a journal can be replayed."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from bots import services
from bots.domain.codec import decode
from bots.domain.lifecycle import Status
from bots.domain.orders import LiveOrder
from bots.domain.reducer import apply_event
from bots.domain.runner import Runner
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import (
    CHANGE_REJECTED,
    NOT_ACCEPTED,
    OrderView,
    PositionView,
    missing_order_updates,
    missing_position_updates,
    needs_position_check,
)
from bots.models import BotJournalEntry
from bots.sdk import Level, Position
from bots.services import replay
from bots.services.runs import describe_requests as as_journalled
from tests.bots import test_bot_actor as stage
from tests.wallets.factories import world_make
from wallets.domain.status import TERMINAL, OrderStatus

_S = OrderStatus
OLD, NEW = UUID(int=1), UUID(int=2)


def live(client_id=OLD, state="placing", level="b1", **more):
    return LiveOrder(client_id, Level(level, "buy", Decimal(100), Decimal(1)), Decimal(1), state, **more)


def missing_updates(orders, order_views, client_ids=None):
    snapshot = Snapshot(live=tuple(orders), last_seq=7)
    names = {order.client_id for order in orders} if client_ids is None else client_ids
    return [
        (one.client_id, one.state, one.reason)
        for one in missing_order_updates(snapshot, names, order_views, 5)
    ]


@pytest.mark.parametrize(
    ("stored_state", "status", "update"),
    [
        ("placing", _S.PENDING, None),
        ("placing", _S.UNKNOWN, None),
        ("placing", _S.OPEN, "open"),
        ("open", _S.PARTIALLY_FILLED, None),
        ("open", _S.UNKNOWN, None),
        ("open", _S.CANCELLING, "cancelling"),
        ("open", _S.FILLED, "filled"),
        ("placing", _S.DENIED, "rejected"),
        ("placing", _S.REJECTED, "rejected"),
        ("placing", _S.EXPIRED, "rejected"),
        ("cancelling", _S.CANCELLED, "cancelled"),
    ],
)
def test_only_changes_since_the_snapshot_are_reported(stored_state, status, update):
    found = missing_updates([live(state=stored_state)], {OLD: OrderView(status)})
    assert [state for _, state, _ in found] == ([update] if update else [])


def test_an_order_that_was_never_stored_is_reported_rejected():
    assert missing_updates([live()], {}) == [(OLD, "rejected", NOT_ACCEPTED)]


def test_an_order_that_was_created_after_the_query_is_not_affected_by_it():
    assert missing_updates([live()], {}, client_ids=()) == []


def test_a_requested_cancel_is_waited_for():
    assert missing_updates([live(state="cancelling")], {OLD: OrderView(_S.OPEN, cancel_requested=True)}) == []


def test_a_rejected_modify_ends_the_new_order_before_the_old_one_is_reported_open_again():
    orders = [live(state="cancelling"), live(NEW, replaces=OLD)]
    pending = {OLD: OrderView(_S.OPEN), NEW: OrderView(_S.SUBMITTING)}
    assert missing_updates(orders, pending) == []
    refused = pending | {NEW: OrderView(_S.REJECTED, "Too far away.")}
    assert missing_updates(orders, refused) == [
        (NEW, "rejected", "Too far away."),
        (OLD, "open", CHANGE_REJECTED),
    ]


def test_missing_updates_are_numbered_after_the_last_own_event():
    snapshot = Snapshot(live=(live(), live(NEW, level="b2")), last_seq=7)
    updates = missing_order_updates(snapshot, {OLD, NEW}, dict.fromkeys((OLD, NEW), OrderView(_S.OPEN)), 5)
    assert [one.seq for one in updates] == [8, 9]


def test_every_order_status_maps_to_a_bot_order_state():
    for status in OrderStatus:
        found = missing_updates([live(client_id=uuid4())], {}, client_ids=()) + missing_updates(
            [live()], {OLD: OrderView(status)}
        )
        assert bool(found) or status not in TERMINAL


# --- money ---------------------------------------------------------------------------------------------
def test_a_corrected_share_of_funding_is_delivered_once():
    snapshot = Snapshot(position=Position(funding=Decimal(-3)), last_seq=7)
    (paid,) = missing_position_updates(snapshot, PositionView(Decimal("-2.5")), 5)
    assert (paid.amount, paid.seq) == (Decimal("0.5"), 8)
    after = apply_event(snapshot, paid, None)
    assert missing_position_updates(after, PositionView(Decimal("-2.5")), 6) == []


@pytest.mark.parametrize(
    ("own", "left", "covered", "expected"),
    [
        ("5", "5", True, None),
        ("5", "5", False, ("5", False)),
        ("5", "3", True, ("3", True)),
        ("5", "9", True, None),  # an unexplained surplus is ignored
        ("5", "0", True, ("0", True)),
        ("5", "-2", True, ("0", True)),
        ("-5", "-3", True, ("-3", True)),
        ("0", "0", True, None),
        ("5", None, True, None),
    ],
)
def test_a_position_closed_externally_is_reduced_and_never_increased(own, left, covered, expected):
    snapshot = Snapshot(position=Position(Decimal(own), Decimal(own) * 100), closing=True)
    view = PositionView(remaining=None if left is None else Decimal(left), covered=covered)
    updates = missing_position_updates(snapshot, view, 5)
    assert [(one.size, one.covered) for one in updates] == (
        [(Decimal(expected[0]), expected[1])] if expected else []
    )
    for one in updates:
        snapshot = apply_event(snapshot, one, None)
        assert snapshot.position.size * 100 == snapshot.position.cost
        assert missing_position_updates(snapshot, view, 6) == []


def test_the_position_is_checked_before_closing_and_before_inheriting():
    held = Position(Decimal(1), Decimal(1))
    assert needs_position_check(Snapshot(closing=True))
    assert needs_position_check(Snapshot(position=held))
    assert not needs_position_check(Snapshot(position=held, last_seq=1))
    assert not needs_position_check(Snapshot())
    assert not needs_position_check(Snapshot(position=held, status=Status.RUNNING))


@pytest.mark.django_db(transaction=True)
async def test_replaying_the_journal_of_a_run_requests_the_same_orders(alice, monkeypatch):
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {"ladder": stage.Ladder})
    world = await stage.in_thread(world_make, alice)
    bot = await stage.in_thread(stage.bot_started, world)
    driven = stage.Stage(bot)
    for middle in stage.PRICES:
        await driven.say(middle, stage.stands(bot, middle))
    await driven.end()
    loaded = await stage.in_thread(services.run_load, claim=driven.claim)
    rows = [row async for row in BotJournalEntry.objects.filter(bot=bot, kind="decision").order_by("number")]
    runner = Runner(loaded.spec)
    for row in rows:
        runner.snapshot = replace(runner.snapshot, tick=decode(row.body["tick"]))
        decisions = [runner.on_event(decode(event)) for event in row.body["events"]]
        requests = [as_journalled(one) for decision in decisions for one in decision.requests]
        assert requests == row.body["requests"]
    assert runner.snapshot == loaded.snapshot
    assert sum(len(row.body["requests"]) for row in rows) >= 2 * len(stage.PRICES)


def test_a_journal_of_another_format_is_not_replayed():
    row = BotJournalEntry(number=3, body={"format": 1, "events": [], "tick": None, "inputs": 1})
    with pytest.raises(replay.JournalFormatError, match="entry 3 has format 1"):
        replay._entry(row)
