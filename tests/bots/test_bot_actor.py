"""The supervisor with real rows: a decision is stored whole or not at all, and nobody asks twice."""

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
from bots.models import Bot, BotEvent, BotInputs, Run
from bots.sdk import Level, Strategy, Tick
from bots.supervisor import bot_actor as desks
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.clock import now_ms
from bots.supervisor.context import Surroundings
from bots.supervisor.strategy_executor import Decider
from bots.supervisor.worker import Supervisor
from market import leases, models
from market.hub import in_thread
from market.leases import LeaseLost
from tests.wallets import factories as worlds
from tests.wallets.factories import PERP, world_make
from wallets.domain.status import LIVE
from wallets.models import Order, Wallet

pytestmark = pytest.mark.django_db(transaction=True)

PRICES = (50_000, 50_150, 49_930, 50_310)


class Ladder(Strategy):
    """Two buys below the middle, wherever it is."""

    title = "Ladder"

    def on_tick(self, context, tick):
        middle = tick.middle
        context.state["seen"] = context.state.get("seen", 0) + 1
        context.quotes(Level(f"b{n}", "buy", middle - 100 * n, Decimal("0.001")) for n in (1, 2))


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
    return worker, services.bots_wanted(worker)[bot.pk]


class Stage:
    """One bot and whichever desk drives it now. `say` gives it a tick and waits until all is settled."""

    def __init__(self, bot):
        self.bot = bot
        self.deaths = 0
        self.told = []
        self.decider = Decider()
        self.task = None

    async def say(self, middle, done):
        """Hear this price until `done()`; a desk that died is followed by another one."""
        await in_thread(worlds.prices)
        async with asyncio.timeout(60):
            heard = None
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
                    await in_thread(self.seat_row)
                    self.seat_task()
                    heard = None
                if heard is None:
                    heard = tick(middle)
                    await self.hear(heard)
                self.desk.nudge()
                await asyncio.sleep(0.02)

    async def hear(self, heard):
        """As the reader of prices does it."""
        call = self.desk.hear(events.Ticked(now_ms(), heard))
        if call is not None:
            await self.decider.decide([call])

    def seat_row(self):
        self.worker, self.wanted = claimed(self.bot)
        self.held = self.wanted.claim

    def seat_task(self):
        around = Surroundings(
            self.decider,
            CandleShelf(),
            CandleTurns(),
            lambda: True,
            lambda user, events: self.told.extend(events),
        )
        self.desk = desks.BotDesk(self.wanted, around)
        self.task = asyncio.create_task(self.desk.run())

    async def look(self):
        wanted = await in_thread(services.bots_wanted, self.worker)
        self.desk.look(wanted[self.bot.pk])

    async def end(self):
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


def asked(bot):
    """Everything that was ever asked for, in order."""
    rows = Order.objects.filter(source_id=bot.pk).order_by("why__n")
    return [(row.why["n"], row.why["level"], row.side, row.price, row.size, row.client_id) for row in rows]


def stands(bot, middle):
    """The two orders of this price and no others are live."""

    def done():
        live = Order.objects.filter(source_id=bot.pk, status__in=LIVE, cancel_asked_at=None)
        return sorted(live.values_list("price", flat=True)) == [Decimal(middle - 200), Decimal(middle - 100)]

    return done


async def played(bot, monkeypatch, fail=None):
    """Walk through PRICES; the `fail`-th reading or storing dies, before or after it was done."""
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
        for name in ("decision_commit", "own_facts", "run_load"):
            patch.setattr(services, name, deadly(getattr(services, name)))
        for middle in PRICES:
            await stage.say(middle, stands(bot, middle))
        if fail:  # how often own facts are read depends on the clock; it goes on until it has died
            await stage.say(PRICES[-1], lambda: stage.deaths)
            await stage.say(PRICES[-1], stands(bot, PRICES[-1]))
        await stage.end()
    return stage, len(calls)


async def test_a_supervisor_killed_between_any_two_steps_asks_for_the_same_orders(world, monkeypatch):
    """Client ids come from the run, so runs are compared by what they asked, and counted once each."""
    bot = await in_thread(bot_started, world)
    _, boundaries = await played(bot, monkeypatch)
    plain = sorted(row[1:5] for row in await in_thread(asked, bot))
    assert len(plain) == 2 * len(PRICES)
    assert boundaries > 8
    for number in range(1, boundaries, 5):
        for after in (False, True):
            other = await in_thread(bot_started, world)
            stage, _ = await played(other, monkeypatch, fail=(number, after))
            rows = await in_thread(asked, other)
            assert stage.deaths == 1
            assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), (number, after)
            assert sorted(row[1:5] for row in rows) == plain, (number, after)


