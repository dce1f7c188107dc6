"""The budget that all processes of a host share, and what each lane of it leaves to the others."""

import asyncio
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from market.domain.errors import VenueRefused, VenueUnavailable
from market.domain.orders import Accepted, CancelSpec
from market.simulator.exchange.rules import Rules
from market.simulator.limits import DOCUMENTED
from market.simulator.server import Config, Simulator, wall_clock
from market.venues import trader_for, venue_feed
from market.venues.hyperliquid.action_quota import Allowance
from market.venues.hyperliquid.trader import HyperliquidTrader
from market.venues.rate_limiter import ALONE, FLOORS, LocalGate, SharedGate
from market.venues.token_bucket import Budget
from tests.market.simulator.conftest import small_world
from tests.market.test_trader import Desk, Key

NOBODY = "redis://127.0.0.1:1/0"
SLOW = 60  # weight a minute: what refills within a test is less than one


@pytest.fixture
async def gate_of(settings):
    """Gates of one host, or of the host that is named."""
    venue, opened = secrets.token_hex(8), []

    def make(egress="here", url=settings.REDIS_URL, per_minute=SLOW, **options):
        opened.append(SharedGate(venue, egress, url, per_minute=per_minute, **options))
        return opened[-1]

    yield make
    for gate in opened:
        await gate.close()


async def drawn(gate, lane):
    """How many single units the lane gets before it has to wait."""
    count = 0
    while count <= 2 * SLOW and not await gate.take(1, lane):
        count += 1
    return count


@pytest.mark.parametrize("make", ["shared", "local"])
async def test_each_lane_leaves_its_share_to_those_before_it(gate_of, make):
    gate = gate_of() if make == "shared" else LocalGate(per_minute=SLOW)
    got = {lane: await drawn(gate, lane) for lane in ("feed", "queries", "orders", "urgent")}
    # What refills meanwhile may be one more.
    for lane, share in (("feed", 30), ("queries", 9), ("orders", 15), ("urgent", 6)):
        assert share <= got[lane] <= share + 1, got
    for lane in FLOORS:
        assert await gate.take(1, lane) > 0


async def test_one_process_waits_for_what_another_has_used(gate_of):
    assert await drawn(gate_of(), "urgent") >= SLOW
    other = gate_of()
    assert await other.take(1, "urgent") > 0
    assert await gate_of("elsewhere").take(1, "urgent") == 0


async def test_what_is_refused_is_not_booked(gate_of):
    gate = gate_of()
    assert await gate.take(50, "urgent") == 0
    waits = [await gate.take(50, "urgent") for _ in range(5)]
    assert all(39 < wait <= 40 for wait in waits)
    assert await gate.take(9, "urgent") == 0


async def test_a_429_empties_the_budget_of_everybody(gate_of):
    await gate_of().exhausted()
    assert 0 < await gate_of().take(1, "urgent") <= 1
    assert await gate_of().take(1, "feed") > 30


@pytest.mark.parametrize("make", ["shared", "local", "alone"])
async def test_what_an_answer_cost_is_waited_for_by_those_who_come(gate_of, make):
    made = {
        "shared": gate_of,
        "local": lambda: LocalGate(per_minute=SLOW),
        "alone": lambda: gate_of(url=NOBODY),
    }
    gate = made[make]()
    await gate.book(2 * SLOW)
    assert await gate.take(1, "urgent") > SLOW / 2


async def test_a_burst_may_be_smaller_than_what_refills_in_a_minute(gate_of):
    gate = gate_of(per_minute=60_000, burst=100)
    assert await gate.take(100, "urgent") == 0
    await gate.exhausted()
    assert 0 < await gate.take(50, "feed") <= 0.1


async def test_what_is_heavier_than_its_share_gets_a_full_budget(gate_of):
    gate = gate_of()
    assert await gate.take(SLOW * 3, "feed") == 0
    assert await gate.take(1, "urgent") > 100


