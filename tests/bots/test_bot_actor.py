"""Bot actor and supervisor with a real database: decisions are stored atomically, orders requested once."""

import asyncio
import time
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from bots import services, strategies
from bots.domain import events
from bots.domain.lifecycle import StopPolicy
from bots.domain.requests import BotRequest
from bots.models import Bot, BotInputs, BotJournalEntry, BotRun
from bots.sdk import Level, Strategy, Tick
from bots.supervisor.bot_actor import BotActor
from bots.supervisor.candles import CandleCache, CandleLimiter
from bots.supervisor.clock import now_ms
from bots.supervisor.context import SupervisorContext
from bots.supervisor.strategy_executor import StrategyExecutor
from bots.supervisor.worker import Supervisor
from core import leases
from core.leases import LeaseLost
from core.models import Worker
from core.threads import in_thread
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, world_make
from wallets.domain.status import LIVE
from wallets.models import Order, Wallet

pytestmark = pytest.mark.django_db(transaction=True)

PRICES = (50_000, 50_150, 49_930, 50_310)


class Ladder(Strategy):
    """Two buy orders below the mid price."""

    title = "Ladder"

    def on_tick(self, context, tick):
        middle = tick.mid
        context.state["seen"] = context.state.get("seen", 0) + 1
        context.set_orders(Level(f"b{n}", "buy", middle - 100 * n, Decimal("0.001")) for n in (1, 2))


class Junky(Strategy):
    title = "Junky"

    def on_tick(self, context, tick):
        raise RuntimeError("no idea")


class Shy(Strategy):
    title = "Shy"

    def on_tick(self, context, tick):
        context.idle("The trend is 3.4 deviations; 3 is the most.")


class Sleepy(Ladder):
    title = "Sleepy"

    def on_tick(self, context, tick):
        time.sleep(0.05)  # noqa: TID251  a strategy that overruns its deadline is what is tested
        super().on_tick(context, tick)


@pytest.fixture(autouse=True)
def _strategies(monkeypatch):
    monkeypatch.setattr(
        strategies,
        "STRATEGIES",
        {"ladder": Ladder, "junky": Junky, "sleepy": Sleepy, "shy": Shy},
    )
    monkeypatch.setattr("bots.selectors.strategies.STRATEGIES", strategies.STRATEGIES)


@pytest.fixture
def world(alice, transactional_db):
    world = world_make(alice)
    Wallet.objects.filter(pk=world.wallet.pk).update(orders_per_minute=10_000)
    return world


def tick(middle):
    return Tick(int(time.time() * 1000), Decimal(middle) - 1, Decimal(middle) + 1, Decimal(middle))


def bot_started(world, strategy="ladder", budget=10_000):
    request = BotRequest(
        client_id=uuid4(), wallet_id=world.wallet.pk, symbol=PERP, strategy=strategy, budget=Decimal(budget),
        inputs={},
    )  # fmt: skip
    bot = services.bot_create(user=world.user, request=request)
    services.bot_start(user=world.user, bot_id=bot.pk)
    return bot


def claimed(bot):
    worker = leases.worker_register(channel="bots-supervisor")
    services.bots_claim(worker, limit=100)
    return worker, services.bot_assignments(worker)[bot.pk]


class Stage:
    """One bot and its current actor. `say` delivers a tick and waits until the bot has settled."""

    def __init__(self, bot):
        self.bot = bot
        self.deaths = 0
        self.published = []
        self.executor = StrategyExecutor()
        self.task = None

    async def say(self, middle, done):
        """Deliver this price until `done()`; an actor that died is replaced by a new one."""
        await in_thread(worlds.prices)
        async with asyncio.timeout(60):
            received = None
            while not await in_thread(done):
                if self.task is None or self.task.done():
                    if self.task is not None:
                        problem = self.task.exception()
                        if problem is None:
                            assert await in_thread(done), "the run has ended"
                            return
                        assert isinstance(problem, RuntimeError), problem
                        self.deaths += 1
                        await in_thread(leases.worker_release, self.worker)
                    await in_thread(self.claim_bot)
                    self.start_actor()
                    received = None
                if received is None:
                    received = tick(middle)
                    await self.on_tick(received)
                self.actor.nudge()
                await asyncio.sleep(0.02)

    async def on_tick(self, received):
        """Deliver a tick as the price reader does."""
        call = self.actor.on_tick(events.TickReceived(now_ms(), received))
        if call is not None:
            await self.executor.decide([call])

    def claim_bot(self):
        self.worker, self.assignment = claimed(self.bot)
        self.claim = self.assignment.claim

    def start_actor(self):
        context = SupervisorContext(
            self.executor,
            CandleCache(),
            CandleLimiter(),
            lambda: True,
            lambda user, events: self.published.extend(events),
        )
        self.actor = BotActor(self.assignment, context)
        self.task = asyncio.create_task(self.actor.run())

    async def update(self):
        assignments = await in_thread(services.bot_assignments, self.worker)
        self.actor.update(assignments[self.bot.pk])

    async def end(self):
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


