"""Rate limiter shared by all processes of a host, its priority lanes, and action quotas."""

import asyncio
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.orders import Accepted, CancelSpec
from market.venues import trader_for, venue_feed
from market.venues.hyperliquid.action_quotas import ActionQuota
from market.venues.hyperliquid.trader import HyperliquidTrader
from market.venues.rate_limiter import (
    FLOORS,
    STANDALONE_SHARE,
    LocalRateLimiter,
    RedisRateLimiter,
    TokenBucket,
)
from simulator.hyperliquid.exchange.fees import Rules
from simulator.hyperliquid.limits import DOCUMENTED
from simulator.hyperliquid.server import Config, Simulator, wall_clock
from tests.market.test_trader import AccountClient, Key
from tests.simulator.conftest import small_world

UNREACHABLE_REDIS = "redis://127.0.0.1:1/0"
SLOW = 60  # weight a minute: what refills within a test is less than one


@pytest.fixture
async def limiter_of(settings):
    """Rate limiters of one host, or of the given host."""
    venue, opened = secrets.token_hex(8), []

    def make(egress="here", url=settings.REDIS_URL, per_minute=SLOW, **options):
        opened.append(RedisRateLimiter(venue, egress, url, per_minute=per_minute, **options))
        return opened[-1]

    yield make
    for limiter in opened:
        await limiter.close()


async def units_granted(limiter, lane):
    """Number of single units that the lane gets before it has to wait."""
    count = 0
    while count <= 2 * SLOW and not await limiter.try_acquire(1, lane):
        count += 1
    return count


@pytest.mark.parametrize("make", ["shared", "local"])
async def test_each_lane_leaves_its_share_to_the_lanes_before_it(limiter_of, make):
    limiter = limiter_of() if make == "shared" else LocalRateLimiter(per_minute=SLOW)
    got = {lane: await units_granted(limiter, lane) for lane in ("feed", "queries", "orders", "urgent")}
    # What refills meanwhile may be one more.
    for lane, share in (("feed", 30), ("queries", 9), ("orders", 15), ("urgent", 6)):
        assert share <= got[lane] <= share + 1, got
    for lane in FLOORS:
        assert await limiter.try_acquire(1, lane) > 0


async def test_processes_share_one_budget(limiter_of):
    assert await units_granted(limiter_of(), "urgent") >= SLOW
    other = limiter_of()
    assert await other.try_acquire(1, "urgent") > 0
    assert await limiter_of("elsewhere").try_acquire(1, "urgent") == 0


async def test_a_delayed_request_is_not_charged(limiter_of):
    limiter = limiter_of()
    assert await limiter.try_acquire(50, "urgent") == 0
    waits = [await limiter.try_acquire(50, "urgent") for _ in range(5)]
    assert all(39 < wait <= 40 for wait in waits)
    assert await limiter.try_acquire(9, "urgent") == 0


async def test_http_429_empties_the_budget_of_all_processes(limiter_of):
    await limiter_of().exhausted()
    assert 0 < await limiter_of().try_acquire(1, "urgent") <= 1
    assert await limiter_of().try_acquire(1, "feed") > 30


@pytest.mark.parametrize("make", ["shared", "local", "alone"])
async def test_later_requests_wait_for_charged_response_weight(limiter_of, make):
    made = {
        "shared": limiter_of,
        "local": lambda: LocalRateLimiter(per_minute=SLOW),
        "alone": lambda: limiter_of(url=UNREACHABLE_REDIS),
    }
    limiter = made[make]()
    await limiter.charge(2 * SLOW)
    assert await limiter.try_acquire(1, "urgent") > SLOW / 2


async def test_a_burst_may_be_smaller_than_what_refills_in_a_minute(limiter_of):
    limiter = limiter_of(per_minute=60_000, burst=100)
    assert await limiter.try_acquire(100, "urgent") == 0
    await limiter.exhausted()
    assert 0 < await limiter.try_acquire(50, "feed") <= 0.1


async def test_a_weight_above_the_capacity_needs_a_full_budget(limiter_of):
    limiter = limiter_of()
    assert await limiter.try_acquire(SLOW * 3, "feed") == 0
    assert await limiter.try_acquire(1, "urgent") > 100


