"""Stopping bots and closing own positions at the simulated venue, with a real wallet actor."""

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
from bots.models import Bot, BotRun
from bots.sdk import Level, Number, Strategy, Tick
from bots.supervisor.bot_actor import BotActor
from bots.supervisor.candles import CandleCache, CandleLimiter
from bots.supervisor.context import SupervisorContext
from bots.supervisor.strategy_executor import StrategyExecutor
from core import leases
from core.threads import in_thread
from market.venues.hyperliquid.trader import HyperliquidTrader
from simulator.hyperliquid.faults import fault_parse
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.market.test_trader import Key
from tests.simulator.conftest import small_world
from tests.simulator.signed_client import USD
from tests.wallets import factories as worlds
from tests.wallets.actor_harness import WalletHarness
from tests.wallets.factories import PERP, world_make
from wallets.models import Fill, Order, Position, Wallet

pytestmark = pytest.mark.django_db(transaction=True)

CLOSE = StopPolicy.CANCEL_AND_CLOSE_OWN
D, ZERO = Decimal, Decimal(0)
WITHIN = 60


class Once(Strategy):
    """Trades its size once at the start; below zero it sells."""

    title = "Once"
    size = Number("Size", unit="BTC", minimum="-9", maximum="9", default="0.01")

    def on_tick(self, context, tick):
        size = self.inputs["size"]
        if context.position.size or context.orders or context.state.get("done"):
            context.state["done"] = True
            return
        side, factor = ("buy", D("1.02")) if size > 0 else ("sell", D("0.98"))
        price = context.instrument.rules.round_price(tick.mid * factor)
        context.set_orders([Level("in", side, price, abs(size), "ioc")])


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
    """Unsealer with the single test key."""

    def __init__(self, key):
        self.key = key

    def check(self):
        """It is here."""

    def signer(self, wallet):
        return self.key


class TradingSetup:
    """A wallet at a running simulator and the actors of its bots. An actor that died is started again."""

    def __init__(self, world, simulator):
        self.world, self.simulator = world, simulator
        self.running = {}
        self.executor = StrategyExecutor()
        self.deaths = 0

    # --- the venue -------------------------------------------------------------------------------
    @property
    def mark(self):
        market = self.simulator.world.markets[PERP]
        return D(market.listing.price_text(market.listing.floor(market.mark)))

    def at_venue(self):
        """The size of the position at the venue."""
        account = self.simulator.account_engine.exchange.accounts[self.world.wallet.address]
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
        """Run the actors of these bots until `done()`."""
        async with asyncio.timeout(WITHIN):
            while not await in_thread(done):
                await in_thread(worlds.prices, {PERP: str(self.mark)})
                await in_thread(services.wallet_fills_post_all)
                for bot in bots:
                    await self._drive(bot)
                await asyncio.sleep(0.02)

    async def _drive(self, bot):
        running = self.running.get(bot.pk)
        if running and running[1].done():
            if (problem := running[1].exception()) is not None:
                assert isinstance(problem, Killed), problem
                self.deaths += 1
            await in_thread(leases.worker_release, running[2])
            del self.running[bot.pk]
        if bot.pk not in self.running:
            if not await BotRun.objects.filter(bot=bot, ended_at=None).aexists():
                return
            await self._start_actor(bot)
        actor, _, worker = self.running[bot.pk]
        assignment = (await in_thread(services.bot_assignments, worker)).get(bot.pk)
        if assignment and assignment.has_run:
            actor.update(assignment)
        mark = self.mark
        tick = events.TickReceived(wall_clock(), Tick(wall_clock(), mark - 1, mark + 1, mark))
        if call := actor.on_tick(tick):
            await self.executor.decide([call])
        actor.nudge()

    async def _start_actor(self, bot):
        worker = await in_thread(leases.worker_register, channel="bots-supervisor")
        await in_thread(leases.claim, Bot, worker, where=Q(pk=bot.pk))
        assignment = (await in_thread(services.bot_assignments, worker))[bot.pk]
        context = SupervisorContext(
            self.executor, CandleCache(), CandleLimiter(), lambda: True, lambda user, events: None
        )
        actor = BotActor(assignment, context)
        self.running[bot.pk] = actor, asyncio.create_task(actor.run()), worker

    async def end(self):
        for _, task, _ in self.running.values():
            task.cancel()
        await asyncio.gather(*(running[1] for running in self.running.values()), return_exceptions=True)

    # --- conditions and checks ---------------------------------------------------------------------
    def holds(self, *pairs):
        def held():
            books = selectors.bots_pnl([bot for bot, _ in pairs])
            return all(books[bot.pk].position.size == D(size) for bot, size in pairs)

        return held

    def stopped(self, *bots):
        return lambda: all(Bot.objects.get(pk=bot.pk).status == "stopped" for bot in bots)

    def check(self):
        """Sizes sum to the venue's position, and no bot's size ever passed through zero."""
        services.wallet_fills_post_all()
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
        orders_per_minute=10_000, address=key.key_id, signer_address=key.key_id
    )
    world.wallet.refresh_from_db()
    return world


