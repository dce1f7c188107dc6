"""Bot owners: API clients that create, start, stop and change bots while faults are injected."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from tools.chaos.bots.plan import BotAction, BotPlan
from tools.chaos.clients import ApiClient, ChaosUser, RequestCounts

logger = logging.getLogger(__name__)

CLIENT_ERRORS = range(400, 500)
START_WITHIN, RETRY_INTERVAL = 60.0, 1.0  # s; a bot that is still stopping cannot be started


class Owner:
    """Owner of bots. `responses` counts accepted and rejected commands, `counts` API responses and retries."""

    def __init__(self, trader: ChaosUser, url: str) -> None:
        self.bots: dict[UUID, BotPlan] = {}
        self.responses: Counter[str] = Counter()
        self.counts = RequestCounts()
        self.problems: list[str] = []
        self._trader = trader
        self._url = url
        self._versions: Counter[UUID] = Counter()

    async def make(self, plans: Sequence[BotPlan], mids: dict[str, Decimal]) -> None:
        """Create and start the planned bots."""
        async with ApiClient(self._trader, self._url, self.counts) as client:
            for plan in plans:
                body = {
                    "wallet": str(self._trader.wallet), "symbol": plan.symbol, "strategy": plan.strategy,
                    "budget": "1500", "inputs": plan.inputs(mids[plan.symbol], 0),
                }  # fmt: skip
                status, response = await client.request("POST", "/bots", plan.key, body)
                if status != 201:
                    self.problems.append(f"{plan.strategy} bot was not created: {status} {response}")
                    continue
                self.bots[UUID(response["id"])] = plan
                await self._command(client, UUID(response["id"]), "start", plan.key)

    async def act(self, actions: Iterable[BotAction], mids: dict[str, Decimal]) -> None:
        """Run the endless sequence of actions, until cancelled."""
        async with ApiClient(self._trader, self._url, self.counts) as client:
            for action in actions:
                await asyncio.sleep(action.pause)
                await self._do(client, action, mids)

    async def _do(self, client: ApiClient, action: BotAction, mids: dict[str, Decimal]) -> None:
        bot = list(self.bots)[int(action.pick * len(self.bots))]
        match action.kind:
            case "start":
                await self._command(client, bot, "start", action.key)
            case "stop_keep" | "stop_cancel":
                policy = "keep" if action.kind == "stop_keep" else "cancel_own"
                await self._command(client, bot, "stop", action.key, {"policy": policy})
            case "inputs":
                self._versions[bot] += 1
                plan = self.bots[bot]
                inputs = plan.inputs(mids[plan.symbol], self._versions[bot])
                status, response = await client.request(
                    "PATCH", f"/bots/{bot}", action.key, {"inputs": inputs}
                )
                self._count("inputs", status, response)

    async def start_all(self) -> None:
        """Start every bot that is not running; a stopping bot is retried until it has stopped."""
        async with ApiClient(self._trader, self._url, self.counts) as client:
            await asyncio.gather(*(self._start(client, bot, plan.key) for bot, plan in self.bots.items()))

    async def _start(self, client: ApiClient, bot: UUID, key: UUID) -> None:
        deadline = asyncio.get_running_loop().time() + START_WITHIN
        while await self._command(client, bot, "start", uuid5(key, "last start")) in CLIENT_ERRORS:
            if asyncio.get_running_loop().time() > deadline:
                self.problems.append(f"{bot} could not be started")
                return
            await asyncio.sleep(RETRY_INTERVAL)

    async def stop_all(self) -> None:
        async with ApiClient(self._trader, self._url, self.counts) as client:
            for bot, plan in self.bots.items():
                key = uuid5(plan.key, "last stop")
                await self._command(client, bot, "stop", key, {"policy": "cancel_own"})

    async def _command(
        self, client: ApiClient, bot: UUID, verb: str, key: UUID, body: Mapping[str, object] | None = None
    ) -> int:
        status, response = await client.request("POST", f"/bots/{bot}/{verb}", key, body)
        self._count(verb, status, response)
        return status

    def _count(self, verb: str, status: int, response: dict[str, Any]) -> None:
        if status in CLIENT_ERRORS:
            self.responses[f"{verb} refused"] += 1
            logger.info("request rejected", extra={"status": status, "reason": str(response)[:300]})
        elif status:
            self.responses[verb] += 1
