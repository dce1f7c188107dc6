"""Kills and pauses processes, and lets the venue fail for a moment, until told to stop."""

import asyncio
import logging
from collections import Counter
from random import Random
from typing import Protocol

import aiohttp

from wallets.management.chaos.plan import Break, Rates, breaks
from wallets.management.chaos.simulator_client import OUTAGES, Venue
from wallets.management.chaos.stack import ChaosHouse

logger = logging.getLogger(__name__)


class Witness(Protocol):
    """Who wants to know which process has just been stopped, for good or for a while, and which goes on."""

    def stopped(self, pid: int) -> None: ...

    def went_on(self, pid: int) -> None: ...


class Breaker:
    """`broken` and `outages` count what it did, by kind; `finished` is set once it has broken `kills` times (0: never)."""

    def __init__(
        self, house: ChaosHouse, venue: Venue, seed: int, rates: Rates, kills: int, witness: Witness | None
    ) -> None:
        self.broken: Counter[str] = Counter()
        self.outages: Counter[str] = Counter()
        self.finished = asyncio.Event()
        self._house, self._venue, self._witness = house, venue, witness
        self._seed, self._rates, self._kills = seed, rates, kills

    async def run(self) -> None:
        """Until cancelled; whoever was paused then goes on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._break_all())
            tasks.create_task(self._outages())

    async def _break_all(self) -> None:
        async with asyncio.TaskGroup() as pauses:
            for one in breaks(self._seed, self._rates):
                await asyncio.sleep(one.pause)
                pid = await asyncio.to_thread(self._break, one)
                if pid is None:
                    continue
                self.broken[one.kind] += 1
                if one.seconds:
                    pauses.create_task(self._go_on(pid, one.seconds))
                if sum(self.broken.values()) == self._kills:
                    break
        self.finished.set()

    def _break(self, one: Break) -> int | None:
        act = self._house.stop_still if one.seconds else self._house.kill
        pid = act(one.process, one.pick)
        if pid is not None and self._witness:
            self._witness.stopped(pid)
        return pid

    async def _go_on(self, pid: int, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            self._house.go_on(pid)
            if self._witness:
                self._witness.went_on(pid)

    async def _outages(self) -> None:
        rng = Random(f"{self._seed} outages")
        while True:
            await asyncio.sleep(rng.expovariate(1 / self._rates.between_outages))
            outage = rng.choice(OUTAGES)
            try:
                await self._venue.fault(outage)
            except (aiohttp.ClientError, TimeoutError) as problem:
                logger.info("no outage", extra={"reason": str(problem)[:200]})
                continue
            self.outages[f"venue {outage['kind']}"] += 1
