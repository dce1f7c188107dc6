"""Those who ask: users with API keys and wallets of simulated money, patient with a web that dies."""

import asyncio
import logging
import secrets
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
from wallets import services
from wallets.management.chaos.plan import Act
from wallets.management.chaos.simulator_client import Venue

logger = logging.getLogger(__name__)

ANSWER_WITHIN = aiohttp.ClientTimeout(total=15)
ASKED_FOR = 90.0  # s; after that the house is not coming back
PAUSE = 0.3
SCOPES = ("read", "trade")
AWAY = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Person:
    """A user, the key of its program, and its wallet."""

    user: Any
    key: str
    wallet: UUID
    address: str


def person_make(number: int, seed: int, usdc: int) -> Person:
    """A user that may trade by API, with so much money at the simulator."""
    name = f"chaos-{number}@cryptotrade.localhost"
    user = get_user_model().objects.create_user(name, secrets.token_urlsafe(20))
    EmailAddress.objects.create(user=user, email=name, verified=True, primary=True)
    _, key = api_key_create(user=user, name="chaos", scopes=SCOPES, days=1)
    client_id = UUID(int=(seed << 32) + number, version=4)
    wallet = services.simulated_account_open(user=user, client_id=client_id, usdc=usdc)
    return Person(user, key, wallet.pk, wallet.address)


@dataclass
class Asked:
    """What the house acknowledged: ids of orders, and how often it had to be asked."""

    orders: list[UUID] = field(default_factory=list)
    denied: int = 0
    refused: int = 0
    repeats: int = 0
    cancels: int = 0
    modifies: int = 0
    unanswered: int = 0


class Caller:
    """Asks the API as one person, until it is answered. Use it as a context manager."""

    def __init__(self, person: Person, url: str, asked: Asked) -> None:
        self._url, self._asked = f"{url}/api/v1", asked
        self._headers = {"Authorization": f"Bearer {person.key}", "Content-Type": "application/json"}

    async def __aenter__(self) -> "Caller":
        self._session = aiohttp.ClientSession(timeout=ANSWER_WITHIN, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, key: UUID, body: Any = None) -> tuple[int, dict[str, Any]]:
        """The answer, however often it takes: under one key it is one act. (0, {}) when none came."""
        headers = {"Idempotency-Key": str(uuid5(key, path))}
        data = None if body is None else orjson.dumps(body)
        deadline = asyncio.get_running_loop().time() + ASKED_FOR
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with self._session.request(
                    method, self._url + path, data=data, headers=headers
                ) as answer:
                    if answer.status < 500 and answer.status != 429:
                        return answer.status, orjson.loads(await answer.read() or b"{}")
            except AWAY:
                logger.debug("asked again", extra={"path": path})
            self._asked.repeats += 1
            await asyncio.sleep(PAUSE)
        self._asked.unanswered += 1
        return 0, {}


class Program:
    """Asks for one person's orders, one thing after the other, until each is answered."""

    def __init__(self, person: Person, url: str, venue: Venue, asked: Asked) -> None:
        self._person = person
        self._caller = Caller(person, url, asked)
        self._venue = venue
        self._asked = asked
        self._rules: dict[str, Instrument] = {}

    async def run(self, acts: list[Act]) -> None:
        rows = Instrument.objects.filter(venue="simulator", symbol__in={act.symbol for act in acts})
        self._rules = {row.symbol: row async for row in rows}
        async with self._caller:
            for act in acts:
                await asyncio.sleep(act.pause)
                await self._do(act)

    async def _do(self, act: Act) -> None:
        if act.kind == "cancel_all":
            await self._caller.ask("POST", "/orders/cancel", act.key, {"wallet": str(self._person.wallet)})
        elif act.kind == "cancel":
            if target := await self._target(act):
                self._asked.cancels += 1
                await self._caller.ask("DELETE", f"/orders/{target['id']}", act.key)
        elif act.kind == "modify":
            await self._modify(act)
        else:
            self._noted(*await self._caller.ask("POST", "/orders", act.key, await self._order(act)))

    async def _modify(self, act: Act) -> None:
        target = await self._target(act, kind="limit")
        if target is None:
            return
        price = self._price(act, Decimal(target["price"]), Decimal("0.2") * (1 if act.pick > 0.5 else -1))
        self._asked.modifies += 1
        self._noted(*await self._caller.ask("PATCH", f"/orders/{target['id']}", act.key, {"price": price}))

    async def _target(self, act: Act, kind: str = "") -> dict[str, Any] | None:
        """One of the person's live orders."""
        query = f"/orders?wallet={self._person.wallet}&live=true"
        status, body = await self._caller.ask("GET", query, act.key)
        rows = body.get("results", []) if status == 200 else []
        rows = [row for row in rows if kind in ("", row["kind"]) and not row["reduce_only"]]
        return rows[int(act.pick * len(rows))] if rows else None

    # --- orders --------------------------------------------------------------------------------
    async def _order(self, act: Act) -> dict[str, Any]:
        mid = (await self._mids())[act.symbol]
        behind = -1 if act.side == "buy" else 1  # the side of the market on which it rests
        size = (act.usd / mid).quantize(Decimal(1).scaleb(-self._rules[act.symbol].size_decimals))
        body: dict[str, Any] = {
            "wallet": str(self._person.wallet), "symbol": act.symbol, "side": act.side, "size": str(size),
        }  # fmt: skip
        match act.kind:
            case "market":
                return {**body, "kind": "market"}
            case "rest":
                return {**body, "kind": "limit", "price": self._price(act, mid, act.away * behind)}
            case "cross" | "post_cross":
                tif = "alo" if act.kind == "post_cross" else "gtc"
                price = self._price(act, mid, Decimal("-0.3") * behind)
                return {**body, "kind": "limit", "price": price, "tif": tif}
            case "post":
                price = self._price(act, mid, act.away / 4 * behind)
                return {**body, "kind": "limit", "price": price, "tif": "alo"}
            case _:
                trigger = act.away / 4 * (-behind if act.kind == "stop" else behind)
                kind = "stop_market" if act.kind == "stop" else "take_market"
                price = self._price(act, mid, trigger)
                return {**body, "kind": kind, "trigger_price": price, "reduce_only": True}

    async def _mids(self) -> dict[str, Decimal]:
        return await self._venue.mids()

    def _price(self, act: Act, price: Decimal, percent: Decimal) -> str:
        """`percent` away, in whole ticks and five figures."""
        wanted = price * (1 + percent / 100)
        rules = self._rules[act.symbol]
        figures = wanted.adjusted() - (rules.significant_figures or 20) + 1
        step = Decimal(1).scaleb(min(0, max(figures, -rules.price_decimals)))
        return f"{wanted.quantize(step, ROUND_DOWN):f}"

    def _noted(self, status: int, body: dict[str, Any]) -> None:
        if status in (200, 201):
            self._asked.orders.append(UUID(body["id"]))
        elif status == 422:
            self._asked.denied += 1
        elif status:
            self._asked.refused += 1
            logger.info("refused", extra={"status": status, "reason": str(body)[:300]})