@pytest.fixture
async def env(world, key):
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0))
    await simulator.start()
    simulator.account_engine.fund(key.key_id, 10_000 * USD)
    url = f"http://127.0.0.1:{simulator.port}"
    trader = HyperliquidTrader("hyperliquid-sim", url, network="testnet", first_pause=0.001)
    env = TradingSetup(world, simulator)
    async with WalletHarness(world, trader, opener=Opener(key)).at_work():
        yield env
        await env.end()
    await trader.close()
    await simulator.stop()


async def test_two_opposite_bots_each_close_their_own_position(env):
    """The venue's net position is smaller than what the first closes: it could not grant reduce-only."""
    long, short = await in_thread(env.bot, "0.02"), await in_thread(env.bot, "-0.015")
    await env.until(long, short, done=env.holds((long, "0.02"), (short, "-0.015")))
    assert env.at_venue() == D("0.005")
    await in_thread(env.stop, long)
    await env.until(long, short, done=env.stopped(long))
    assert env.at_venue() == D("-0.015")
    await in_thread(env.check)
    await in_thread(env.stop, short)
    await env.until(short, done=env.stopped(short))
    split = await in_thread(env.check)
    assert [share.position.size for share in split.shares] == [0, 0]
    plain = {
        order.source_id: order.reduce_only async for order in Order.objects.filter(provenance__level="close")
    }
    assert plain == {long.pk: False, short.pk: True}
    assert split.residual.realised_pnl == split.residual.cost


async def test_a_partially_filled_close_continues_until_flat_also_after_a_repeated_stop(env):
    bot, other = await in_thread(env.bot, "0.02"), await in_thread(env.bot, "0.01")
    await env.until(bot, other, done=env.holds((bot, "0.02"), (other, "0.01")))
    env.fault("partial_fills", parts=4, seconds=600)
    await in_thread(env.stop, bot, StopPolicy.CANCEL_OWN)
    for _ in range(2):
        await in_thread(env.stop, bot)
    await env.until(bot, other, done=lambda: 0 < selectors.bot_pnl(bot).position.size < D("0.02"))
    env.simulator.faults.clear()
    await in_thread(env.stop, bot)
    await env.until(bot, other, done=env.stopped(bot))
    split = await in_thread(env.check)
    assert [share.position.size for share in split.shares] == [0, D("0.01")]
    assert await Order.objects.filter(source_id=bot.pk, provenance__level="close").acount() > 1


async def test_a_liquidated_position_is_not_closed_again_nor_inherited(env):
    bot = await in_thread(env.bot, "0.9", leverage=10)
    await env.until(bot, done=env.holds((bot, "0.9")))
    env.simulator.world.shock(PERP, -1500)

    def gone():
        return Position.objects.get(wallet=env.world.wallet).size == 0

    await env.until(bot, done=gone)
    await in_thread(env.stop, bot)
    await env.until(bot, done=env.stopped(bot))
    split = await in_thread(env.check)
    assert (split.shares[0].position.size, split.residual.size) == (D("0.9"), D("-0.9"))
    assert not await Order.objects.filter(provenance__level="close").aexists()
    assert "0.9 of its position was closed on the exchange" in (await Bot.objects.aget(pk=bot.pk)).reason
    run = await in_thread(services.bot_start, user=env.world.user, bot_id=bot.pk)
    assert run.snapshot["position"]["size"] == "0"


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_while_closing_closes_exactly_once(env, monkeypatch, after):
    long, short = await in_thread(env.bot, "0.02"), await in_thread(env.bot, "-0.015")
    await env.until(long, short, done=env.holds((long, "0.02"), (short, "-0.015")))
    for bot in (long, short):
        await in_thread(env.stop, bot)
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

    for name in ("decision_commit", "own_order_state"):
        monkeypatch.setattr(services, name, deadly(getattr(services, name)))
    await env.until(long, short, done=env.stopped(long, short))
    split = await in_thread(env.check)
    assert env.deaths >= 2
    assert [share.position.size for share in split.shares] == [0, 0]
    assert env.at_venue() == 0
