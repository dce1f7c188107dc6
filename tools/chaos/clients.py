"""Chaos clients: users with API keys and simulated wallets, which retry requests while the web process is down."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID, uuid5

import aiohttp
import orjson
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

from accounts.services import api_key_create
from market.models import Instrument
from tools.chaos.plan import ClientAction
from tools.chaos.simulator_client import SimulatorClient
from wallets import services

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=15)
GIVE_UP_AFTER = 90.0  # s; after that the stack is considered down
PAUSE = 0.3
SCOPES = ("read", "trade", "bots")
CONNECTION_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class ChaosUser:
    """A user with an API key and a wallet."""

    user: Any
    key: str
    wallet: UUID
    address: str


def trader_create(number: int, seed: int, usdc: int) -> ChaosUser:
    """Create a user that may trade by API, with `usdc` USDC at the simulator."""
    name = f"chaos-{number}@cryptotrade.localhost"
    user = get_user_model().objects.create_user(name, secrets.token_urlsafe(20))
    EmailAddress.objects.create(user=user, email=name, verified=True, primary=True)
    _, key = api_key_create(user=user, name="chaos", scopes=SCOPES, days=1)
    client_id = UUID(int=(seed << 32) + number, version=4)
    wallet = services.simulated_account_open(user=user, client_id=client_id, usdc=usdc)
    return ChaosUser(user, key, wallet.pk, wallet.address)


@dataclass
class RequestCounts:
    """Counts of API responses: ids of acknowledged orders, rejections and retries."""

    orders: list[UUID] = field(default_factory=list)
    denied: int = 0
    refused: int = 0
    repeats: int = 0
    cancels: int = 0
    modifies: int = 0
    unanswered: int = 0


class ApiClient:
    """API client of one user, which retries until it gets a response. Use it as a context manager."""

    def __init__(self, trader: ChaosUser, url: str, counts: RequestCounts) -> None:
        self._url, self._counts = f"{url}/api/v1", counts
        self._headers = {"Authorization": f"Bearer {trader.key}", "Content-Type": "application/json"}

    async def __aenter__(self) -> "ApiClient":
        self._session = aiohttp.ClientSession(timeout=REQUEST_TIMEOUT, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, key: UUID, body: Mapping[str, object] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The response, with retries: one idempotency key makes them one action. (0, {}) when none came in time."""
        headers = {"Idempotency-Key": str(uuid5(key, path))}
        data = None if body is None else orjson.dumps(body)
        deadline = asyncio.get_running_loop().time() + GIVE_UP_AFTER
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with self._session.request(
                    method, self._url + path, data=data, headers=headers
                ) as response:
                    if response.status < 500 and response.status != 429:
                        return response.status, orjson.loads(await response.read() or b"{}")
            except CONNECTION_ERRORS:
                logger.debug("request retried", extra={"path": path})
            self._counts.repeats += 1
            await asyncio.sleep(PAUSE)
        self._counts.unanswered += 1
        return 0, {}


class TraderScript:
    """Runs the actions of one user, one after the other; each is retried until it is answered."""

    def __init__(self, trader: ChaosUser, url: str, venue: SimulatorClient, counts: RequestCounts) -> None:
        self._trader = trader
        self._client = ApiClient(trader, url, counts)
        self._venue = venue
        self._counts = counts
        self._rules: dict[str, Instrument] = {}

    async def run(self, actions: list[ClientAction]) -> None:
        rows = Instrument.objects.filter(
            venue="hyperliquid-sim", symbol__in={action.symbol for action in actions}
        )
        self._rules = {row.symbol: row async for row in rows}
        async with self._client:
            for action in actions:
                await asyncio.sleep(action.pause)
                await self._do(action)

    async def _do(self, action: ClientAction) -> None:
        if action.kind == "cancel_all":
            await self._client.request(
                "POST", "/orders/cancel", action.key, {"wallet": str(self._trader.wallet)}
            )
        elif action.kind == "cancel":
            if target := await self._target(action):
                self._counts.cancels += 1
                await self._client.request("DELETE", f"/orders/{target['id']}", action.key)
        elif action.kind == "modify":
            await self._modify(action)
        else:
            self._count_response(
                *await self._client.request("POST", "/orders", action.key, await self._order(action))
            )

    async def _modify(self, action: ClientAction) -> None:
        target = await self._target(action, kind="limit")
        if target is None:
            return
        price = self._price(
            action, Decimal(target["price"]), Decimal("0.2") * (1 if action.pick > 0.5 else -1)
        )
        self._counts.modifies += 1
        self._count_response(
            *await self._client.request("PATCH", f"/orders/{target['id']}", action.key, {"price": price})
        )

    async def _target(self, action: ClientAction, kind: str = "") -> dict[str, Any] | None:
        """One of the user's live orders."""
        query = f"/orders?wallet={self._trader.wallet}&live=true"
        status, body = await self._client.request("GET", query, action.key)
        rows = body.get("results", []) if status == 200 else []
        rows = [row for row in rows if kind in ("", row["order_type"]) and not row["reduce_only"]]
        return rows[int(action.pick * len(rows))] if rows else None

    # --- orders --------------------------------------------------------------------------------
    async def _order(self, action: ClientAction) -> dict[str, Any]:
        mid = (await self._mids())[action.symbol]
        rest_sign = -1 if action.side == "buy" else 1  # sign of a price offset at which an order rests
        size = (action.usd / mid).quantize(Decimal(1).scaleb(-self._rules[action.symbol].size_decimals))
        body: dict[str, Any] = {
            "wallet": str(self._trader.wallet), "symbol": action.symbol, "side": action.side, "size": str(size),
        }  # fmt: skip
        match action.kind:
            case "market":
                return {**body, "order_type": "market"}
            case "rest":
                return {
                    **body,
                    "order_type": "limit",
                    "price": self._price(action, mid, action.distance * rest_sign),
                }
            case "cross" | "post_cross":
                tif = "alo" if action.kind == "post_cross" else "gtc"
                price = self._price(action, mid, Decimal("-0.3") * rest_sign)
                return {**body, "order_type": "limit", "price": price, "time_in_force": tif}
            case "post":
                price = self._price(action, mid, action.distance / 4 * rest_sign)
                return {**body, "order_type": "limit", "price": price, "time_in_force": "alo"}
            case _:
                trigger = action.distance / 4 * (-rest_sign if action.kind == "stop" else rest_sign)
                kind = "stop_market" if action.kind == "stop" else "take_profit_market"
                price = self._price(action, mid, trigger)
                return {**body, "order_type": kind, "trigger_price": price, "reduce_only": True}

    async def _mids(self) -> dict[str, Decimal]:
        return await self._venue.mids()

    def _price(self, action: ClientAction, price: Decimal, percent: Decimal) -> str:
        """The price `percent` away, rounded to the tick and to significant figures."""
        target = price * (1 + percent / 100)
        rules = self._rules[action.symbol]
        figures = target.adjusted() - (rules.significant_figures or 20) + 1
        step = Decimal(1).scaleb(min(0, max(figures, -rules.price_decimals)))
        return f"{target.quantize(step, ROUND_DOWN):f}"

    def _count_response(self, status: int, body: dict[str, Any]) -> None:
        if status in (200, 201):
            self._counts.orders.append(UUID(body["id"]))
        elif status == 422:
            self._counts.denied += 1
        elif status:
            self._counts.refused += 1
            logger.info("request rejected", extra={"status": status, "reason": str(body)[:300]})