async def test_without_redis_a_process_uses_its_fixed_share(limiter_of):
    limiter = limiter_of(url=UNREACHABLE_REDIS)
    assert SLOW * STANDALONE_SHARE <= await units_granted(limiter, "urgent") <= SLOW * STANDALONE_SHARE + 1
    await limiter.exhausted()
    assert await limiter.try_acquire(1, "urgent") > 0


async def test_a_budget_is_shared_again_when_redis_is_back(limiter_of, settings, monkeypatch):
    monkeypatch.setattr("market.venues.rate_limiter.REDIS_RETRY_SECONDS", 0.0)
    limiter = limiter_of(url=UNREACHABLE_REDIS)
    await units_granted(limiter, "urgent")
    await limiter.close()
    limiter._url = settings.REDIS_URL
    assert await units_granted(limiter, "urgent") >= SLOW


async def test_a_lane_is_served_in_order():
    limiter, served = LocalRateLimiter(per_minute=6000), []
    await limiter.try_acquire(6000, "urgent")

    async def one(number, weight):
        await limiter.acquire(weight, "urgent")
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
def test_no_more_is_charged_than_capacity_plus_refill(requests):
    bucket, now, charged = TokenBucket(capacity=200, per_minute=60), 0.0, 0
    for weight, pause, floor in requests:
        now += pause
        if not bucket.try_acquire(weight, now, floor=floor * 200):
            charged += weight
        assert charged <= 200 + now + 1e-6


@given(st.integers(1, 200), st.sampled_from(sorted(FLOORS.values())))
def test_a_request_succeeds_after_the_returned_wait(weight, floor):
    bucket = TokenBucket(capacity=200, per_minute=60)
    bucket.drain(0.0)
    wait = bucket.try_acquire(weight, 0.0, floor=floor * 200)
    assert wait > 0
    assert bucket.try_acquire(weight, wait + 1e-6, floor=floor * 200) == 0


# --- the factory ---------------------------------------------------------------------------------
async def test_feed_and_trader_of_one_host_share_one_budget(settings):
    settings.EGRESS_ID = secrets.token_hex(8)
    settings.SIMULATOR_LIMITS = "documented"
    feed, trader = venue_feed("hyperliquid-sim"), trader_for("hyperliquid-sim")
    assert isinstance(feed._rate_limiter, RedisRateLimiter)
    assert await trader._rate_limiter.try_acquire(1100, "urgent") == 0
    assert await feed._rate_limiter.try_acquire(1, "urgent") > 0
    await feed.close()
    await trader.close()