async def test_without_redis_a_process_keeps_to_its_fixed_share(gate_of):
    gate = gate_of(url=NOBODY)
    assert SLOW * ALONE <= await drawn(gate, "urgent") <= SLOW * ALONE + 1
    await gate.exhausted()
    assert await gate.take(1, "urgent") > 0


async def test_a_budget_is_shared_again_when_redis_is_back(gate_of, settings, monkeypatch):
    monkeypatch.setattr("market.venues.rate_limiter.AWAY_SECONDS", 0.0)
    gate = gate_of(url=NOBODY)
    await drawn(gate, "urgent")
    await gate.close()
    gate._url = settings.REDIS_URL
    assert await drawn(gate, "urgent") >= SLOW


async def test_a_lane_is_served_in_order():
    gate, served = LocalGate(per_minute=6000), []
    await gate.take(6000, "urgent")

    async def one(number, weight):
        await gate.enter(weight, "urgent")
        served.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number, weight in enumerate((5, 1, 3)):
            tasks.create_task(one(number, weight))
    assert served == [0, 1, 2]


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.floats(0, 30), st.sampled_from(sorted(FLOORS.values()))),
        max_size=60,
    )
)
def test_no_more_is_booked_than_there_was_and_what_refilled(asked):
    budget, now, booked = Budget(capacity=200, per_minute=60), 0.0, 0
    for weight, pause, floor in asked:
        now += pause
        if not budget.take(weight, now, floor=floor * 200):
            booked += weight
        assert booked <= 200 + now + 1e-6


@given(st.integers(1, 200), st.sampled_from(sorted(FLOORS.values())))
def test_who_waits_as_long_as_told_gets_in(weight, floor):
    budget = Budget(capacity=200, per_minute=60)
    budget.exhaust(0.0)
    wait = budget.take(weight, 0.0, floor=floor * 200)
    assert wait > 0
    assert budget.take(weight, wait + 1e-6, floor=floor * 200) == 0


# --- the factory ---------------------------------------------------------------------------------
async def test_feed_and_trader_of_one_host_ask_from_one_budget(settings):
    settings.EGRESS = secrets.token_hex(8)
    settings.SIMULATOR_LIMITS = "documented"
    feed, trader = venue_feed("simulator"), trader_for("simulator")
    assert isinstance(feed._gate, SharedGate)
    assert await trader._gate.take(1100, "urgent") == 0
    assert await feed._gate.take(1, "urgent") > 0
    await feed.close()
    await trader.close()


