"""Control plane, an HTTP API on a port of its own: internal state, account funding, and fault injection.

A request needs the token of this stack (`SIMULATOR_TOKEN`, or `var/secrets/simulator_token`), a loopback host and,
with a body, the content type of JSON: a web page that a browser on this machine shows has none of them.
"""

import hmac
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol

import orjson
from aiohttp import web

from simulator.hyperliquid import wire
from simulator.hyperliquid.exchange import account_state, action_parser
from simulator.hyperliquid.exchange.account_audit import account_book, books
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.errors import Unprocessable
from simulator.hyperliquid.exchange.fixed_point import USD, units_of
from simulator.hyperliquid.faults import BadFault, Faults, fault_parse
from simulator.markets.world import World

MAX_USDC = 1_000_000_000
MAX_SHOCK = 50_00  # hundredths of a per cent
HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SHOCK_ERROR = (
    'expected {"coin": "BTC", "percent": -5}: at most 50 either way, in hundredths at the finest, and a coin '
    "with a path of its own (a spot pair that tracks a perpetual has none)"
)


class SimulatedVenue(Protocol):
    """The part of the running venue that the control plane uses."""

    account_engine: AccountEngine
    world: World
    faults: Faults

    def counters(self) -> dict[str, int]: ...


def state(venue: SimulatedVenue) -> dict[str, Any]:
    """Seed, time, mid prices, counters, faults, and the recorded price of each coin that plays a recording."""
    world = venue.world
    listed = {coin: market.listing for coin, market in world.markets.items()}
    return {
        "seed": world.seed,
        "time": world.now,
        "counters": venue.counters(),
        "mids": wire.mids(world),
        "followed": {coin: listed[coin].price_text(units) for coin, units in world.followed().items()},
        "playback": world.playback
        and {"recorded_time": world.playback.recorded(world.now), "speed": world.playback.speed},
        "faults": venue.faults.listing(world.now),
    }


def control_app(venue: SimulatedVenue, token: str) -> web.Application:
    """Web application of the control plane. Without a token every request is refused.

    `GET /state`, `GET|POST|DELETE /faults`, `GET|POST /accounts`, `GET /accounts/{address}`,
    `POST /funding`, `POST /shock`.
    """
    app = web.Application(client_max_size=4096, middlewares=[_guard(token)])
    routes: list[tuple[str, str, Callable[[web.Request], Any]]] = [
        ("GET", "/state", _Control(venue).state),
        ("GET", "/faults", _Control(venue).faults),
        ("POST", "/faults", _Control(venue).begin),
        ("DELETE", "/faults", _Control(venue).clear),
        ("GET", "/accounts", _Control(venue).accounts),
        ("POST", "/accounts", _Control(venue).fund),
        ("GET", "/accounts/{address}", _Control(venue).account),
        ("POST", "/funding", _Control(venue).funding),
        ("POST", "/shock", _Control(venue).shock),
    ]
    app.add_routes([web.route(method, path, handler) for method, path, handler in routes])
    return app


def _guard(token: str) -> Any:
    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.url.host not in HOSTS or "Origin" in request.headers:
            return _json({"error": "only programs of this machine may use the control plane"}, 403)
        if not token or not hmac.compare_digest(given.encode(), token.encode()):
            return _json(
                {"error": "expected the header Authorization: Bearer and the simulator's token"}, 401
            )
        if request.can_read_body and request.content_type != "application/json":
            return _json({"error": "expected the content type application/json"}, 415)
        return await handler(request)

    return guard


class _Control:
    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue

    async def state(self, request: web.Request) -> web.Response:
        return _json(state(self._venue))

    async def faults(self, request: web.Request) -> web.Response:
        return _json(self._venue.faults.listing(self._venue.world.now))

    async def begin(self, request: web.Request) -> web.Response:
        try:
            fault = fault_parse(orjson.loads(await request.read()), self._venue.world.markets)
        except orjson.JSONDecodeError:
            return _json({"error": "the body is not JSON"}, 400)
        except BadFault as problem:
            return _json({"error": str(problem)}, 400)
        self._venue.faults.begin(fault, self._venue.world.now)
        return _json(self._venue.faults.listing(self._venue.world.now))

    async def clear(self, request: web.Request) -> web.Response:
        self._venue.faults.clear()
        return _json([])

    async def accounts(self, request: web.Request) -> web.Response:
        return _json(books(self._venue.account_engine.exchange))

    async def account(self, request: web.Request) -> web.Response:
        exchange = self._venue.account_engine.exchange
        account = exchange.accounts.get(request.match_info["address"].lower())
        if account is None:
            return _json({"error": "no such account"}, 404)
        return _json(account_book(exchange, account))

    async def funding(self, request: web.Request) -> web.Response:
        return _json({"positions": self._venue.account_engine.fund_positions()})

    async def shock(self, request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
            change = units_of(Decimal(str(body["percent"])), 2)
            if not 0 < abs(change) <= MAX_SHOCK:
                raise ValueError("out of bounds")
            self._venue.world.shock(body["coin"], change)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, ArithmeticError):
            return _json({"error": SHOCK_ERROR}, 400)
        return _json({"coin": body["coin"], "percent": str(Decimal(change).scaleb(-2))})

    async def fund(self, request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
            address = action_parser.address(body["address"])
            units = units_of(Decimal(str(body["usdc"])), USD)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, ArithmeticError, Unprocessable):
            return _json({"error": 'expected {"address": "0x…", "usdc": 1000}'}, 400)
        if not 0 < units <= MAX_USDC * 10**USD:
            return _json({"error": f"usdc must be above 0 and at most {MAX_USDC}"}, 400)
        account = self._venue.account_engine.fund(address, units)
        return _json(account_state.clearinghouse(self._venue.account_engine.exchange, account))


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
