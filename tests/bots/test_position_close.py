"""Stopping and closing own positions at the simulated venue, with the real execution desk in between."""

import asyncio
from collections import defaultdict
from decimal import Decimal
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.db import connection
from django.db.models import Q

from bots import selectors, services, strategies
from bots.domain import events
from bots.domain.lifecycle import StopPolicy
from bots.domain.requests import BotRequest
from bots.models import Bot, Run
from bots.sdk import Level, Number, Strategy, Tick
from bots.supervisor import bot_actor as desks
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.context import Surroundings
from bots.supervisor.strategy_executor import Decider
from market import leases
from market.hub import in_thread
from market.simulator.faults import fault_parse
from market.simulator.server import Config, Simulator, wall_clock
from market.venues.hyperliquid.trader import HyperliquidTrader
from tests.market.simulator.conftest import small_world
from tests.market.simulator.signed_client import USD
from tests.market.test_trader import Key
from tests.wallets import factories as worlds
from tests.wallets.actor_harness import Bench
from tests.wallets.factories import PERP, world_make
from wallets.models import Fill, Order, Position, Wallet

pytestmark = pytest.mark.django_db(transaction=True)

CLOSE = StopPolicy.CANCEL_AND_CLOSE_OWN
D, ZERO = Decimal, Decimal(0)
WITHIN = 60


class Once(Strategy):
    """Trades so much at its start, and nothing more. Below zero it sells."""

    title = "Once"
    size = Number("Size", unit="BTC", minimum="-9", maximum="9", default="0.01")

    def on_tick(self, context, tick):
        size = self.inputs["size"]
        if context.position.size or context.orders or context.state.get("done"):
            context.state["done"] = True
            return
        side, factor = ("buy", D("1.02")) if size > 0 else ("sell", D("0.98"))
        price = context.instrument.rules.round_price(tick.middle * factor)
        context.quotes([Level("in", side, price, abs(size), "ioc")])


@pytest.fixture(autouse=True)
def _strategies(monkeypatch):
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", {"once": Once})
    monkeypatch.setattr(strategies, "STRATEGIES", {"once": Once})


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


class Opener:
    """Signs with the one key of the house."""

    def __init__(self, key):
        self.key = key

    def check(self):
        """It is here."""

    def signer(self, wallet):
        return self.key


