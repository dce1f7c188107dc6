"""Rolling restart of supervisors and changes of inputs: no order is changed without need."""

import asyncio
import sys
from decimal import Decimal
from uuid import uuid4

import pytest
import redis
from channels.db import database_sync_to_async
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import Count

from bots import services, strategies
from bots.domain.requests import BotRequest
from bots.models import Bot, BotJournalEntry, BotRun
from bots.sdk import Integer, Level, Strategy
from bots.supervisor.worker import Supervisor
from core import leases
from market.domain.orders import Accepted
from market.models import Instrument
from tests.core.test_run_worker import ROOT, environment, eventually
from tests.market import factories as market
from tests.simulator.conftest import Running, small_world, wall_clock
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, world_make
from tests.wallets.test_two_workers import post
from wallets.models import Order, Submission, Wallet
from wallets.services import simulated_account_open, submission_answered
from wallets.services.keys import sealing_key_create

pytestmark = pytest.mark.django_db(transaction=True)

FIFTY = 50
GRID = {"lower": "49000", "upper": "51000", "cells": 4, "spacing": "arithmetic", "fill_at_start": False}
ORDERS = 2  # of each of the fifty: the lines below 50,100 that are not the market's own


class Wall(Strategy):
    """A hundred buy orders below the market; an input sets the depth of the last one."""

    title = "Wall"
    depth = Integer("Where the last one lies", minimum=1, maximum=50, default=10)
    patience = Integer("Moves nothing", minimum=1, maximum=50, default=10)

    def on_start(self, context):
        context.state["due"] = True

    def on_tick(self, context, tick):
        if context.state["due"]:
            base = context.state.setdefault(
                "base", context.terms.round_price_down(tick.mid * Decimal("0.99"))
            )
            depths = [Decimal(n) for n in range(99)] + [Decimal(100 + self.depth)]
            context.set_orders(
                Level(f"b{n}", "buy", base - 10 * d, Decimal("0.001")) for n, d in enumerate(depths)
            )
            context.state["due"] = False


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


def in_thread(work, *args, **kwargs):
    return database_sync_to_async(work)(*args, **kwargs)


def bot_started(wallet, strategy, inputs, budget):
    request = BotRequest(
        client_id=uuid4(), wallet_id=wallet.pk, symbol=PERP, strategy=strategy, budget=Decimal(budget),
        leverage=10, inputs=inputs,
    )  # fmt: skip
    bot = services.bot_create(user=wallet.user, request=request)
    services.bot_start(user=wallet.user, bot_id=bot.pk)
    return bot


class Shift:
    """A supervisor in this process."""

    async def begin(self):
        self.worker = await in_thread(leases.worker_register, channel="bots-supervisor")
        self.supervisor = Supervisor(lease_is_safe=lambda: True)
        return self

    async def until(self, done, price=None, within=60):
        async with asyncio.timeout(within):
            while not await in_thread(done):
                if price:
                    await in_thread(worlds.prices, {PERP: price})
                await in_thread(leases.worker_renew, self.worker)  # a busy machine takes longer than a lease
                await self.supervisor.reconcile(self.worker)
                await asyncio.sleep(0.05)

    async def end(self):
        """As at a SIGTERM."""
        await self.supervisor.drain()
        await in_thread(leases.worker_release, self.worker)


def accept_all(world):
    """The venue accepts all pending orders."""
    while prepared := world.take():
        for one in prepared:
            answers = [Accepted(f"v-{pk}"[:40]) for pk in one.order_ids]
            submission_answered(claim=world.claim, submission_id=one.submission_id, answers=answers)


def table():
    return list(Order.objects.order_by("pk").values_list("pk", "client_id", "status", "price", "size"))


def count_in_state(state):
    """Number of orders in this state in the bots' snapshots."""
    runs = BotRun.objects.filter(ended_at=None).values_list("snapshot", flat=True)
    return sum(live["state"] == state for snapshot in runs for live in snapshot["live"])