def _live(bot):
    rows = Order.objects.filter(source_id=bot.pk, status__in=LIVE, cancel_asked_at=None)
    return sorted(rows.values_list("price", flat=True))


async def test_of_two_supervisors_forced_on_one_bot_only_one_writes(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    old = stage.desk
    before = len(await in_thread(asked, bot))
    await in_thread(leases.worker_release, stage.worker)
    other = Stage(bot)
    await in_thread(other.seat_row)
    await stage.hear(tick(50_500))
    old.nudge()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(stage.task, 60)
    assert len(await in_thread(asked, bot)) == before
    other.seat_task()
    await other.say(50_500, stands(bot, 50_500))
    await other.end()


async def test_a_restart_adopts_what_rests_and_cancels_nothing(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    await stage.end()
    before = await in_thread(asked, bot)
    await in_thread(leases.worker_release, stage.worker)
    again = Stage(bot)

    def restarted():
        return BotEvent.objects.filter(bot=bot, text__startswith="Started").count() == 2

    await again.say(50_000, restarted)
    await again.end()
    assert await in_thread(asked, bot) == before
    assert not await Order.objects.filter(source_id=bot.pk).exclude(cancel_asked_at=None).aexists()


@pytest.mark.parametrize(("policy", "left"), [(StopPolicy.KEEP, 2), (StopPolicy.CANCEL_OWN, 0)])
async def test_a_stop_does_what_its_policy_says_and_ends_the_run(world, policy, left):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    await in_thread(services.bot_stop, user=world.user, bot_id=bot.pk, policy=policy)
    await stage.look()
    async with asyncio.timeout(60):
        while not stage.task.done():
            stage.desk.nudge()
            await asyncio.sleep(0.02)
    assert stage.task.exception() is None
    run = await Run.objects.aget(bot=bot)
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
    assert "RuntimeError" in row.trace
    assert not await Run.objects.filter(bot=bot, ended_at=None).aexists()


async def test_an_idle_a_stopped_and_a_faulted_bot_say_why_in_the_log(world, caplog):
    caplog.set_level("INFO", "bots.supervisor.bot_actor")
    shy = Stage(await in_thread(bot_started, world, "shy"))
    await shy.say(50_000, lambda: Bot.objects.filter(pk=shy.bot.pk, status="idle").exists())
    await in_thread(services.bot_stop, user=world.user, bot_id=shy.bot.pk, policy=StopPolicy.CANCEL_OWN)
    await shy.look()
    await shy.say(50_000, lambda: Bot.objects.filter(pk=shy.bot.pk, status="stopped").exists())
    junky = Stage(await in_thread(bot_started, world, "junky"))
    await junky.say(50_000, lambda: Bot.objects.filter(pk=junky.bot.pk, status="faulted").exists())
    await shy.end()
    await junky.end()
    lines = {
        (line.bot, line.status): (line.levelname, line.reason)
        for line in caplog.records
        if line.msg == "bot stands"
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


async def test_a_denied_order_is_told_to_the_bot_and_waits(world):
    await Wallet.objects.filter(pk=world.wallet.pk).aupdate(trading_state="halted")
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)

    def told():
        return Bot.objects.filter(pk=bot.pk, status="running").exists() and (
            BotEvent.objects.filter(bot=bot, text__startswith="OrderChanged").exists()
        )

    await stage.say(50_000, told)
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

    def heard():
        run = Run.objects.get(bot=bot)
        return run.snapshot["position"]["size"]["is"] == "0.001000000000000000"

    await stage.say(50_000, heard)
    await stage.end()
    traded = BotEvent.objects.filter(bot=bot, text__startswith="Traded")
    assert await traded.acount() == 1


async def test_a_bot_hears_its_share_of_funding_and_nobody_elses(world):
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
        services.books_post_all()

    await in_thread(paid)

    def heard():
        funding = Run.objects.get(bot=bot).snapshot["position"]["funding"]["is"]
        return Decimal(funding) == -2

    await stage.say(50_000, heard)
    await stage.end()
    assert await BotEvent.objects.filter(bot=bot, text__startswith="FundingPaid").acount() == 1


async def supervised(worker, supervisor, done):
    """Wake once every now and then until `done()`."""
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
        supervisor = Supervisor(safe=lambda: True)
        await supervised(worker, supervisor, works)
        await supervisor.drain()
        assert (await Bot.objects.aget(pk=bot.pk)).owner_id is None
    assert await Bot.objects.filter(pk=bot.pk, owner_epoch=2).aexists()
    orders = Order.objects.filter(source_id=bot.pk)
    assert (await orders.acount(), await orders.exclude(cancel_asked_at=None).acount()) == (2, 0)


async def test_a_claim_whose_answer_was_lost_is_driven_and_what_has_ended_is_given_back(world, monkeypatch):
    bot, ended = [await in_thread(bot_started, world) for _ in range(2)]
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    await in_thread(services.bots_claim, worker, limit=100)  # committed; the worker never heard of it
    await Run.objects.filter(bot=ended).aupdate(ended_at=Now())
    supervisor = Supervisor(safe=lambda: True)
    await supervised(worker, supervisor, lambda: len(_live(bot)) == 2)
    assert await Bot.objects.filter(pk=bot.pk, owner=worker, owner_epoch=1).aexists()
    assert await Bot.objects.filter(pk=ended.pk, owner=None).aexists()
    await supervisor.drain()


async def test_a_bot_that_somebody_else_took_is_left_and_taken_again_under_a_newer_epoch(world):
    bot = await in_thread(bot_started, world)
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    supervisor = Supervisor(safe=lambda: True)
    await supervised(worker, supervisor, lambda: len(_live(bot)) == 2)
    rival = await models.Worker.objects.acreate(
        channel="bots-supervisor", host="x", pid=1, lease_until=Now()
    )  # whose lease is over
    await Bot.objects.filter(pk=bot.pk).aupdate(owner=rival, owner_epoch=70)

    def driven_again():
        started = BotEvent.objects.filter(bot=bot, text__startswith="Started").count()
        return started == 2 and Bot.objects.get(pk=bot.pk).owner_epoch == 71

    await supervised(worker, supervisor, driven_again)
    await supervisor.drain()
    assert await Order.objects.filter(source_id=bot.pk).acount() == 2


async def test_a_bot_whose_desk_crashes_again_and_again_is_faulted_and_harms_no_neighbour(world, monkeypatch):
    bad, good = [await in_thread(bot_started, world) for _ in range(2)]
    monkeypatch.setattr("bots.domain.lifecycle.FIRST_DELAY", 1)
    real = services.own_facts

    def own_facts(*, bot_id, **given):
        if bot_id == bad.pk and not Bot.objects.filter(pk=bad.pk, status="faulted").exists():
            raise RuntimeError("a bug of ours")
        return real(bot_id=bot_id, **given)

    monkeypatch.setattr(services, "own_facts", own_facts)
    worker = await in_thread(leases.worker_register, channel="bots-supervisor")
    supervisor = Supervisor(safe=lambda: True)

    def settled():
        return Bot.objects.get(pk=bad.pk).status == "faulted" and len(_live(good)) == 2

    await supervised(worker, supervisor, settled)
    await supervisor.drain()
    assert "crashed 6 times" in (await Bot.objects.aget(pk=bad.pk)).reason
    assert not await Run.objects.filter(bot=bad, ended_at=None).aexists()
    assert await Run.objects.filter(bot=good, ended_at=None).aexists()


async def test_other_inputs_replan_without_cancelling_what_still_stands(world):
    bot = await in_thread(bot_started, world)
    stage = Stage(bot)
    await stage.say(50_000, stands(bot, 50_000))
    before = await in_thread(asked, bot)

    def other_version():
        BotInputs.objects.create(bot=bot, version=2, inputs={})
        Bot.objects.filter(pk=bot.pk).update(inputs_version=2)

    await in_thread(other_version)
    await stage.look()
    await stage.say(50_000, lambda: Run.objects.get(bot=bot).inputs_version == 2)
    await stage.end()
    assert await in_thread(asked, bot) == before
    assert not await Order.objects.filter(source_id=bot.pk).exclude(cancel_asked_at=None).aexists()