class House:
    """A wallet at a running simulator, and the desks of bots on it. Whatever dies is seated again."""

    def __init__(self, world, simulator):
        self.world, self.simulator = world, simulator
        self.seats = {}
        self.decider = Decider()
        self.deaths = 0

    # --- the venue -------------------------------------------------------------------------------
    @property
    def mark(self):
        market = self.simulator.world.markets[PERP]
        return D(market.listing.price_text(market.listing.floor(market.mark)))

    def at_venue(self):
        """The size of the position in the venue's own books."""
        account = self.simulator.house.exchange.accounts[self.world.wallet.address]
        held = [one for coin, one in account.positions.items() if coin == PERP]
        return D(held[0].lots).scaleb(-5) if held else ZERO

    def fault(self, kind, **fields):
        faults, market = self.simulator.faults, self.simulator.world
        faults.begin(fault_parse({"kind": kind, **fields}, market.markets), market.now)

    # --- bots ------------------------------------------------------------------------------------
    def bot(self, size, leverage=1):
        request = BotRequest(
            client_id=uuid4(), wallet_id=self.world.wallet.pk, symbol=PERP, strategy="once",
            budget=D(20_000), leverage=leverage, inputs={"size": size},
        )  # fmt: skip
        bot = services.bot_create(user=self.world.user, request=request)
        services.bot_start(user=self.world.user, bot_id=bot.pk)
        return bot

    def stop(self, bot, policy=CLOSE):
        services.bot_stop(user=self.world.user, bot_id=bot.pk, policy=policy)

    async def until(self, *bots, done):
        """Drive the desks of these bots until `done()`."""
        async with asyncio.timeout(WITHIN):
            while not await in_thread(done):
                await in_thread(worlds.prices, {PERP: str(self.mark)})
                await in_thread(services.books_post_all)
                for bot in bots:
                    await self._drive(bot)
                await asyncio.sleep(0.02)

    async def _drive(self, bot):
        seat = self.seats.get(bot.pk)
        if seat and seat[1].done():
            if (problem := seat[1].exception()) is not None:
                assert isinstance(problem, Killed), problem
                self.deaths += 1
            await in_thread(leases.worker_release, seat[2])
            del self.seats[bot.pk]
        if bot.pk not in self.seats:
            if not await Run.objects.filter(bot=bot, ended_at=None).aexists():
                return
            await self._seat(bot)
        desk, _, worker = self.seats[bot.pk]
        wanted = (await in_thread(services.bots_wanted, worker)).get(bot.pk)
        if wanted and wanted.going:
            desk.look(wanted)
        mark = self.mark
        told = events.Ticked(wall_clock(), Tick(wall_clock(), mark - 1, mark + 1, mark))
        if call := desk.hear(told):
            await self.decider.decide([call])
        desk.nudge()

    async def _seat(self, bot):
        worker = await in_thread(leases.worker_register, channel="bots-supervisor")
        await in_thread(leases.claim, Bot, worker, where=Q(pk=bot.pk))
        wanted = (await in_thread(services.bots_wanted, worker))[bot.pk]
        around = Surroundings(
            self.decider, CandleShelf(), CandleTurns(), lambda: True, lambda user, events: None
        )
        desk = desks.BotDesk(wanted, around)
        self.seats[bot.pk] = desk, asyncio.create_task(desk.run()), worker

    async def end(self):
        for _, task, _ in self.seats.values():
            task.cancel()
        await asyncio.gather(*(seat[1] for seat in self.seats.values()), return_exceptions=True)

    # --- what is asked of it -----------------------------------------------------------------------
    def holds(self, *pairs):
        def held():
            books = selectors.books_of([bot for bot, _ in pairs])
            return all(books[bot.pk].position.size == D(size) for bot, size in pairs)

        return held

    def stopped(self, *bots):
        return lambda: all(Bot.objects.get(pk=bot.pk).status == "stopped" for bot in bots)

    def check(self):
        """Σ holds, our books are the venue's, and no bot's size ever passed through zero."""
        services.books_post_all()
        (split,) = selectors.attribution_of(Wallet.objects.get(pk=self.world.wallet.pk))
        total = sum((share.position.size for share in split.shares), ZERO)
        assert total + split.manual.size + split.residual.size == split.venue.size == self.at_venue()
        sides, sizes = {}, defaultdict(Decimal)
        fills = Fill.objects.exclude(order__source_id=None).order_by("time", "pk")
        for source, side, size in fills.values_list("order__source_id", "side", "size"):
            first = sides.setdefault(source, side)
            sizes[source] += size if side == first else -size
            assert sizes[source] >= 0, "traded through zero"
        return split


class Killed(RuntimeError):
    pass


@pytest.fixture
def key():
    return Key()


@pytest.fixture
def world(alice, key, transactional_db):
    world = world_make(alice)
    Wallet.objects.filter(pk=world.wallet.pk).update(
        orders_per_minute=10_000, address=key.address, signer_address=key.address
    )
    world.wallet.refresh_from_db()
    return world


@pytest.fixture
async def house(world, key):
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0))
    await simulator.start()
    simulator.house.fund(key.address, 10_000 * USD)
    url = f"http://127.0.0.1:{simulator.port}"
    trader = HyperliquidTrader("simulator", url, network="testnet", first_pause=0.001)
    house = House(world, simulator)
    async with Bench(world, trader, opener=Opener(key)).at_work():
        yield house
        await house.end()
    await trader.close()
    await simulator.stop()


