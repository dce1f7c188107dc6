"""Harness that runs a wallet actor for alice's wallet at an in-memory venue."""

import asyncio
import contextlib
from types import SimpleNamespace

from core.leases import task_is_running
from core.threads import in_thread
from market.hub import UserEventPublisher
from market.venues.base import Validity
from tests.wallets.fake_trader import FakeTrader
from wallets.execution import expiry
from wallets.execution.pending_work import pending_work
from wallets.execution.venue_connection import VenueConnection
from wallets.execution.wallet_actor import WalletActor
from wallets.models import Order, Wallet
from wallets.services import order_cancel, order_place

WITHIN = 60


async def until(condition, within=WITHIN):
    """Poll a condition, or a coroutine function, until it holds."""
    async with asyncio.timeout(within):
        while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):
            await asyncio.sleep(0.01)


def hurry(monkeypatch, *, validity, margin=300):
    """Shorten validity and margin (ms), so that tests wait less."""
    short = Validity("expiry", duration=validity, settle=margin)
    monkeypatch.setattr(expiry, "request_validity", lambda venue, request="place": short)


def trader_make(world):
    """An in-memory venue with the account of the wallet."""
    venue = FakeTrader({"BTC": "50000"})
    venue.account_open(world.wallet.address, world.wallet.signer_address)
    return venue


class Opener:
    """Unseals every key without a real signature, because the in-memory venue does not verify it."""

    def check(self):
        """All keys are present."""

    def signer(self, wallet):
        return SimpleNamespace(key_id=wallet.signer_address, sign=None)


class RecordingPublisher(UserEventPublisher):
    """Records events instead of publishing them."""

    def __init__(self):
        super().__init__()
        self.events = []

    def publish(self, user, events):
        self.events += events


class WalletHarness:
    """Runs one wallet actor and updates it often."""

    def __init__(self, world, trader, *, safe=lambda: True, opener=None):
        self.world, self.trader = world, trader
        self.connection = VenueConnection(trader)
        self.published = RecordingPublisher()
        self.safe = safe
        self.opener = opener or Opener()
        self.claim = world.claim

    @contextlib.asynccontextmanager
    async def at_work(self):
        self.worker = (await in_thread(Wallet.objects.get, pk=self.claim.pk)).owner_id
        work = await in_thread(pending_work, self.worker)
        self.actor = WalletActor(
            work[self.claim.pk], self.connection, self.opener, self.published, safe=self.safe
        )
        self.connection.add(self.actor)
        tasks = [asyncio.create_task(self.actor.run()), asyncio.create_task(self.connection.run())]
        updating = asyncio.create_task(self._update_often())
        self.task = tasks[0]
        try:
            yield self
        finally:
            for task in (*tasks, updating):
                task.cancel()
            await asyncio.gather(*tasks, updating, return_exceptions=True)
            self.connection.remove(self.actor)

    async def _update_often(self):
        while task_is_running():
            work = await in_thread(pending_work, self.worker)
            self.connection.streams_assign({one.wallet.address: one.busy for one in work.values()})
            if self.claim.pk in work:
                self.actor.update(work[self.claim.pk])
            await asyncio.sleep(0.05)

    # --- orders -----------------------------------------------------------------------------------
    async def place(self, **changes):
        request = self.world.request(**changes)
        placed = await in_thread(
            order_place, user=self.world.user, wallet_id=self.world.wallet.pk, request=request, origin="api"
        )
        self.actor.nudge()
        return placed

    async def cancel(self, order):
        await in_thread(order_cancel, user=self.world.user, order_id=order.pk)
        self.actor.nudge()

    async def order(self, order):
        return await in_thread(Order.objects.select_related("submission").get, pk=order.pk)

    async def until_status(self, order, *statuses, within=WITHIN):
        async def reached():
            return (await self.order(order)).status in statuses

        await until(reached, within)
        return await self.order(order)

    def at_venue(self, order):
        """All orders at the venue with this order's client id."""
        return self.trader.accounts[self.world.wallet.address].by_client(order.venue_client_id)
