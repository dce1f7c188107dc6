"""A desk at work on alice's wallet, at a venue in memory."""

import asyncio
import contextlib
from types import SimpleNamespace

from market.hub import Announcer, in_thread
from market.leases import task_goes_on
from tests.wallets.fake_trader import FakeTrader
from wallets.execution import expiry
from wallets.execution.pending_work import wallets_look
from wallets.execution.venue_connection import Line
from wallets.execution.wallet_actor import Desk
from wallets.models import Order, Wallet
from wallets.services import order_cancel, order_place

WITHIN = 60


async def until(condition, within=WITHIN):
    """Poll a condition, or a coroutine function, until it holds."""
    async with asyncio.timeout(within):
        while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):
            await asyncio.sleep(0.01)


def hurry(monkeypatch, *, validity, margin=300):
    """Shorter times, in ms, so that waiting them out is quick."""
    monkeypatch.setattr(expiry, "VALIDITY", validity)
    monkeypatch.setattr(expiry, "MARGIN", margin)
    monkeypatch.setattr(expiry.settled_before, "__defaults__", (margin,))


def trader_make(world):
    """A venue in memory that knows the world's wallet."""
    venue = FakeTrader({"BTC": "50000"})
    venue.account_open(world.wallet.address, world.wallet.signer_address)
    return venue


class Opener:
    """Opens everything; signs with nothing, because the venue in memory does not look."""

    def check(self):
        """Every key is here."""

    def signer(self, wallet):
        return SimpleNamespace(address=wallet.signer_address, sign=None)


class Told(Announcer):
    """Keeps what it would tell."""

    def __init__(self):
        super().__init__()
        self.events = []

    def tell(self, user, events):
        self.events += events


class Bench:
    """One desk, looked at as often as the test likes."""

    def __init__(self, world, trader, *, safe=lambda: True, opener=None):
        self.world, self.trader = world, trader
        self.line = Line(trader)
        self.told = Told()
        self.safe = safe
        self.opener = opener or Opener()
        self.held = world.claim

    @contextlib.asynccontextmanager
    async def at_work(self):
        self.worker = (await in_thread(Wallet.objects.get, pk=self.held.pk)).owner_id
        looks = await in_thread(wallets_look, self.worker)
        self.desk = Desk(looks[self.held.pk], self.line, self.opener, self.told, safe=self.safe)
        self.line.join(self.desk)
        tasks = [asyncio.create_task(self.desk.run()), asyncio.create_task(self.line.run())]
        looking = asyncio.create_task(self._look_often())
        self.task = tasks[0]
        try:
            yield self
        finally:
            for task in (*tasks, looking):
                task.cancel()
            await asyncio.gather(*tasks, looking, return_exceptions=True)
            self.line.leave(self.desk)

    async def _look_often(self):
        while task_goes_on():
            looks = await in_thread(wallets_look, self.worker)
            self.line.streams_assign({look.wallet.address: look.busy for look in looks.values()})
            if self.held.pk in looks:
                self.desk.look(looks[self.held.pk])
            await asyncio.sleep(0.05)

    # --- asking --------------------------------------------------------------------------------
    async def place(self, **changes):
        request = self.world.request(**changes)
        placed = await in_thread(
            order_place, user=self.world.user, wallet_id=self.world.wallet.pk, request=request, origin="api"
        )
        self.desk.nudge()
        return placed

    async def cancel(self, order):
        await in_thread(order_cancel, user=self.world.user, order_id=order.pk)
        self.desk.nudge()

    async def order(self, order):
        return await in_thread(Order.objects.select_related("submission").get, pk=order.pk)

    async def until_status(self, order, *statuses, within=WITHIN):
        async def reached():
            return (await self.order(order)).status in statuses

        await until(reached, within)
        return await self.order(order)

    def at_venue(self, order):
        """Everything that the venue has under this order's client id."""
        return self.trader.accounts[self.world.wallet.address].by_client(order.venue_client_id)
