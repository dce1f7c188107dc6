"""Bot scenario of a chaos run: creates bots, observes failovers, verifies the result, writes report lines."""

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

from tools.chaos.bots.failovers import BOUND, FailoverTracker
from tools.chaos.bots.owners import Owner
from tools.chaos.bots.plan import bot_actions, plans
from tools.chaos.bots.verification import (
    BotVerdict,
    ReplayCounts,
    bot_statuses,
    duplicate_levels,
    replay_all,
    replay_counts,
    verify_bots,
)
from tools.chaos.clients import ChaosUser
from tools.chaos.run import with_retries
from tools.chaos.simulator_client import SimulatorClient

logger = logging.getLogger(__name__)

POLL_INTERVAL = 0.5
LEVELS_POLLS = 4  # polls
OUTAGE_THRESHOLD = 2.0  # s; a poll that takes longer had to wait for the database
DRIVEN_WITHIN, QUIET_WITHIN = 60.0, 120.0
MAX_LISTED = 12


class BotScenario:
    """Implements `tools.chaos.run.ChaosScenario`, including its `FaultObserver`."""

    def __init__(self, seed: int, count: int, url: str, say: Callable[[str], None]) -> None:
        self._seed, self._count, self._url, self._say = seed, count, url, say
        self._venue = SimulatorClient(
            f"http://127.0.0.1:{settings.SIMULATOR_CONTROL_PORT}", settings.SIMULATOR_URL
        )
        self._owners: list[Owner] = []
        self._wallets: list[UUID] = []
        self._tracker = FailoverTracker()
        self._levels: Counter[str] = Counter()
        self._verdict = BotVerdict(problems=["the bots were not verified"])
        self._replay_counts = ReplayCounts(0, 0, 0, 0)

    # --- fault observer ------------------------------------------------------------------------------
    def stopped(self, pid: int) -> None:
        self._tracker.stopped(
            pid, time.time()
        )  # the database runs on the same machine, so it has the same clock

    def resumed(self, pid: int) -> None:
        self._tracker.resumed(pid)

    # --- scenario --------------------------------------------------------------------------------------
    @property
    def bots(self) -> list[UUID]:
        return [bot for owner in self._owners for bot in owner.bots]

    async def begin(self, traders: list[ChaosUser]) -> None:
        self._wallets = [trader.wallet for trader in traders]
        self._owners = [Owner(trader, self._url) for trader in traders]
        bot_plans, mids = plans(self._seed, self._count, len(traders)), await self._venue.mids()
        await asyncio.gather(
            *(
                owner.make([plan for plan in bot_plans if plan.owner == number], mids)
                for number, owner in enumerate(self._owners)
            )
        )
        self._say(f"{len(self.bots)} bots; owners stop, start and change some of them")

    async def act(self) -> None:
        """Run the actions of all owners and observe failovers, until cancelled."""
        mids = await self._venue.mids()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for number, owner in enumerate(self._owners):
                tasks.create_task(owner.act(bot_actions(self._seed, number), mids))

    async def settle(self) -> None:
        """Start every bot once more so that it processes all events, wait until all run, stop all, verify."""
        watch_task = asyncio.create_task(self._watch())
        await asyncio.gather(*(owner.start_all() for owner in self._owners))
        unowned = await self._until_driven()
        watch_task.cancel()
        await asyncio.gather(watch_task, return_exceptions=True)
        await asyncio.gather(*(owner.stop_all() for owner in self._owners))
        self._verdict = await self._verify_when_quiet()
        self._verdict.unowned = unowned
        self._verdict.problems += [line for owner in self._owners for line in owner.problems]
        self._verdict.levels += self._duplicate_lines()
        self._replay_counts = await with_retries(partial(replay_counts, self.bots))
        self._say(f"replaying {self._replay_counts.decisions} decisions")
        self._verdict.replay = await with_retries(lambda: list(replay_all(self.bots)))

    # --- observation -----------------------------------------------------------------------------------
    async def _watch(self) -> None:
        """Poll bot statuses and duplicate levels, until cancelled."""
        polls = 0
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            polls += 1
            began = time.time()
            try:
                now, statuses = await database_sync_to_async(bot_statuses)(self.bots)
                duplicates = []
                if polls % LEVELS_POLLS == 0:
                    duplicates = await database_sync_to_async(duplicate_levels)(self.bots)
            except (DatabaseError, InterfaceError):
                self._tracker.database_restored(time.time())
                continue
            if time.time() - began > OUTAGE_THRESHOLD:
                self._tracker.database_restored(time.time())
            self._tracker.update(now, statuses)
            self._levels.update(duplicates)

    def _duplicate_lines(self) -> list[str]:
        return [f"{line}, in {count} polls" for line, count in self._levels.items()]

    async def _until_driven(self) -> list[str]:
        """Wait until every bot is run by a supervisor; returns the bots that are not."""
        deadline = asyncio.get_running_loop().time() + DRIVEN_WITHIN
        while True:
            now, statuses = await with_retries(lambda: bot_statuses(self.bots))
            left = [
                f"{status.bot} is not run by a supervisor"
                for status in statuses
                if not status.pid or now - status.heartbeat > BOUND
            ]
            left += [f"{bot} does not run" for bot in set(self.bots) - {status.bot for status in statuses}]
            if not left or asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(POLL_INTERVAL)

    async def _verify_when_quiet(self) -> BotVerdict:
        deadline = asyncio.get_running_loop().time() + QUIET_WITHIN
        while True:
            verdict = await with_retries(partial(verify_bots, self.bots, self._wallets))
            unsettled = verdict.active or verdict.standing or verdict.shares or verdict.snapshots
            if not unsettled or asyncio.get_running_loop().time() > deadline:
                return verdict
            await asyncio.sleep(POLL_INTERVAL * 4)

    # --- report ----------------------------------------------------------------------------------------
    @property
    def is_clean(self) -> bool:
        return not (self._verdict.wrong or self._tracker.late or self._unanswered)

    @property
    def _unanswered(self) -> int:
        return sum(owner.counts.unanswered for owner in self._owners)

    def lines(self) -> Iterator[str]:
        responses = sum((owner.responses for owner in self._owners), Counter[str]())
        failovers, late = self._tracker.failovers, self._tracker.late
        yield f"bots            {len(self.bots)}; {', '.join(f'{verb} {n}' for verb, n in sorted(responses.items()))}"
        yield f"                {self._unanswered} never answered"
        yield (
            f"decided         {self._replay_counts.decisions} times in {self._replay_counts.runs} runs: "
            f"{self._replay_counts.orders} orders, {self._replay_counts.fills} fills"
        )
        slowest = max((failover.seconds for failover in failovers), default=0.0)
        yield f"taken over      {len(failovers)} times, slowest {slowest:.1f} s"
        yield f"late            {len(late)}"
        yield from (f"  {failover}" for failover in late[:MAX_LISTED])
        for field in fields(BotVerdict):
            lines = getattr(self._verdict, field.name)
            yield f"{field.name:<16}{len(lines)}"
            yield from (f"  {line}" for line in lines[:MAX_LISTED])
