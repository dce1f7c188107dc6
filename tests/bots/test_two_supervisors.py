"""Two supervisor processes on one bot: one is suspended past its lease, and the other takes over."""

import asyncio
import contextlib
import signal
import sys
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from bots import services
from bots.domain.requests import BotRequest
from bots.models import Bot, BotRun
from core import leases
from core.models import Worker
from tests.core.test_run_worker import ROOT, environment, eventually
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, world_make
from wallets.domain.status import LIVE
from wallets.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

GRID = {
    "lower": "49000", "upper": "51000", "cells": 10, "spacing": "arithmetic", "fill_at_start": False,
    "trail_up": True,
}  # fmt: skip
NOWHERE = "http://127.0.0.1:9"  # prices come from `says`
HIGHER = 51_750  # the grid trails, so that the owner of the bot has to decide


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
def bot(alice, transactional_db):
    """A trailing grid of alice that should run and is not claimed yet."""
    world = world_make(alice)
    request = BotRequest(
        client_id=uuid4(), wallet_id=world.wallet.pk, symbol=PERP, strategy="grid", budget=Decimal(2_000),
        inputs=GRID,
    )  # fmt: skip
    bot = services.bot_create(user=alice, request=request)
    services.bot_start(user=alice, bot_id=bot.pk)
    return bot


@pytest.fixture
async def says():
    """`says(price)` from now on, as the feed would: again and again, so that it stays fresh."""
    said = {"price": 50_100}

    async def speak():
        while leases.task_is_running():
            await database_sync_to_async(worlds.prices)({PERP: str(said["price"])})
            await asyncio.sleep(0.2)

    speaking = asyncio.create_task(speak())
    yield lambda price: said.update(price=price)
    speaking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await speaking


@pytest.fixture
async def process(tmp_path):
    """Start `run_worker bots-supervisor` processes; `output` of each is in a file."""
    started = []

    async def start():
        path = tmp_path / f"supervisor-{len(started)}.log"
        with path.open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "manage.py", "run_worker", "bots-supervisor", cwd=ROOT, stdout=log, stderr=log,
                env=environment(SimpleNamespace(url=NOWHERE)),
            )  # fmt: skip
        child.output = path.read_text
        started.append(child)
        return child

    yield start
    for child in started:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def owner_pid():
    found = await Bot.objects.select_related("owner").filter(owner__isnull=False).afirst()
    return found.owner.pid if found else None


async def live():
    rows = Order.objects.filter(status__in=LIVE, cancel_requested_at=None)
    return [row async for row in rows.values_list("provenance__level", "price").order_by("price")]


async def decided():
    """The only run, with the numbers of its journal: one statement, as the other supervisor goes on deciding."""
    of_decisions = Q(events__kind="decision")
    rows = BotRun.objects.annotate(numbers=ArrayAgg("events__number", filter=of_decisions))
    (run,) = [row async for row in rows]
    return run


async def test_a_supervisor_suspended_past_its_lease_stores_nothing_more(bot, says, process):
    sleeper = await process()

    async def quotes():
        return len(await live()) == 6

    await eventually(quotes, within=60)
    assert await owner_pid() == sleeper.pid
    standby = await process()

    async def both_are_here():
        return await Worker.objects.filter(channel="bots-supervisor").acount() == 2

    await eventually(both_are_here, within=60)
    sleeper.send_signal(signal.SIGSTOP)
    # The lease has expired by the database's clock; by its own clock the process still holds it.
    await Worker.objects.filter(pid=sleeper.pid).aupdate(lease_until=Now())

    async def taken_over():
        return await owner_pid() == standby.pid

    await eventually(taken_over, within=10)
    says(HIGHER)

    async def followed():
        return any(price > 51_000 for _, price in await live())

    await eventually(followed, within=60)
    sleeper.send_signal(signal.SIGCONT)
    says(HIGHER + 1_000)

    async def it_noticed():
        return '"bot released"' in sleeper.output()

    await eventually(it_noticed, within=60)
    assert await owner_pid() == standby.pid
    run = await decided()
    assert sorted(run.numbers) == list(range(1, run.last_decision + 1))
    orders = [
        row async for row in Order.objects.order_by("provenance__n").values_list("provenance__n", flat=True)
    ]
    assert orders == list(range(1, len(orders) + 1))
    levels = [level for level, _ in await live()]
    assert len(levels) == len(set(levels))
