"""Two execution workers, one wallet, the real simulator: one is suspended past its lease and resumes."""

import asyncio
import json
import signal
import sys
import urllib.request
from decimal import Decimal
from uuid import uuid4

import pytest
import redis
from channels.db import database_sync_to_async
from django.conf import settings as django_settings
from django.db import connection

from core.threads import in_thread
from tests.core.test_run_worker import ROOT, environment, eventually
from tests.market import factories as market
from tests.simulator.conftest import Running, small_world, wall_clock
from tests.simulator.control import control_request
from tests.wallets import factories as worlds
from wallets import services
from wallets.domain.requests import OrderRequest
from wallets.domain.status import LIVE, OrderStatus
from wallets.models import Fill, Order, Wallet
from wallets.services.keys import sealing_key_create

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ASLEEP = 16.0  # s; a lease lasts 12


@pytest.fixture(autouse=True)
async def _hang_up(transactional_db):
    """Django's async queries leave their thread's connection open; the test database could not be dropped."""
    yield
    await database_sync_to_async(lambda: connection.close())()


@pytest.fixture
def simulator(settings):
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
    with Running(small_world(now=wall_clock())) as running:
        settings.SIMULATOR_URL = running.url
        settings.SIMULATOR_CONTROL_PORT = running.simulator.control_port
        settings.VENUES = ["hyperliquid-sim"]
        yield running


@pytest.fixture
def wallet(transactional_db, alice, simulator, tmp_path):
    """alice's wallet with simulated money, sealed for the key in this folder."""
    sealing_key_create(folder=tmp_path / "execution")
    venue = market.venue_make()
    market.instrument_make(venue, "BTC", 5)
    return services.simulated_account_open(user=alice, client_id=uuid4())


@pytest.fixture
async def process(wallet, simulator, tmp_path):
    """Start `run_worker wallets-execution` processes; `output` of each is in a file."""
    started = []

    async def start():
        path = tmp_path / f"worker-{len(started)}.log"
        with path.open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "manage.py", "run_worker", "wallets-execution", cwd=ROOT, stdout=log, stderr=log,
                env=environment(simulator) | {"SEALING_KEY_DIR": str(tmp_path / "execution")},
            )  # fmt: skip
        child.output = path.read_text
        started.append(child)
        return child

    yield start
    for child in started:
        if child.returncode is None:
            child.kill()
        await child.wait()


def post(url, body):
    with urllib.request.urlopen(control_request(url, json.dumps(body).encode())) as answer:
        return json.load(answer)


def buy(wallet):
    """A market order of about 50 USDC."""
    request = OrderRequest(uuid4(), "hyperliquid-sim", "BTC", "buy", "market", Decimal("0.0005"))
    return services.order_place(user=wallet.user, wallet_id=wallet.pk, request=request, origin="api")


async def owner_pid():
    found = await Wallet.objects.select_related("owner").filter(owner__isnull=False).afirst()
    return found.owner.pid if found else None


async def is_open_for_business():
    return await Wallet.objects.filter(
        status="active", ledger_opened_at__isnull=False, owner__isnull=False
    ).aexists()


async def decided():
    return not await Order.objects.filter(status__in=LIVE).aexists()


def placed_at_venue(simulator, wallet):
    """How many orders the venue took, by our client id."""
    taken = {}
    for row in post(f"{simulator.url}/info", {"type": "historicalOrders", "user": wallet.address}):
        if not row["status"].endswith("Rejected"):
            taken.setdefault(row["order"]["cloid"], set()).add(row["order"]["oid"])
    return taken


@pytest.mark.proof
async def test_a_worker_that_slept_past_its_lease_sends_and_writes_nothing_more(process, wallet, simulator):
    sleeper = await process()
    await eventually(is_open_for_business, within=60)
    assert await owner_pid() == sleeper.pid
    standby = await process()
    mids = await asyncio.to_thread(post, f"{simulator.url}/info", {"type": "allMids"})
    await asyncio.to_thread(worlds.prices, {"BTC": mids["BTC"]})
    simulator_control = f"{simulator.control_url}/faults"
    await asyncio.to_thread(post, simulator_control, {"kind": "delay", "ms": 400, "seconds": 60})
    orders = [await in_thread(buy, wallet) for _ in range(3)]

    async def one_is_on_its_way():
        return await Order.objects.filter(status=OrderStatus.SUBMITTING).aexists()

    await eventually(one_is_on_its_way, within=60)
    sleeper.send_signal(signal.SIGSTOP)
    orders += [await in_thread(buy, wallet) for _ in range(2)]

    async def taken_over():
        return await owner_pid() == standby.pid

    await eventually(taken_over, within=ASLEEP)
    await eventually(decided, within=60)
    before = [row async for row in Order.objects.order_by("pk").values()]
    sleeper.send_signal(signal.SIGCONT)

    async def it_noticed():
        return '"wallet released"' in sleeper.output() or '"wallet lost"' in sleeper.output()

    await eventually(it_noticed, within=60)
    assert [row async for row in Order.objects.order_by("pk").values()] == before
    assert {order.pk for order in orders} == {row["id"] for row in before}
    assert {row["status"] for row in before} == {"filled"}
    taken = await asyncio.to_thread(placed_at_venue, simulator, wallet)
    assert sorted(map(len, taken.values())) == [1] * 5
    assert await Fill.objects.values("order").distinct().acount() == 5
    assert await owner_pid() == standby.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_process_within_ten_seconds(process, wallet, number):
    child = await process()
    await eventually(is_open_for_business, within=60)
    child.send_signal(number)
    assert await asyncio.wait_for(child.wait(), 10) == 0
    assert await owner_pid() is None
