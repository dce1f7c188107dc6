"""A storm of lost and late requests, the same every time: with the wait-out, and without it."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from market.hub import in_thread
from tests.wallets import factories as worlds
from tests.wallets.actor_harness import Bench, hurry, trader_make, until
from wallets.execution import expiry
from wallets.services import order_manager as desk_services

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
async def bench(world, monkeypatch):
    """Validity is long enough that a busy machine asks and sends again before what is late arrives."""
    hurry(monkeypatch, validity=2_000)
    monkeypatch.setattr(desk_services, "MARKET_WAITS", timedelta(minutes=30))
    async with Bench(world, trader_make(world)).at_work() as bench:
        yield bench


FATES = ("ok", "lost_reply", "lost_request", "later", "away", "refused:Invalid nonce: nonce too low 1 < 2")


async def _storm(bench, seed, orders=20):
    """Market orders whose requests and answers go astray, by a seed. Returns how many the venue did twice."""
    rng = Random(seed)
    bench.trader.streaming = False  # nothing but answers and questions tells what became of them
    bench.trader.fates = rng.choices(FATES, weights=(4, 3, 2, 4, 1, 1), k=2 * orders)
    asked = []
    for _ in range(orders):
        await in_thread(worlds.prices)
        asked.append(await bench.place(kind="market", price=None, size="0.001"))
        await until(lambda: any(asked[-1].venue_client_id in ids for *_, ids in bench.trader.sent))
    for order in asked:
        await in_thread(worlds.prices)
        await bench.until_status(order, "filled", within=180)
    await until(lambda: not bench.trader.late)
    return sum(len(bench.at_venue(order)) > 1 for order in asked)


async def test_a_storm_of_lost_and_late_requests_doubles_and_loses_nothing(bench):
    assert await _storm(bench, seed=7) == 0
    account = bench.trader.accounts[bench.world.wallet.address]
    assert account.sizes["BTC"] == 20 * Decimal("0.001")


async def test_the_same_storm_without_waiting_out_doubles(bench, monkeypatch):
    """Else the storm would prove nothing."""
    monkeypatch.setattr(expiry, "settled_before", lambda now, margin=0: now + 60_000)
    assert await _storm(bench, seed=7) > 0