# --- twenty busy wallets behind one address ------------------------------------------------------
class Watched(SharedGate):
    """Counts, by lane, who was let in and how often somebody was told to wait."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.entered, self.delayed = dict.fromkeys(FLOORS, 0), dict.fromkeys(FLOORS, 0)

    async def take(self, weight, lane):
        wait = await super().take(weight, lane)
        (self.delayed if wait else self.entered)[lane] += 1
        return wait


async def until(true):
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_cancels_and_exits_of_twenty_busy_wallets_never_wait_and_nobody_is_sent_away(settings):
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0, limits=DOCUMENTED))
    await simulator.start()
    gate = Watched("busy", secrets.token_hex(8), settings.REDIS_URL)
    trader = HyperliquidTrader("busy", f"http://127.0.0.1:{simulator.port}", network="testnet", gate=gate)
    desks = [Desk(simulator, trader) for _ in range(20)]
    firsts = [desk.order(0.9) for desk in desks]
    for desk, first in zip(desks, firsts, strict=True):
        await desk.place(first)
        await desk.place(desk.order(1.05, kind="market", tif="ioc"))

    busy = [asyncio.create_task(trader.fills(desk.address, 0)) for desk in desks for _ in range(3)]
    await until(lambda: gate.delayed["queries"])
    busy += [asyncio.create_task(desk.place(desk.order(0.8))) for desk in desks for _ in range(25)]
    await until(lambda: gate.delayed["orders"])

    for desk, first in zip(desks, firsts, strict=True):
        cancels = [CancelSpec("BTC", client_id=first.client_id)]
        await trader.cancel(cancels, **desk.send_cancel)
        await desk.place(desk.order(0.95, side="sell", kind="market", tif="ioc", reduce_only=True))
    waiting = sum(not task.done() for task in busy)
    for task in busy:
        task.cancel()
    ended = await asyncio.gather(*busy, return_exceptions=True)
    await trader.close()
    await simulator.stop()
    assert waiting > 0
    assert gate.delayed["urgent"] == 0
    assert gate.entered["urgent"] == 40
    assert not [problem for problem in ended if isinstance(problem, Exception)]
    labels = {"venue": "busy", "outcome": "429"}
    assert REGISTRY.get_sample_value("cryptotrade_venue_requests_total", labels) is None
    for desk in desks:
        assert simulator.house.exchange.accounts[desk.address].positions["BTC"].lots == 0


# --- the actions of an account -------------------------------------------------------------------
def test_an_account_is_asked_about_every_five_minutes_and_after_a_refusal():
    allowance = Allowance()
    assert allowance.is_due(0.0)
    assert not allowance.is_due(299.0)
    assert allowance.is_due(300.0)
    allowance.is_gone(300.5)
    assert allowance.is_due(301.0)


@pytest.mark.parametrize(
    ("used", "spacing"), [(0, 0.0), (9_000, 0.0), (9_001, 1.0), (9_999, 1.0), (10_000, 10.0), (12_000, 10.0)]
)
def test_orders_are_slowed_as_the_last_tenth_is_used(used, spacing):
    allowance = Allowance()
    allowance.told(used, 10_000)
    assert [allowance.turn(5.0, 60) for _ in range(3)] == [0.0, spacing, 2 * spacing]


def test_what_is_sent_counts_before_the_venue_is_asked_again():
    allowance = Allowance()
    allowance.told(8_990, 10_000)
    allowance.spent(20)
    allowance.turn(0.0, 60)
    assert allowance.turn(0.0, 60) == 1.0


def test_nobody_is_slowed_for_what_nobody_knows():
    allowance = Allowance()
    allowance.spent(20_000)
    assert [allowance.turn(0.0, 60) for _ in range(3)] == [0.0, 0.0, 0.0]
    allowance.is_gone(0.0)
    assert [allowance.turn(0.0, 60) for _ in range(2)] == [10.0, 20.0]


def test_who_cannot_wait_for_a_turn_takes_none():
    allowance = Allowance()
    allowance.told(10_000, 10_000)
    assert allowance.turn(0.0, 5) == 0.0
    assert [allowance.turn(0.0, 5) for _ in range(3)] == [None, None, None]
    assert allowance.turn(6.0, 5) == 4.0


async def test_orders_are_slowed_by_what_the_venue_says_of_the_master_and_exits_are_not():
    rules = Rules(address_requests=True)
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0, rules=rules))
    await simulator.start()
    trader = HyperliquidTrader("simulator", f"http://127.0.0.1:{simulator.port}", network="testnet")
    desk, agent = Desk(simulator, trader), Key()
    desk.approve(agent.address, "bot")
    desk.signer = agent
    account = simulator.house.exchange.accounts[desk.address]
    account.requests, account.last_request = 10_001, 0
    await desk.place(desk.order(0.9))  # one in ten seconds passes
    with pytest.raises(VenueRefused, match="Too many cumulative requests"):
        await desk.place(desk.order(0.9))
    await until(lambda: trader._allowances._of[agent.address].cap == 10_000)
    with pytest.raises(VenueUnavailable, match="hardly any requests left"):
        await desk.place(desk.order(0.9))
    [standing] = await trader.orders_open(desk.address)
    cancels = [CancelSpec("BTC", venue_id=standing.venue_id)]
    assert await trader.cancel(cancels, **desk.send_cancel) == [Accepted(resting=False)]
    await trader.close()
    await simulator.stop()