# --- twenty busy wallets behind one address ------------------------------------------------------
class CountingRateLimiter(RedisRateLimiter):
    """Counts granted and delayed requests by lane."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.granted, self.delayed = dict.fromkeys(FLOORS, 0), dict.fromkeys(FLOORS, 0)

    async def try_acquire(self, weight, lane):
        wait = await super().try_acquire(weight, lane)
        (self.delayed if wait else self.granted)[lane] += 1
        return wait


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_cancels_and_exits_of_twenty_busy_wallets_never_wait_and_no_request_is_rejected(settings):
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0, limits=DOCUMENTED))
    await simulator.start()
    limiter = CountingRateLimiter("busy", secrets.token_hex(8), settings.REDIS_URL)
    trader = HyperliquidTrader(
        "busy", f"http://127.0.0.1:{simulator.port}", network="testnet", rate_limiter=limiter
    )
    clients = [AccountClient(simulator, trader) for _ in range(20)]
    resting_orders = [client.order(0.9) for client in clients]
    for client, first in zip(clients, resting_orders, strict=True):
        await client.place(first)
        await client.place(client.order(1.05, kind="market", tif="ioc"))

    background = [
        asyncio.create_task(trader.fills(client.address, 0)) for client in clients for _ in range(3)
    ]
    await until(lambda: limiter.delayed["queries"])
    background += [
        asyncio.create_task(client.place(client.order(0.8))) for client in clients for _ in range(25)
    ]
    await until(lambda: limiter.delayed["orders"])

    for client, first in zip(clients, resting_orders, strict=True):
        cancels = [CancelSpec("BTC", client_id=first.client_id)]
        await trader.cancel(cancels, **client.send_cancel)
        await client.place(client.order(0.95, side="sell", kind="market", tif="ioc", reduce_only=True))
    waiting = sum(not task.done() for task in background)
    for task in background:
        task.cancel()
    ended = await asyncio.gather(*background, return_exceptions=True)
    await trader.close()
    await simulator.stop()
    assert waiting > 0
    assert limiter.delayed["urgent"] == 0
    assert limiter.granted["urgent"] == 40
    assert not [problem for problem in ended if isinstance(problem, Exception)]
    labels = {"venue": "busy", "outcome": "429"}
    assert REGISTRY.get_sample_value("cryptotrade_venue_requests_total", labels) is None
    for client in clients:
        assert simulator.account_engine.exchange.accounts[client.address].positions["BTC"].lots == 0


# --- the actions of an account -------------------------------------------------------------------
def test_a_quota_is_refreshed_every_five_minutes_and_after_a_rejection():
    quota = ActionQuota()
    assert quota.is_due(0.0)
    assert not quota.is_due(299.0)
    assert quota.is_due(300.0)
    quota.mark_exhausted(300.5)
    assert quota.is_due(301.0)


@pytest.mark.parametrize(
    ("used", "spacing"), [(0, 0.0), (9_000, 0.0), (9_001, 1.0), (9_999, 1.0), (10_000, 10.0), (12_000, 10.0)]
)
def test_orders_are_delayed_in_the_last_tenth_of_the_quota(used, spacing):
    quota = ActionQuota()
    quota.update(used, 10_000)
    assert [quota.wait_seconds(5.0, 60) for _ in range(3)] == [0.0, spacing, 2 * spacing]


def test_sent_orders_count_before_the_next_refresh():
    quota = ActionQuota()
    quota.update(8_990, 10_000)
    quota.record_orders(20)
    quota.wait_seconds(0.0, 60)
    assert quota.wait_seconds(0.0, 60) == 1.0


def test_orders_are_not_delayed_while_the_quota_is_unknown():
    quota = ActionQuota()
    quota.record_orders(20_000)
    assert [quota.wait_seconds(0.0, 60) for _ in range(3)] == [0.0, 0.0, 0.0]
    quota.mark_exhausted(0.0)
    assert [quota.wait_seconds(0.0, 60) for _ in range(2)] == [10.0, 20.0]


def test_an_order_that_cannot_wait_reserves_no_slot():
    quota = ActionQuota()
    quota.update(10_000, 10_000)
    assert quota.wait_seconds(0.0, 5) == 0.0
    assert [quota.wait_seconds(0.0, 5) for _ in range(3)] == [None, None, None]
    assert quota.wait_seconds(6.0, 5) == 4.0


async def test_orders_are_delayed_by_the_quota_of_the_master_and_exits_are_not():
    rules = Rules(address_requests=True)
    simulator = Simulator(small_world(now=wall_clock()), Config(port=0, control_port=0, rules=rules))
    await simulator.start()
    trader = HyperliquidTrader("hyperliquid-sim", f"http://127.0.0.1:{simulator.port}", network="testnet")
    client, agent = AccountClient(simulator, trader), Key()
    client.approve(agent.key_id, "bot")
    client.signer = agent
    account = simulator.account_engine.exchange.accounts[client.address]
    account.requests, account.last_request = 10_001, 0
    await client.place(client.order(0.9))  # one in ten seconds passes
    with pytest.raises(VenueRejected, match="Too many cumulative requests"):
        await client.place(client.order(0.9))
    await until(lambda: trader._quotas._quotas[agent.key_id].cap == 10_000)
    with pytest.raises(VenueUnavailable, match="almost used up"):
        await client.place(client.order(0.9))
    [open_order] = await trader.orders_open(client.address)
    cancels = [CancelSpec("BTC", venue_id=open_order.venue_id)]
    assert await trader.cancel(cancels, **client.send_cancel) == [Accepted(resting=False)]
    await trader.close()
    await simulator.stop()
