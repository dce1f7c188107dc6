"""Kills and pauses processes, and lets the venue fail for a moment, until told to stop."""

import asyncio
import logging
from collections import Counter
from random import Random

import aiohttp

from wallets.management.chaos.house import ChaosHouse
from wallets.management.chaos.plan import Rates, breaks
from wallets.management.chaos.venue import OUTAGES, Venue

logger = logging.getLogger(__name__)

OUTAGE_EVERY = 9.0


class Breaker:
    """`broken` counts what it did, by kind."""

    def __init__(self, house: ChaosHouse, venue: Venue, seed: int, rates: Rates) -> None:
        self.broken: Counter[str] = Counter()
        self._house, self._venue = house, venue
        self._seed, self._rates = seed, rates
        self._paused = False

    async def run(self) -> None:
        """Until cancelled; whoever was paused then goes on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill())
            tasks.create_task(self._outages())

    async def _kill(self) -> None:
        for one in breaks(self._seed, self._rates):
            await asyncio.sleep(one.pause)
            if one.kind == "pause":
                await self._pause(one.seconds)
            elif await asyncio.to_thread(self._house.kill, one.kind):
                self.broken[one.kind] += 1

    async def _pause(self, seconds: float) -> None:
        if not await asyncio.to_thread(self._house.stop_still, "execution"):
            return
        self.broken["pause"] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._house.go_on("execution")

    async def _outages(self) -> None:
        rng = Random(f"{self._seed} outages")
        while True:
            await asyncio.sleep(rng.expovariate(1 / OUTAGE_EVERY))
            outage = rng.choice(OUTAGES)
            try:
                await self._venue.fault(outage)
            except (aiohttp.ClientError, TimeoutError) as problem:
                logger.info("no outage", extra={"reason": str(problem)[:200]})
                continue
            self.broken[f"venue {outage['kind']}"] += 1