async def test_two_bots_long_and_short_each_close_their_own(house):
    """The venue's net position is smaller than what the first closes: it could not grant reduce-only."""
    long, short = await in_thread(house.bot, "0.02"), await in_thread(house.bot, "-0.015")
    await house.until(long, short, done=house.holds((long, "0.02"), (short, "-0.015")))
    assert house.at_venue() == D("0.005")
    await in_thread(house.stop, long)
    await house.until(long, short, done=house.stopped(long))
    assert house.at_venue() == D("-0.015")
    await in_thread(house.check)
    await in_thread(house.stop, short)
    await house.until(short, done=house.stopped(short))
    split = await in_thread(house.check)
    assert [share.position.size for share in split.shares] == [0, 0]
    plain = {order.source_id: order.reduce_only async for order in Order.objects.filter(why__level="close")}
    assert plain == {long.pk: False, short.pk: True}
    assert split.residual.realised == split.residual.cost


async def test_a_close_that_fills_in_parts_goes_on_until_nothing_is_left_also_when_told_twice(house):
    bot, other = await in_thread(house.bot, "0.02"), await in_thread(house.bot, "0.01")
    await house.until(bot, other, done=house.holds((bot, "0.02"), (other, "0.01")))
    house.fault("partial_fills", parts=4, seconds=600)
    await in_thread(house.stop, bot, StopPolicy.CANCEL_OWN)
    for _ in range(2):
        await in_thread(house.stop, bot)
    await house.until(bot, other, done=lambda: 0 < selectors.book_of(bot).position.size < D("0.02"))
    house.simulator.faults.clear()
    await in_thread(house.stop, bot)
    await house.until(bot, other, done=house.stopped(bot))
    split = await in_thread(house.check)
    assert [share.position.size for share in split.shares] == [0, D("0.01")]
    assert await Order.objects.filter(source_id=bot.pk, why__level="close").acount() > 1


async def test_what_was_liquidated_is_not_closed_again_nor_taken_over_by_the_next_run(house):
    bot = await in_thread(house.bot, "0.9", leverage=10)
    await house.until(bot, done=house.holds((bot, "0.9")))
    house.simulator.world.shock(PERP, -1500)

    def gone():
        return Position.objects.get(wallet=house.world.wallet).size == 0

    await house.until(bot, done=gone)
    await in_thread(house.stop, bot)
    await house.until(bot, done=house.stopped(bot))
    split = await in_thread(house.check)
    assert (split.shares[0].position.size, split.residual.size) == (D("0.9"), D("-0.9"))
    assert not await Order.objects.filter(why__level="close").aexists()
    assert "0.9 of its position went at the venue" in (await Bot.objects.aget(pk=bot.pk)).reason
    run = await in_thread(services.bot_start, user=house.world.user, bot_id=bot.pk)
    assert run.snapshot["position"]["size"]["is"] == "0"


@pytest.mark.parametrize("after", [False, True])
async def test_killed_while_closing_nothing_is_closed_twice_and_nothing_is_left(house, monkeypatch, after):
    long, short = await in_thread(house.bot, "0.02"), await in_thread(house.bot, "-0.015")
    await house.until(long, short, done=house.holds((long, "0.02"), (short, "-0.015")))
    for bot in (long, short):
        await in_thread(house.stop, bot)
    calls = []

    def deadly(real):
        def service(**given):
            calls.append(real)
            dies = len(calls) % 5 == 3 and len(calls) < 40
            if dies and not after:
                raise Killed("before")
            done = real(**given)
            if dies:
                raise Killed("after")
            return done

        return service

    for name in ("decision_commit", "own_facts"):
        monkeypatch.setattr(services, name, deadly(getattr(services, name)))
    await house.until(long, short, done=house.stopped(long, short))
    split = await in_thread(house.check)
    assert house.deaths >= 2
    assert [share.position.size for share in split.shares] == [0, 0]
    assert house.at_venue() == 0
