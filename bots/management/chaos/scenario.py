"""The bots of one run, from their making to their lines on the sheet."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from bots.management.chaos.failovers import BOUND, Takeovers
from bots.management.chaos.owners import Owner
from bots.management.chaos.plan import bot_acts, plans
from bots.management.chaos.verification import (
    BotVerdict,
    Told,
    bots_seen,
    levels_doubled,
    reckon_bots,
    replay_all,
    told,
)
from wallets.management.chaos.clients import Person
from wallets.management.chaos.run import patiently
from wallets.management.chaos.simulator_client import Venue

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
LEVELS_EVERY = 4  # looks
AWAY_AFTER = 2.0  # s; a look that takes longer had to wait for the database
DRIVEN_WITHIN, QUIET_WITHIN = 60.0, 120.0
SHOWN = 12


class Bots:
    """Implements `wallets.management.chaos.run.Part`, and is the witness of what breaks."""

    def __init__(self, seed: int, count: int, url: str, say: Callable[[str], None]) -> None:
        self._seed, self._count, self._url, self._say = seed, count, url, say
        self._venue = Venue(f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}", settings.SIMULATOR_URL)
        self._owners: list[Owner] = []
        self._wallets: list[UUID] = []
        self._takeovers = Takeovers()
        self._levels: Counter[str] = Counter()
        self._verdict = BotVerdict(problems=["nothing was judged"])
        self._told = Told(0, 0, 0, 0)

    # --- the witness ---------------------------------------------------------------------------------
    def stopped(self, pid: int) -> None:
        self._takeovers.stopped(pid, time.time())  # the database has the same machine's clock

    def went_on(self, pid: int) -> None:
        self._takeovers.went_on(pid)

    # --- the part --------------------------------------------------------------------------------------
    @property
    def bots(self) -> list[UUID]:
        return [bot for owner in self._owners for bot in owner.bots]

    async def begin(self, people: list[Person]) -> None:
        self._wallets = [person.wallet for person in people]
        self._owners = [Owner(person, self._url) for person in people]
        wanted, mids = plans(self._seed, self._count, len(people)), await self._venue.mids()
        await asyncio.gather(
            *(
                owner.make([plan for plan in wanted if plan.owner == number], mids)
                for number, owner in enumerate(self._owners)
            )
        )
        self._say(f"{len(self.bots)} bots, some of them stopped, started and changed meanwhile")

    async def act(self) -> None:
        """For ever."""
        mids = await self._venue.mids()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for number, owner in enumerate(self._owners):
                tasks.create_task(owner.act(bot_acts(self._seed, number), mids))

    async def settle(self) -> None:
        """Start whatever does not run, so that all is heard; see every bot driven; stop all; judge."""
        watching = asyncio.create_task(self._watch())
        await asyncio.gather(*(owner.start_all() for owner in self._owners))
        unowned = await self._until_driven()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.gather(*(owner.stop_all() for owner in self._owners))
        self._verdict = await self._reckon_when_quiet()
        self._verdict.unowned = unowned
        self._verdict.problems += [line for owner in self._owners for line in owner.problems]
        self._verdict.levels += self._lasting()
        self._told = await patiently(partial(told, self.bots))
        self._say(f"replaying {self._told.decisions} decisions")
        self._verdict.replay = await patiently(lambda: list(replay_all(self.bots)))

    # --- watching --------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        """For ever."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            began = time.time()
            try:
                now, seen = await database_sync_to_async(bots_seen)(self.bots)
                doubled = []
                if looks % LEVELS_EVERY == 0:
                    doubled = await database_sync_to_async(levels_doubled)(self.bots)
            except (DatabaseError, InterfaceError):
                self._takeovers.back(time.time())
                continue
            if time.time() - began > AWAY_AFTER:
                self._takeovers.back(time.time())
            self._takeovers.look(now, seen)
            self._levels.update(doubled)

    def _lasting(self) -> list[str]:
        return [f"{line}, in {count} looks" for line, count in self._levels.items()]

    async def _until_driven(self) -> list[str]:
        """Bots that nobody drives although they should run."""
        deadline = asyncio.get_running_loop().time() + DRIVEN_WITHIN
        while True:
            now, seen = await patiently(lambda: bots_seen(self.bots))
            left = [f"{one.bot} is not driven" for one in seen if not one.pid or now - one.beaten > BOUND]
            left += [f"{bot} does not run" for bot in set(self.bots) - {one.bot for one in seen}]
            if not left or asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(LOOK_EVERY)

    async def _reckon_when_quiet(self) -> BotVerdict:
        deadline = asyncio.get_running_loop().time() + QUIET_WITHIN
        while True:
            verdict = await patiently(partial(reckon_bots, self.bots, self._wallets))
            unsettled = verdict.active or verdict.standing or verdict.shares or verdict.snapshots
            if not unsettled or asyncio.get_running_loop().time() > deadline:
                return verdict
            await asyncio.sleep(LOOK_EVERY * 4)

    # --- the sheet -------------------------------------------------------------------------------------
    @property
    def is_clean(self) -> bool:
        return not (self._verdict.wrong or self._takeovers.late or self._unanswered)

    @property
    def _unanswered(self) -> int:
        return sum(owner.asked.unanswered for owner in self._owners)

    def lines(self) -> Iterator[str]:
        did = sum((owner.did for owner in self._owners), Counter[str]())
        took, late = self._takeovers.took, self._takeovers.late
        yield f"bots            {len(self.bots)}; {', '.join(f'{verb} {n}' for verb, n in sorted(did.items()))}"
        yield f"                {self._unanswered} never answered"
        yield (
            f"decided         {self._told.decisions} times in {self._told.runs} runs: "
            f"{self._told.orders} orders, {self._told.fills} fills"
        )
        slowest = max((wait.seconds for wait in took), default=0.0)
        yield f"taken over      {len(took)} times, slowest {slowest:.1f} s"
        yield f"late            {len(late)}"
        yield from (f"  {wait}" for wait in late[:SHOWN])
        for field in fields(BotVerdict):
            found = getattr(self._verdict, field.name)
            yield f"{field.name:<16}{len(found)}"
            yield from (f"  {line}" for line in found[:SHOWN])
