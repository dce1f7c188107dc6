"""HTTP API of the venue, `/info` and `/exchange`: applies limits and faults, then calls the account engine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import orjson
from aiohttp import web

from simulator.hyperliquid import info
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.action_limits import ip_weight
from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.limits import ClientLimits, VenueLimits, info_weight
from simulator.markets.world import World

SLOW_REQUESTS = ("candleSnapshot",)
UNKNOWN_OID_MS = 2_000  # ms after its acknowledgement for which fault `unknown_oid` hides an order
MAINTENANCE = "<html><body>Service Temporarily Unavailable</body></html>"


class VenueBackend(Protocol):
    """The part of the running venue that the HTTP API uses."""

    world: World
    faults: Faults
    account_engine: AccountEngine

    def now(self) -> int: ...

    def limits(self) -> VenueLimits: ...

    def account(self, request: web.Request) -> ClientLimits: ...


def response(status: int, body: Any) -> web.Response:
    if isinstance(body, str) and status != 200:
        return web.Response(status=status, text=body)
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


class HttpApi:
    """Handlers of `/info` and `/exchange`."""

    def __init__(self, venue: VenueBackend) -> None:
        self._venue = venue
        # Long candle histories are computed in a thread so that they do not delay blocks; one thread is enough.
        self._candle_executor = ThreadPoolExecutor(1, thread_name_prefix="candles")

    def close(self) -> None:
        self._candle_executor.shutdown(wait=False, cancel_futures=True)

    async def _error_response(self, account: ClientLimits) -> web.Response | None:
        """The error response when a limit or a fault stops the request, else None."""
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
        if (error := await self._error_response(account)) is not None:
            return error
        try:
            query = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return response(422, info.UNPROCESSABLE)
        reply = await self._info_reply(query)
        kind = query.get("type") if isinstance(query, dict) else None
        account.weight.spend(info_weight(str(kind), reply.body), self._venue.now())
        return response(*reply)

    async def _info_reply(self, query: Any) -> info.Reply:
        kind = query.get("type") if isinstance(query, dict) else None
        if kind in SLOW_REQUESTS:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._candle_executor, info.answer, self._venue.world, query)
        reply = self._venue.account_engine.handle_info(query)
        if kind == "orderStatus" and self._venue.faults.active("unknown_oid", self._venue.now()):
            return self._hide_recent(reply)
        return reply

    def _hide_recent(self, reply: info.Reply) -> info.Reply:
        """Report a recent order as unknown (fault `unknown_oid`)."""
        order = reply.body.get("order", {}).get("order") if isinstance(reply.body, dict) else None
        if order and self._venue.now() - order["timestamp"] < UNKNOWN_OID_MS:
            return info.Reply(200, {"status": "unknownOid"})
        return reply

    # --- /exchange -----------------------------------------------------------------------------
    async def answer_exchange(self, request: web.Request) -> web.Response:
        account = self._venue.account(request)
        if (error := await self._error_response(account)) is not None:
            return error
        now = self._venue.now()
        if self._venue.faults.occurs("lost_request", now):
            return _cut(request)
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return response(422, info.UNPROCESSABLE)
        account.weight.spend(ip_weight(body.get("action") if isinstance(body, dict) else None), now)
        reply = self._venue.account_engine.handle_action(body, self._venue.now())
        if self._venue.faults.occurs("lost_reply", now):
            return _cut(request)
        return response(*reply)


def _cut(request: web.Request) -> web.Response:
    """Abort the TCP connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return response(500, None)
