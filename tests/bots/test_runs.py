"""What a runner has not been told, and what its journal is good for."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from bots import services
from bots.domain.codec import decode
from bots.domain.lifecycle import Status
from bots.domain.orders import Live
from bots.domain.reducer import booked
from bots.domain.runner import Runner
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import NOT_TAKEN, STANDS, Money, Standing, asks_what_remains, untold, untold_money
from bots.models import BotEvent
from bots.sdk import Level, Position
from bots.services.runs import asked as as_journalled
from tests.bots import test_bot_actor as stage
from tests.wallets.factories import world_make
from wallets.domain.status import TERMINAL, OrderStatus

_S = OrderStatus
OLD, NEW = UUID(int=1), UUID(int=2)


def live(client_id=OLD, state="placing", level="b1", **more):
    return Live(client_id, Level(level, "buy", Decimal(100), Decimal(1)), Decimal(1), state, **more)


def told(orders, standings, asked=None):
    snapshot = Snapshot(live=tuple(orders), seen=7)
    names = {order.client_id for order in orders} if asked is None else asked
    return [(one.client_id, one.state, one.reason) for one in untold(snapshot, names, standings, 5)]


@pytest.mark.parametrize(
    ("known", "status", "news"),
    [
        ("placing", _S.PENDING, None),
        ("placing", _S.UNKNOWN, None),
        ("placing", _S.OPEN, "open"),
        ("open", _S.PARTLY_FILLED, None),
        ("open", _S.UNKNOWN, None),
        ("open", _S.CANCELLING, "cancelling"),
        ("open", _S.FILLED, "filled"),
        ("placing", _S.DENIED, "refused"),
        ("placing", _S.REJECTED, "refused"),
        ("placing", _S.EXPIRED, "refused"),
        ("cancelling", _S.CANCELLED, "cancelled"),
    ],
)
def test_only_what_the_snapshot_does_not_know_is_told(known, status, news):
    found = told([live(state=known)], {OLD: Standing(status)})
    assert [state for _, state, _ in found] == ([news] if news else [])


def test_an_order_that_was_never_stored_was_refused():
    assert told([live()], {}) == [(OLD, "refused", NOT_TAKEN)]


def test_an_order_that_is_younger_than_the_reading_is_not_judged_by_it():
    assert told([live()], {}, asked=()) == []


def test_a_cancel_that_is_asked_for_is_waited_for():
    assert told([live(state="cancelling")], {OLD: Standing(_S.OPEN, asked_to_end=True)}) == []


def test_a_refused_change_ends_the_new_order_before_the_old_one_is_heard_of_again():
    orders = [live(state="cancelling"), live(NEW, replaces=OLD)]
    pending = {OLD: Standing(_S.OPEN), NEW: Standing(_S.SUBMITTING)}
    assert told(orders, pending) == []
    refused = pending | {NEW: Standing(_S.REJECTED, "Too far away.")}
    assert told(orders, refused) == [(NEW, "refused", "Too far away."), (OLD, "open", STANDS)]


def test_news_are_numbered_after_what_was_seen():
    snapshot = Snapshot(live=(live(), live(NEW, level="b2")), seen=7)
    news = untold(snapshot, {OLD, NEW}, dict.fromkeys((OLD, NEW), Standing(_S.OPEN)), 5)
    assert [one.seq for one in news] == [8, 9]


def test_every_state_of_an_order_means_something_to_a_bot():
    for status in OrderStatus:
        found = told([live(client_id=uuid4())], {}, asked=()) + told([live()], {OLD: Standing(status)})
        assert bool(found) or status not in TERMINAL


# --- money ---------------------------------------------------------------------------------------------
def test_a_share_of_funding_is_told_once_also_when_it_was_mended():
    snapshot = Snapshot(position=Position(funding=Decimal(-3)), seen=7)
    (paid,) = untold_money(snapshot, Money(Decimal("-2.5")), 5)
    assert (paid.amount, paid.seq) == (Decimal("0.5"), 8)
    after = booked(snapshot, paid, None)
    assert untold_money(after, Money(Decimal("-2.5")), 6) == []


@pytest.mark.parametrize(
    ("own", "left", "covered", "told"),
    [
        ("5", "5", True, None),
        ("5", "5", False, ("5", False)),
        ("5", "3", True, ("3", True)),
        ("5", "9", True, None),  # what nobody knows of is left alone
        ("5", "0", True, ("0", True)),
        ("5", "-2", True, ("0", True)),
        ("-5", "-3", True, ("-3", True)),
        ("0", "0", True, None),
        ("5", None, True, None),
    ],
)
def test_what_went_at_the_venue_is_forgotten_and_nothing_grows(own, left, covered, told):
    snapshot = Snapshot(position=Position(Decimal(own), Decimal(own) * 100), closing=True)
    money = Money(left=None if left is None else Decimal(left), covered=covered)
    news = untold_money(snapshot, money, 5)
    assert [(one.size, one.covered) for one in news] == ([(Decimal(told[0]), told[1])] if told else [])
    for one in news:
        snapshot = booked(snapshot, one, None)
        assert snapshot.position.size * 100 == snapshot.position.cost
        assert untold_money(snapshot, money, 6) == []


def test_what_remains_is_asked_before_closing_and_before_an_old_position_is_taken_over():
    held = Position(Decimal(1), Decimal(1))
    assert asks_what_remains(Snapshot(closing=True))
    assert asks_what_remains(Snapshot(position=held))
    assert not asks_what_remains(Snapshot(position=held, seen=1))
    assert not asks_what_remains(Snapshot())
    assert not asks_what_remains(Snapshot(position=held, status=Status.RUNNING))


@pytest.mark.django_db(transaction=True)
async def test_replaying_the_journal_of_a_run_asks_for_the_same_orders(alice, monkeypatch):
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {"ladder": stage.Ladder})
    world = await stage.in_thread(world_make, alice)
    bot = await stage.in_thread(stage.bot_started, world)
    driven = stage.Stage(bot)
    for middle in stage.PRICES:
        await driven.say(middle, stage.stands(bot, middle))
    await driven.end()
    loaded = await stage.in_thread(services.run_load, claim=driven.held)
    rows = [row async for row in BotEvent.objects.filter(bot=bot, kind="decision").order_by("number")]
    runner = Runner(loaded.spec)
    for row in rows:
        runner.snapshot = replace(runner.snapshot, tick=decode(row.body["tick"]))
        decisions = [runner.on_event(decode(event)) for event in row.body["events"]]
        asked = [as_journalled(one) for decision in decisions for one in decision.requests]
        assert asked == row.body["requests"]
    assert runner.snapshot == loaded.snapshot
    assert sum(len(row.body["requests"]) for row in rows) >= 2 * len(stage.PRICES)
