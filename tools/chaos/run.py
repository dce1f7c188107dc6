"""Chaos run: from an empty folder to the report."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from market.models import Instrument
from tools.chaos.clients import ChaosUser, RequestCounts, TraderScript, trader_create
from tools.chaos.fault_injector import FaultInjector, FaultObserver
from tools.chaos.plan import Rates, client_actions
from tools.chaos.report import Report
from tools.chaos.simulator_client import SimulatorClient
from tools.chaos.stack import ChaosStack
from tools.chaos.verification import Verdict, compare_account, local_account_read
from wallets.models import Order, Wallet

logger = logging.getLogger(__name__)

READY_WITHIN, ACTIVE_WITHIN, QUIET_WITHIN = 180.0, 90.0, 150.0
POLL_INTERVAL = 0.5
TIMEOUT_SECONDS = 60
Result = TypeVar("Result")


class ChaosError(Exception):
    """The run could not be carried out, so it has no result."""


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """Options of a run. Faults are injected for at least `seconds` and at least `kills` times."""

    seed: int
    orders: int
    wallets: int
    seconds: float
    kills: int
    usdc: int
    rates: Rates


class ChaosScenario(FaultObserver, Protocol):
    """Additional scenario of a run (the bots), with its own verification and report section."""

    async def begin(self, traders: list[ChaosUser]) -> None:
        """Prepare, before any fault is injected."""

    async def act(self) -> None:
        """Act while faults are injected; ends earlier than the faults, or is cancelled with them."""

    async def settle(self) -> None:
        """Finish, after the last fault."""

    def lines(self) -> Iterator[str]:
        """Lines of the report, after the stack has stopped."""

    @property
    def is_clean(self) -> bool: ...


@dataclass
class Participants:
    """Participants of a run: users, their request counts, and the additional scenario."""

    traders: list[ChaosUser]
    counts: list[RequestCounts]
    scenario: ChaosScenario | None


async def chaos(
    options: ChaosOptions,
    stack: ChaosStack,
    say: Callable[[str], None],
    scenario: ChaosScenario | None = None,
) -> Report:
    """Carry out a run. Raises `ChaosError` when the stack does not start."""
    venue = SimulatorClient(f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}", settings.SIMULATOR_URL)
    loop = asyncio.get_running_loop()
    began = loop.time()
    say("starting the stack")
    stack.start()
    await wait_until(stack.is_ready, READY_WITHIN, "the stack is not ready; see up.out")
    traders = [
        await with_retries(partial(trader_create, n, options.seed, options.usdc))
        for n in range(options.wallets)
    ]
    await wait_until(lambda: _are_active(traders), ACTIVE_WITHIN, "the wallets are not active")
    participants = Participants(traders, [RequestCounts() for _ in traders], scenario)
    if scenario:
        await scenario.begin(traders)
    say(f"{options.orders} orders of {options.wallets} wallets, with injected faults")
    injector = await _run_with_faults(options, stack, venue, participants)
    say("all requests sent; waiting until all state is consistent")
    if scenario:
        await scenario.settle()
    verdicts = await _verify_when_quiet(venue, traders, participants.counts)
    statuses = await with_retries(_statuses)
    faults = injector.faults + injector.outages
    return Report(
        options.seed, loop.time() - began, participants.counts, faults, statuses, verdicts, scenario
    )


async def _run_with_faults(
    options: ChaosOptions, stack: ChaosStack, venue: SimulatorClient, participants: Participants
) -> FaultInjector:
    injector = FaultInjector(stack, venue, options.seed, options.rates, options.kills, participants.scenario)
    await venue.faults_begin(options.rates.fault_scale)
    injecting = asyncio.create_task(injector.run())
    acting = asyncio.create_task(participants.scenario.act()) if participants.scenario else None
    share, more = divmod(options.orders, len(participants.traders))
    scripts = [
        TraderScript(trader, stack.url, venue, trader_counts).run(
            client_actions(options.seed, number, share + (number < more), options.rates)
        )
        for number, (trader, trader_counts) in enumerate(
            zip(participants.traders, participants.counts, strict=True)
        )
    ]
    await asyncio.gather(asyncio.sleep(options.seconds), *scripts)
    if options.kills:
        await injector.finished.wait()
    tasks = [task for task in (injecting, acting) if task]
    for task in tasks:
        task.cancel()
    for problem in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(problem, Exception):
            raise problem
    await venue.faults_end()
    return injector


def _are_active(traders: list[ChaosUser]) -> bool:
    wallets = Wallet.objects.filter(pk__in=[trader.wallet for trader in traders])
    opened = wallets.filter(status=Wallet.Status.ACTIVE, ledger_opened_at__isnull=False)
    return opened.count() == len(traders) and Instrument.objects.filter(venue="hyperliquid-sim").exists()


async def _verify_when_quiet(
    venue: SimulatorClient, traders: list[ChaosUser], counts: list[RequestCounts]
) -> dict[str, Verdict]:
    """The verdicts once all are clean, or the last ones after `QUIET_WITHIN` seconds."""
    deadline = asyncio.get_running_loop().time() + QUIET_WITHIN
    while True:
        verdicts = {}
        for trader, trader_counts in zip(traders, counts, strict=True):
            verdicts[trader.address] = await _verdict(venue, trader, trader_counts)
        if not any(verdict.wrong for verdict in verdicts.values()):
            return verdicts
        if asyncio.get_running_loop().time() > deadline:
            return verdicts
        await asyncio.sleep(POLL_INTERVAL * 4)


async def _verdict(venue: SimulatorClient, trader: ChaosUser, counts: RequestCounts) -> Verdict:
    """Verdict of one wallet. The venue is read before and after the local state; a change in between is retried."""
    for _ in range(5):
        before = await venue.account(trader.address)
        local = await with_retries(partial(local_account_read, trader.wallet))
        if before == await venue.account(trader.address):
            return compare_account(local, before, counts.orders)
    return Verdict(unexplained=["the account keeps changing"])


async def wait_until(condition: Callable[[], bool], seconds: float, problem: str) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await with_retries(condition):
        if asyncio.get_running_loop().time() > deadline:
            raise ChaosError(f"{problem} ({seconds:g} s)")
        await asyncio.sleep(POLL_INTERVAL)


async def with_retries(read: Callable[[], Result]) -> Result:
    """Retry a database read: PostgreSQL may have been killed by the run and not be available yet."""
    for _ in range(TIMEOUT_SECONDS):
        try:
            result: Result = await database_sync_to_async(read)()
            return result
        except (DatabaseError, InterfaceError):
            await asyncio.sleep(POLL_INTERVAL)
    raise ChaosError("the database did not become available again")


def _statuses() -> Counter[str]:
    return Counter(Order.objects.values_list("status", flat=True))
