"""Fault injector: kills and pauses processes, and starts short venue outages, until cancelled."""

import asyncio
import logging
from collections import Counter
from random import Random
from typing import Protocol

import aiohttp

from tools.chaos.plan import Fault, Rates, process_faults
from tools.chaos.simulator_client import OUTAGES, SimulatorClient
from tools.chaos.stack import ChaosStack

logger = logging.getLogger(__name__)


class FaultObserver(Protocol):
    """Observer of faults: notified when a process was killed or paused, and when a paused one was resumed."""

    def stopped(self, pid: int) -> None: ...

    def resumed(self, pid: int) -> None: ...


class FaultInjector:
    """Injects faults: `faults` counts process faults and `outages` venue outages, by kind.

    `finished` is set after `kills` process faults (0: never).
    """

    def __init__(
        self,
        stack: ChaosStack,
        venue: SimulatorClient,
        seed: int,
        rates: Rates,
        kills: int,
        observer: FaultObserver | None,
    ) -> None:
        self.faults: Counter[str] = Counter()
        self.outages: Counter[str] = Counter()
        self.finished = asyncio.Event()
        self._stack, self._venue, self._observer = stack, venue, observer
        self._seed, self._rates, self._kills = seed, rates, kills

    async def run(self) -> None:
        """Run until cancelled; then paused processes are resumed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._inject_all())
            tasks.create_task(self._outages())

    async def _inject_all(self) -> None:
        async with asyncio.TaskGroup() as pauses:
            for fault in process_faults(self._seed, self._rates):
                await asyncio.sleep(fault.pause)
                pid = await asyncio.to_thread(self._inject, fault)
                if pid is None:
                    continue
                self.faults[fault.kind] += 1
                if fault.seconds:
                    pauses.create_task(self._resume_later(pid, fault.seconds))
                if sum(self.faults.values()) == self._kills:
                    break
        self.finished.set()

    def _inject(self, fault: Fault) -> int | None:
        act = self._stack.suspend if fault.seconds else self._stack.kill
        pid = act(fault.process, fault.pick)
        if pid is not None and self._observer:
            self._observer.stopped(pid)
        return pid

    async def _resume_later(self, pid: int, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            self._stack.resume(pid)
            if self._observer:
                self._observer.resumed(pid)

    async def _outages(self) -> None:
        rng = Random(f"{self._seed} outages")
        while True:
            await asyncio.sleep(rng.expovariate(1 / self._rates.outage_interval))
            outage = rng.choice(OUTAGES)
            try:
                await self._venue.fault(outage)
            except (aiohttp.ClientError, TimeoutError) as problem:
                logger.info("no outage", extra={"reason": str(problem)[:200]})
                continue
            self.outages[f"venue {outage['kind']}"] += 1