def requested_orders(bot):
    """All orders ever requested by the bot, in order."""
    rows = Order.objects.filter(source_id=bot.pk).order_by("provenance__n")
    return [
        (row.provenance["n"], row.provenance["level"], row.side, row.price, row.size, row.client_id)
        for row in rows
    ]


def stands(bot, middle):
    """A condition: exactly the two orders of this price are live."""

    def done():
        live = Order.objects.filter(source_id=bot.pk, status__in=LIVE, cancel_requested_at=None)
        return sorted(live.values_list("price", flat=True)) == [Decimal(middle - 200), Decimal(middle - 100)]

    return done


async def played(bot, monkeypatch, fail=None):
    """Run through PRICES; the `fail`-th load or commit raises, before or after it was executed."""
    stage, calls = Stage(bot), []
    number, after = fail or (0, False)

    def deadly(real):
        def service(**given):
            calls.append(real)
            mine = len(calls)
            if mine == number and not after:
                raise RuntimeError("killed before")
            done = real(**given)
            if mine == number:
                raise RuntimeError("killed after")
            return done

        return service

    with monkeypatch.context() as patch:
        for name in ("decision_commit", "own_order_state", "run_load"):
            patch.setattr(services, name, deadly(getattr(services, name)))
        for middle in PRICES:
            await stage.say(middle, stands(bot, middle))
        if fail:  # how often the state is read depends on the clock: continue until the failure occurred
            await stage.say(PRICES[-1], lambda: stage.deaths)
            await stage.say(PRICES[-1], stands(bot, PRICES[-1]))
        await stage.end()
    return stage, len(calls)


async def test_a_supervisor_killed_between_any_two_steps_requests_the_same_orders(world, monkeypatch):
    """Client ids depend on the run, so runs are compared by their order requests, each counted once."""
    bot = await in_thread(bot_started, world)
    _, boundaries = await played(bot, monkeypatch)
    plain = sorted(row[1:5] for row in await in_thread(requested_orders, bot))
    assert len(plain) == 2 * len(PRICES)
    assert boundaries > 8
    for number in range(1, boundaries, 5):
        for after in (False, True):
            other = await in_thread(bot_started, world)
            stage, _ = await played(other, monkeypatch, fail=(number, after))
            rows = await in_thread(requested_orders, other)
            assert stage.deaths == 1
            assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), (number, after)
            assert sorted(row[1:5] for row in rows) == plain, (number, after)


def _live(bot):
    rows = Order.objects.filter(source_id=bot.pk, status__in=LIVE, cancel_requested_at=None)
    return sorted(rows.values_list("price", flat=True))