@pytest.mark.proof
async def test_a_rolling_restart_of_fifty_bots_cancels_no_order(alice, transactional_db):
    world = await in_thread(world_make, alice)
    await Wallet.objects.filter(pk=world.wallet.pk).aupdate(orders_per_minute=100_000)
    for _ in range(FIFTY):
        await in_thread(bot_started, world.wallet, "grid", GRID, 100)
    early = await Shift().begin()
    await early.until(lambda: Order.objects.count() == FIFTY * ORDERS, "49900")
    await in_thread(accept_all, world)
    await early.until(lambda: count_in_state("open") == FIFTY * ORDERS, "49900")
    before = await in_thread(table)
    assert {row[2] for row in before} == {"open"}
    shifts = [early]
    for number in (2, 3):
        await shifts[-1].end()
        shifts.append(await Shift().begin())

        def started(number=number):
            again = BotJournalEntry.objects.filter(kind="decision", text__startswith="Started")
            owned = Bot.objects.filter(status="running", owner=shifts[-1].worker, owner_epoch=number)
            return again.count() == number * FIFTY and owned.count() == FIFTY

        await shifts[-1].until(started, "49900")
    await shifts[-1].end()
    assert await in_thread(table) == before
    assert not await Order.objects.exclude(cancel_requested_at=None).aexists()
    assert not await Submission.objects.exclude(kind="place").exclude(kind="leverage").aexists()
    assert await in_thread(count_in_state, "open") == FIFTY * ORDERS


# --- other inputs, at a venue ------------------------------------------------------------------------------
@pytest.fixture
def simulator(settings):
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
    with Running(small_world(now=wall_clock())) as running:
        settings.SIMULATOR_URL = running.url
        settings.SIMULATOR_CONTROL_PORT = running.simulator.control_port
        settings.VENUES = ["hyperliquid-sim"]
        yield running


@pytest.fixture
async def wallet(alice, simulator, tmp_path, transactional_db, monkeypatch):
    """alice's wallet with simulated money, and the execution process that acts for it."""
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {**strategies.STRATEGIES, "wall": Wall})
    await in_thread(sealing_key_create, folder=tmp_path / "execution")
    await in_thread(lambda: market.instrument_make(market.venue_make(), "BTC", 5))
    wallet = await in_thread(simulated_account_open, user=alice, client_id=uuid4())
    await Wallet.objects.filter(pk=wallet.pk).aupdate(orders_per_minute=100_000)
    with (tmp_path / "execution.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "manage.py", "run_worker", "wallets-execution", cwd=ROOT, stdout=log, stderr=log,
            env=environment(simulator) | {"SEALING_KEY_DIR": str(tmp_path / "execution")},
        )  # fmt: skip

    async def is_open():
        return await Wallet.objects.filter(status="active", ledger_opened_at__isnull=False).aexists()

    await eventually(is_open, within=60)
    yield wallet
    child.kill()
    await child.wait()


def at_venue(simulator, wallet):
    """Statuses of all orders that the venue remembers, counted."""
    counted = {}
    for row in post(f"{simulator.url}/info", {"type": "historicalOrders", "user": wallet.address}):
        counted[row["status"]] = counted.get(row["status"], 0) + 1
    return counted


@pytest.mark.slow
async def test_changed_inputs_replace_only_the_orders_with_changed_levels(wallet, simulator):
    instrument = await Instrument.objects.aget(symbol=PERP)
    assert instrument.venue_id == "hyperliquid-sim"
    mids = await asyncio.to_thread(post, f"{simulator.url}/info", {"type": "allMids"})
    bot = await in_thread(bot_started, wallet, "wall", {}, 10_000)
    shift = await Shift().begin()
    await shift.until(lambda: count_in_state("open") == 100, mids["BTC"], within=90)
    before = await in_thread(table)
    assert await asyncio.to_thread(at_venue, simulator, wallet) == {"open": 100}

    async def changed(version, replaced, **inputs):
        """Change the inputs and wait until the bot has decided with them and its orders are final."""
        await in_thread(services.bot_inputs_update, user=wallet.user, bot_id=bot.pk, inputs=inputs)

        def settled():
            journalled = BotJournalEntry.objects.filter(
                text__startswith="InputsChanged", body__inputs=version
            )
            quoted = '"due":false' in BotRun.objects.get().snapshot["state"]
            ended = Order.objects.exclude(status="open").count()
            return journalled.exists() and quoted and (ended, count_in_state("open")) == (replaced, 100)

        await shift.until(settled, mids["BTC"])

    await changed(2, 0, patience=11)
    assert await in_thread(table) == before
    assert not await Order.objects.exclude(cancel_requested_at=None).aexists()
    await changed(3, 1, patience=11, depth=12)
    await shift.end()
    after = await in_thread(table)
    (removed,) = set(before) - set(after)
    statuses = Order.objects.values("status").annotate(count=Count("pk")).order_by()
    assert {row["status"]: row["count"] async for row in statuses} == {"open": 100, "cancelled": 1}
    assert (await Order.objects.aget(pk=removed[0])).provenance["level"] == "b99"
    counted = await asyncio.to_thread(at_venue, simulator, wallet)
    assert counted.pop("open") == 100
    assert sum(counted.values()) == 1
