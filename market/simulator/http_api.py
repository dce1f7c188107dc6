"""The two requests of the venue, `/info` and `/exchange`: limits, faults, and the answer of the core."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import orjson
from aiohttp import web

from market.simulator import info
from market.simulator.exchange.account_engine import House
from market.simulator.exchange.action_limits import ip_weight
from market.simulator.faults import Faults
from market.simulator.limits import Account, Limits, info_weight
from market.simulator.world import World

SLOW_REQUESTS = ("candleSnapshot",)
FRESH = 2_000  # ms for which an order may be unknown after its acknowledgement
MAINTENANCE = "<html><body>Service Temporarily Unavailable</body></html>"


class Venue(Protocol):
    """What answering needs of the running venue."""

    world: World
    faults: Faults
    house: House

    def now(self) -> int: ...

    def limits(self) -> Limits: ...

    def account(self, request: web.Request) -> Account: ...


def response(status: int, body: Any) -> web.Response:
    if isinstance(body, str) and status != 200:
        return web.Response(status=status, text=body)
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


class Posts:
    """Handlers of both requests."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        # Long candle histories must not hold up the blocks; one at a time is enough.
        self._historian = ThreadPoolExecutor(1, thread_name_prefix="historian")

    def close(self) -> None:
        self._historian.shutdown(wait=False, cancel_futures=True)

    async def _refusal(self, account: Account) -> web.Response | None:
        """The answer when limits or faults let nothing through."""
        venue, now = self._venue, self._venue.now()
        if slow := venue.faults.active("delay", now):
            await asyncio.sleep(slow.ms / 1000)
        if venue.faults.active("maintenance", now):
            return response(503, MAINTENANCE)
        if venue.faults.active("http_500", now):
            return response(500, None)
        weight = venue.limits().weight_per_minute
        if venue.faults.active("http_429", now) or not account.weight.allows(weight, now):
            return response(429, None)
        return None

    # --- /info ---------------------------------------------------------------------------------
    async def answer_info(self, request: web.Request) -> web.Response:
        account = self._venue.account(request)
        if (refusal := await self._refusal(account)) is not None:
            return refusal
        try:
            asked = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return response(422, info.UNPROCESSABLE)
        reply = await self._answer(asked)
        kind = asked.get("type") if isinstance(asked, dict) else None
        account.weight.spend(info_weight(str(kind), reply.body), self._venue.now())
        return response(*reply)

    async def _answer(self, asked: Any) -> info.Reply:
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind in SLOW_REQUESTS:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._historian, info.answer, self._venue.world, asked)
        reply = self._venue.house.ask(asked)
        if kind == "orderStatus" and self._venue.faults.active("unknown_oid", self._venue.now()):
            return self._forgetful(reply)
        return reply

    def _forgetful(self, reply: info.Reply) -> info.Reply:
        """A young order is not known yet."""
        order = reply.body.get("order", {}).get("order") if isinstance(reply.body, dict) else None
        if order and self._venue.now() - order["timestamp"] < FRESH:
            return info.Reply(200, {"status": "unknownOid"})
        return reply

    # --- /exchange -----------------------------------------------------------------------------
    async def answer_exchange(self, request: web.Request) -> web.Response:
        account = self._venue.account(request)
        if (refusal := await self._refusal(account)) is not None:
            return refusal
        now = self._venue.now()
        if self._venue.faults.strikes("lost_request", now):
            return _cut(request)
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return response(422, info.UNPROCESSABLE)
        account.weight.spend(ip_weight(body.get("action") if isinstance(body, dict) else None), now)
        reply = self._venue.house.act(body, self._venue.now())
        if self._venue.faults.strikes("lost_reply", now):
            return _cut(request)
        return response(*reply)


def _cut(request: web.Request) -> web.Response:
    """The line is cut: what is returned here reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return response(500, None)