async def test_of_two_supervisors_forced_on_one_bot_only_one_writes(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    old = stage.actor
    before = len(await in_thread(requested_orders, bot))
    await in_thread(leases.worker_release, stage.worker)
    other = Stage(bot)
    await in_thread(other.claim_bot)
    await stage.on_tick(tick(50_500))
    old.nudge()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(stage.task, 60)
    assert len(await in_thread(requested_orders, bot)) == before
    other.start_actor()
    await other.say(50_500, stands(bot, 50_500))
    await other.end()


async def test_a_restart_adopts_live_orders_and_cancels_nothing(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    await stage.end()
    before = await in_thread(requested_orders, bot)
    await in_thread(leases.worker_release, stage.worker)
    again = Stage(bot)

    def restarted():
        return BotJournalEntry.objects.filter(bot=bot, text__startswith="Started").count() == 2

    await again.say(50_000, restarted)
    await again.end()
    assert await in_thread(requested_orders, bot) == before
    assert not await Order.objects.filter(source_id=bot.pk).exclude(cancel_requested_at=None).aexists()


@pytest.mark.parametrize(("policy", "left"), [(StopPolicy.KEEP, 2), (StopPolicy.CANCEL_OWN, 0)])
async def test_a_stop_applies_its_policy_and_ends_the_run(world, policy, left):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    await in_thread(services.bot_stop, user=world.user, bot_id=bot.pk, policy=policy)
    await stage.update()
    async with asyncio.timeout(60):
        while not stage.task.done():
            stage.actor.nudge()
            await asyncio.sleep(0.02)
    assert stage.task.exception() is None
    run = await BotRun.objects.aget(bot=bot)
    assert run.ended_at is not None
    assert (await Bot.objects.aget(pk=bot.pk)).status == "stopped"
    assert len(await in_thread(_live, bot)) == left


async def test_a_strategy_that_raises_is_faulted_with_its_traceback_and_its_run_ends(world):
    bot = await in_thread(bot_started, world, "junky")
    stage = Stage(bot)
    await stage.say(50_000, lambda: Bot.objects.get(pk=bot.pk).status == "faulted")
    await stage.end()
    row = await Bot.objects.aget(pk=bot.pk)
    assert "no idea" in row.reason
    assert "RuntimeError" in row.traceback
    assert not await BotRun.objects.filter(bot=bot, ended_at=None).aexists()


async def test_idle_stopped_and_faulted_bots_are_logged_with_a_reason(world, caplog):
    caplog.set_level("INFO", "bots.supervisor.bot_actor")
    shy = Stage(await in_thread(bot_started, world, "shy"))
    await shy.say(50_000, lambda: Bot.objects.filter(pk=shy.bot.pk, status="idle").exists())
    await in_thread(services.bot_stop, user=world.user, bot_id=shy.bot.pk, policy=StopPolicy.CANCEL_OWN)
    await shy.update()
    await shy.say(50_000, lambda: Bot.objects.filter(pk=shy.bot.pk, status="stopped").exists())
    junky = Stage(await in_thread(bot_started, world, "junky"))
    await junky.say(50_000, lambda: Bot.objects.filter(pk=junky.bot.pk, status="faulted").exists())
    await shy.end()
    await junky.end()
    lines = {
        (line.bot, line.status): (line.levelname, line.reason)
        for line in caplog.records
        if line.msg == "bot status changed"
    }
    assert lines[str(shy.bot.pk), "idle"] == ("INFO", "The trend is 3.4 deviations; 3 is the most.")
    assert lines[str(shy.bot.pk), "stopped"] == ("INFO", "Stopped by its owner.")
    assert lines[str(junky.bot.pk), "faulted"] == ("WARNING", "RuntimeError: no idea")


async def test_a_callback_that_overruns_twice_is_faulted(world, monkeypatch):
    monkeypatch.setattr("bots.supervisor.strategy_executor.deadline", lambda name: 20)
    bot = await in_thread(bot_started, world, "sleepy")
    stage = Stage(bot)

    def faulted():
        return Bot.objects.get(pk=bot.pk).status == "faulted"

    for middle in PRICES:
        if not await in_thread(faulted):
            await stage.say(middle, lambda m=middle: faulted() or stands(bot, m)())
    await stage.end()
    assert "ms" in (await Bot.objects.aget(pk=bot.pk)).reason


async def test_a_denied_order_is_delivered_to_the_bot_and_backs_off(world):
    await Wallet.objects.filter(pk=world.wallet.pk).aupdate(trading_state="halted")
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)

    def update_journalled():
        return Bot.objects.filter(pk=bot.pk, status="running").exists() and (
            BotJournalEntry.objects.filter(bot=bot, text__startswith="OrderUpdated").exists()
        )

    await stage.say(50_000, update_journalled)
    await stage.end()
    assert await Order.objects.filter(source_id=bot.pk, status="denied").acount() >= 2
    assert not await in_thread(_live, bot)


async def test_a_fill_moves_the_bots_own_position_once(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))

    def fill():
        world.take()
        order = Order.objects.select_related("instrument").filter(source_id=bot.pk).order_by("-price").first()
        order.venue_order_id = "v1"
        world.tell(world.fill(order), world.fill(order, trade_id="1"))

    await in_thread(fill)

    def received():
        run = BotRun.objects.get(bot=bot)
        return run.snapshot["position"]["size"] == "0.001000000000000000"

    await stage.say(50_000, received)
    await stage.end()
    traded = BotJournalEntry.objects.filter(bot=bot, text__startswith="OrderFilled")
    assert await traded.acount() == 1


async def test_a_bot_receives_only_its_own_share_of_funding(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))

    def paid():
        world.take()
        order = Order.objects.select_related("instrument").filter(source_id=bot.pk).order_by("-price").first()
        order.venue_order_id = "v1"
        world.tell(world.fill(order))
        world.tell(world.fill(world.open("v2", size="0.003")))
        world.tell(world.funding("-8", world.now + 100))
        services.wallet_fills_post_all()

    await in_thread(paid)

    def received():
        funding = BotRun.objects.get(bot=bot).snapshot["position"]["funding"]
        return Decimal(funding) == -2

    await stage.say(50_000, received)
    await stage.end()
    assert await BotJournalEntry.objects.filter(bot=bot, text__startswith="FundingPaid").acount() == 1


