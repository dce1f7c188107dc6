"""One run from an empty folder to its sheet."""

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
from wallets.management.chaos.clients import Asked, Person, Program, person_make
from wallets.management.chaos.fault_injector import Breaker, Witness
from wallets.management.chaos.plan import Rates, acts
from wallets.management.chaos.report import Sheet
from wallets.management.chaos.simulator_client import Venue
from wallets.management.chaos.stack import ChaosHouse
from wallets.management.chaos.verification import Verdict, ours_read, reckon
from wallets.models import Order, Wallet

logger = logging.getLogger(__name__)

READY_WITHIN, ACTIVE_WITHIN, QUIET_WITHIN = 180.0, 90.0, 150.0
LOOK_EVERY = 0.5
PATIENCE = 60
Result = TypeVar("Result")


class ChaosError(Exception):
    """The run could not be made; it says nothing about the house."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for. Breaking goes on for `seconds` and `kills` breaks at least."""

    seed: int
    orders: int
    wallets: int
    seconds: float
    kills: int
    usdc: int
    rates: Rates


class Part(Witness, Protocol):
    """What takes part beside the people who place orders, and is judged with them."""

    async def begin(self, people: list[Person]) -> None:
        """Before anything breaks."""

    async def act(self) -> None:
        """While everything breaks; ends before the breaking does, or is cancelled with it."""

    async def settle(self) -> None:
        """Nothing breaks any more: end what is to be ended."""

    def lines(self) -> Iterator[str]:
        """For the sheet, once the house is down."""

    @property
    def is_clean(self) -> bool: ...


@dataclass
class Company:
    """Everybody of one run: the people, what each asked, and what else takes part."""

    people: list[Person]
    asked: list[Asked]
    part: Part | None


async def chaos(
    wanted: Wanted, house: ChaosHouse, say: Callable[[str], None], part: Part | None = None
) -> Sheet:
    """Raises `ChaosError` when the house does not come up."""
    venue = Venue(f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}", settings.SIMULATOR_URL)
    loop = asyncio.get_running_loop()
    began = loop.time()
    say("starting a house")
    house.start()
    await until(house.is_ready, READY_WITHIN, "the house is not ready; see up.out")
    people = [
        await patiently(partial(person_make, n, wanted.seed, wanted.usdc)) for n in range(wanted.wallets)
    ]
    await until(lambda: _are_active(people), ACTIVE_WITHIN, "the wallets are not active")
    company = Company(people, [Asked() for _ in people], part)
    if part:
        await part.begin(people)
    say(f"{wanted.orders} orders of {wanted.wallets} wallets, while everything breaks")
    breaker = await _break_meanwhile(wanted, house, venue, company)
    say("all asked; waiting until everything is quiet")
    if part:
        await part.settle()
    verdicts = await _reckon_when_quiet(venue, people, company.asked)
    statuses = await patiently(_statuses)
    broken = breaker.broken + breaker.outages
    return Sheet(wanted.seed, loop.time() - began, company.asked, broken, statuses, verdicts, part)


async def _break_meanwhile(wanted: Wanted, house: ChaosHouse, venue: Venue, company: Company) -> Breaker:
    breaker = Breaker(house, venue, wanted.seed, wanted.rates, wanted.kills, company.part)
    await venue.faults_begin(wanted.rates.faults)
    breaking = asyncio.create_task(breaker.run())
    acting = asyncio.create_task(company.part.act()) if company.part else None
    share, more = divmod(wanted.orders, len(company.people))
    programs = [
        Program(person, house.url, venue, mine).run(
            acts(wanted.seed, number, share + (number < more), wanted.rates)
        )
        for number, (person, mine) in enumerate(zip(company.people, company.asked, strict=True))
    ]
    await asyncio.gather(asyncio.sleep(wanted.seconds), *programs)
    if wanted.kills:
        await breaker.finished.wait()
    tasks = [task for task in (breaking, acting) if task]
    for task in tasks:
        task.cancel()
    for problem in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(problem, Exception):
            raise problem
    await venue.faults_end()
    return breaker


def _are_active(people: list[Person]) -> bool:
    wallets = Wallet.objects.filter(pk__in=[person.wallet for person in people])
    opened = wallets.filter(status=Wallet.Status.ACTIVE, opened_at__isnull=False)
    return opened.count() == len(people) and Instrument.objects.filter(venue="simulator").exists()


async def _reckon_when_quiet(venue: Venue, people: list[Person], asked: list[Asked]) -> dict[str, Verdict]:
    """The verdicts once nothing is wrong, or those that remain when it should have been quiet long ago."""
    deadline = asyncio.get_running_loop().time() + QUIET_WITHIN
    while True:
        verdicts = {}
        for person, mine in zip(people, asked, strict=True):
            verdicts[person.address] = await _verdict(venue, person, mine)
        if not any(verdict.wrong for verdict in verdicts.values()):
            return verdicts
        if asyncio.get_running_loop().time() > deadline:
            return verdicts
        await asyncio.sleep(LOOK_EVERY * 4)


async def _verdict(venue: Venue, person: Person, asked: Asked) -> Verdict:
    """The venue is read on both sides of our books: what moved in between is looked at again."""
    for _ in range(5):
        before = await venue.account(person.address)
        ours = await patiently(partial(ours_read, person.wallet))
        if before == await venue.account(person.address):
            return reckon(ours, before, asked.orders)
    return Verdict(unexplained=["the account does not stand still"])


async def until(condition: Callable[[], bool], seconds: float, problem: str) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await patiently(condition):
        if asyncio.get_running_loop().time() > deadline:
            raise ChaosError(f"{problem} ({seconds:g} s)")
        await asyncio.sleep(LOOK_EVERY)


async def patiently(read: Callable[[], Result]) -> Result:
    """Our own database was killed too, and may not be back yet."""
    for _ in range(PATIENCE):
        try:
            result: Result = await database_sync_to_async(read)()
            return result
        except (DatabaseError, InterfaceError):
            await asyncio.sleep(LOOK_EVERY)
    raise ChaosError("the database does not come back")


def _statuses() -> Counter[str]:
    return Counter(Order.objects.values_list("status", flat=True))
