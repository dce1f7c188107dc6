"""A reproducible storm of lost and late requests: with and without waiting for the expiry."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from core.threads import in_thread
from tests.wallets import factories as worlds
from tests.wallets.actor_harness import WalletHarness, hurry, trader_make, until
from wallets.execution import expiry
from wallets.services import order_manager as order_manager

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
async def harness(world, monkeypatch):
    """The validity is long enough for a busy machine to query and resend before late requests arrive."""
    hurry(monkeypatch, validity=2_000)
    monkeypatch.setattr(order_manager, "MARKET_ORDER_TTL", timedelta(minutes=30))
    async with WalletHarness(world, trader_make(world)).at_work() as harness:
        yield harness


FATES = ("ok", "lost_reply", "lost_request", "later", "away", "refused:Invalid nonce: nonce too low 1 < 2")


async def _storm(harness, seed, orders=20):
    """Market orders with lost and late requests, by a seed. Returns the number executed twice."""
    rng = Random(seed)
    harness.trader.streaming = False  # results are known from responses and queries only
    harness.trader.fates = rng.choices(FATES, weights=(4, 3, 2, 4, 1, 1), k=2 * orders)
    placed = []
    for _ in range(orders):
        await in_thread(worlds.prices)
        placed.append(await harness.place(kind="market", price=None, size="0.001"))
        await until(lambda: any(placed[-1].venue_client_id in ids for *_, ids in harness.trader.sent))
    for order in placed:
        await in_thread(worlds.prices)
        await harness.until_status(order, "filled", within=180)
    await until(lambda: not harness.trader.late)
    return sum(len(harness.at_venue(order)) > 1 for order in placed)


async def test_a_storm_of_lost_and_late_requests_doubles_and_loses_nothing(harness):
    assert await _storm(harness, seed=7) == 0
    account = harness.trader.accounts[harness.world.wallet.address]
    assert account.sizes["BTC"] == 20 * Decimal("0.001")


async def test_the_same_storm_without_waiting_out_doubles(harness, monkeypatch):
    """Negative control of the test above."""
    monkeypatch.setattr(expiry, "final_before", lambda now, settle: now + 60_000)
    assert await _storm(harness, seed=7) > 0