async def supervised(worker, supervisor, done):
    """Reconcile repeatedly until `done()`."""
    async with asyncio.timeout(60):
        while not await in_thread(done):
            await in_thread(worlds.prices)
            await supervisor.reconcile(worker)
            await asyncio.sleep(0.05)


async def test_a_rolling_restart_hands_the_bot_over_and_touches_no_order(world):
    bot = await in_thread(bot_started, world)

    def works():
        row = Bot.objects.get(pk=bot.pk)
        return row.status == "running" and row.owner_id is not None and len(_live(bot)) == 2

    for _ in range(2):
        worker = await in_thread(leases.worker_register, channel="bots-supervisor")
        supervisor = Supervisor(lease_is_safe=lambda: True)
        await supervised(worker, supervisor, works)
        await supervisor.drain()
        assert (await Bot.objects.aget(pk=bot.pk)).owner_id is None
    assert await Bot.objects.filter(pk=bot.pk, owner_epoch=2).aexists()
    orders = Order.objects.filter(source_id=bot.pk)
    assert (await orders.acount(), await orders.exclude(cancel_requested_at=None).acount()) == (2, 0)


async def test_a_claim_with_a_lost_response_is_run_and_an_ended_bot_is_released(world, monkeypatch):
    bot, ended = [await in_thread(bot_started, world) for _ in range(2)]
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    await in_thread(services.bots_claim, worker, limit=100)  # committed, but the response is lost
    await BotRun.objects.filter(bot=ended).aupdate(ended_at=Now())
    supervisor = Supervisor(lease_is_safe=lambda: True)
    await supervised(worker, supervisor, lambda: len(_live(bot)) == 2)
    assert await Bot.objects.filter(pk=bot.pk, owner=worker, owner_epoch=1).aexists()
    assert await Bot.objects.filter(pk=ended.pk, owner=None).aexists()
    await supervisor.drain()


async def test_a_bot_claimed_by_another_supervisor_is_released_and_reclaimed_under_a_newer_epoch(world):
    bot = await in_thread(bot_started, world)
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    supervisor = Supervisor(lease_is_safe=lambda: True)
    await supervised(worker, supervisor, lambda: len(_live(bot)) == 2)
    rival = await Worker.objects.acreate(
        channel="bots-supervisor", host="x", pid=1, lease_until=Now()
    )  # its lease has expired
    await Bot.objects.filter(pk=bot.pk).aupdate(owner=rival, owner_epoch=70)

    def driven_again():
        started = BotJournalEntry.objects.filter(bot=bot, text__startswith="Started").count()
        return started == 2 and Bot.objects.get(pk=bot.pk).owner_epoch == 71

    await supervised(worker, supervisor, driven_again)
    await supervisor.drain()
    assert await Order.objects.filter(source_id=bot.pk).acount() == 2


async def test_a_bot_that_crashes_repeatedly_is_faulted_and_harms_no_other_bot(world, monkeypatch):
    bad, good = [await in_thread(bot_started, world) for _ in range(2)]
    monkeypatch.setattr("bots.domain.lifecycle.MIN_BACKOFF", 1)
    real = services.own_order_state

    def own_order_state(*, bot_id, **given):
        if bot_id == bad.pk and not Bot.objects.filter(pk=bad.pk, status="faulted").exists():
            raise RuntimeError("an internal error")
        return real(bot_id=bot_id, **given)

    monkeypatch.setattr(services, "own_order_state", own_order_state)
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    supervisor = Supervisor(lease_is_safe=lambda: True)

    def settled():
        return Bot.objects.get(pk=bad.pk).status == "faulted" and len(_live(good)) == 2

    await supervised(worker, supervisor, settled)
    await supervisor.drain()
    assert "crashed 6 times" in (await Bot.objects.aget(pk=bad.pk)).reason
    assert not await BotRun.objects.filter(bot=bad, ended_at=None).aexists()
    assert await BotRun.objects.filter(bot=good, ended_at=None).aexists()


async def test_changed_inputs_do_not_cancel_orders_that_still_match(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    before = await in_thread(requested_orders, bot)

    def other_version():
        BotInputs.objects.create(bot=bot, version=2, inputs={})
        Bot.objects.filter(pk=bot.pk).update(inputs_version=2)

    await in_thread(other_version)
    await stage.update()
    await stage.say(50_000, lambda: BotRun.objects.get(bot=bot).inputs_version == 2)
    await stage.end()
    assert await in_thread(requested_orders, bot) == before
    assert not await Order.objects.filter(source_id=bot.pk).exclude(cancel_requested_at=None).aexists()
