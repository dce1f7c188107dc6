"""Owners of bots: they make, start, stop and change them by the API, whatever happens to the house."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from bots.management.chaos.plan import BotAct, BotPlan
from wallets.management.chaos.clients import Asked, Caller, Person

logger = logging.getLogger(__name__)

REFUSED = range(400, 500)
START_WITHIN, AGAIN = 60.0, 1.0  # s; a bot that is being stopped cannot be started yet


class Owner:
    """One person's bots. `did` counts what the API agreed to, `asked` what it had to be asked for."""

    def __init__(self, person: Person, url: str) -> None:
        self.bots: dict[UUID, BotPlan] = {}
        self.did: Counter[str] = Counter()
        self.asked = Asked()
        self.problems: list[str] = []
        self._person = person
        self._url = url
        self._versions: Counter[UUID] = Counter()

    async def make(self, plans: Sequence[BotPlan], mids: dict[str, Decimal]) -> None:
        """Make and start them."""
        async with Caller(self._person, self._url, self.asked) as caller:
            for plan in plans:
                body = {
                    "wallet": str(self._person.wallet), "symbol": plan.symbol, "strategy": plan.strategy,
                    "budget": "1500", "inputs": plan.inputs(mids[plan.symbol], 0),
                }  # fmt: skip
                status, answer = await caller.ask("POST", "/bots", plan.key, body)
                if status != 201:
                    self.problems.append(f"a {plan.strategy} was not made: {status} {answer}")
                    continue
                self.bots[UUID(answer["id"])] = plan
                await self._ask(caller, UUID(answer["id"]), "start", plan.key)

    async def act(self, acts: Any, mids: dict[str, Decimal]) -> None:
        """For ever."""
        async with Caller(self._person, self._url, self.asked) as caller:
            for one in acts:
                await asyncio.sleep(one.pause)
                await self._do(caller, one, mids)

    async def _do(self, caller: Caller, act: BotAct, mids: dict[str, Decimal]) -> None:
        bot = list(self.bots)[int(act.pick * len(self.bots))]
        match act.kind:
            case "start":
                await self._ask(caller, bot, "start", act.key)
            case "stop_keep" | "stop_cancel":
                policy = "keep" if act.kind == "stop_keep" else "cancel_own"
                await self._ask(caller, bot, "stop", act.key, {"policy": policy})
            case "inputs":
                self._versions[bot] += 1
                plan = self.bots[bot]
                inputs = plan.inputs(mids[plan.symbol], self._versions[bot])
                status, answer = await caller.ask("PATCH", f"/bots/{bot}", act.key, {"inputs": inputs})
                self._note("inputs", status, answer)

    async def start_all(self) -> None:
        """Every one that does not run, once what is being stopped has stopped."""
        async with Caller(self._person, self._url, self.asked) as caller:
            await asyncio.gather(*(self._start(caller, bot, plan.key) for bot, plan in self.bots.items()))

    async def _start(self, caller: Caller, bot: UUID, key: UUID) -> None:
        deadline = asyncio.get_running_loop().time() + START_WITHIN
        while await self._ask(caller, bot, "start", uuid5(key, "last start")) in REFUSED:
            if asyncio.get_running_loop().time() > deadline:
                self.problems.append(f"{bot} could not be started")
                return
            await asyncio.sleep(AGAIN)

    async def stop_all(self) -> None:
        async with Caller(self._person, self._url, self.asked) as caller:
            for bot, plan in self.bots.items():
                key = uuid5(plan.key, "last stop")
                await self._ask(caller, bot, "stop", key, {"policy": "cancel_own"})

    async def _ask(self, caller: Caller, bot: UUID, verb: str, key: UUID, body: Any = None) -> int:
        status, answer = await caller.ask("POST", f"/bots/{bot}/{verb}", key, body)
        self._note(verb, status, answer)
        return status

    def _note(self, verb: str, status: int, answer: dict[str, Any]) -> None:
        if status in REFUSED:
            self.did[f"{verb} refused"] += 1
            logger.info("refused", extra={"status": status, "reason": str(answer)[:300]})
        elif status:
            self.did[verb] += 1
