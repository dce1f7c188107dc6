"""A second, minimal venue, written from docs/adding-a-venue.md: spot, HMAC keys, receive windows, unified balances.

The adapter, the trader and a server in this process; nothing of the product knows it but the registry.
"""

import asyncio
import hashlib
import hmac
import json
import time
from decimal import Decimal
from itertools import count
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web

from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.keys import KeyVerdict
from market.domain.orders import Accepted, AccountState, Rejected, VenueFill, VenueOrder
from market.models import Venue
from market.venues import KINDS, VenueKind, venue_adapter
from market.venues.base import FeeRates, OutcomeUnknown, Validity
from market.venues.rows import rows_decode
from tests.market.venue_contract import VenueContract, VenueUnderTest
from wallets.services import wallet_create
from wallets.services.keys import sealing_key_create
from wallets.vault import Unsealer

D = Decimal
WINDOW = 5_000
PRICE, LOT = D("50000"), D("0.001")
API_KEY, API_SECRET, ACCOUNT = "minimal-key-0001", "minimal-secret-0001", "4711"
NAME = "minimal"


def now_ms():
    return time.time_ns() // 1_000_000


class MinimalCredentials:
    """A secret is the JSON of an API key and its secret; the key is its public id."""

    can_generate = False

    def account_parse(self, text):
        if not text.strip().isdigit():
            raise ValueError("Enter the number of the account.")
        return text.strip()

    def secret_parse(self, text, account):
        key, separator, secret = text.strip().partition(":")
        if not (separator and key and secret):
            raise ValueError("Enter the API key and its secret, separated by a colon.")
        return json.dumps({"key": key, "secret": secret}).encode()

    def secret_generate(self):
        raise NotImplementedError("keys are created on the venue's site")

    def key_id(self, secret):
        return json.loads(secret)["key"]

    def sign(self, payload, secret):
        return {
            "signature": hmac.new(json.loads(secret)["secret"].encode(), payload, hashlib.sha256).hexdigest()
        }


class MinimalAdapter:
    """Facts of the venue."""

    collateral = "USDT"
    margin_model = "unified"
    lookup_horizon = 2 * 3_600_000

    def __init__(self):
        self.credentials = MinimalCredentials()

    def client_order_id(self, order_id):
        return order_id.hex

    def validity(self, request):
        return Validity("receive_window", WINDOW, 3_000)

    def rejection_meaning(self, text):
        return "again" if "window" in text else "key_gone" if "key" in text else "reject"

    def fee_rates(self, kind, tier=""):
        return FeeRates(D("0.001"), D("0.0015"))

    async def simulated_account_open(self, amount):
        raise VenueRejected(NAME, "is not simulated")


class MinimalTrader:
    """Trading over HTTP. It streams nothing: its accounts are polled."""

    venue = NAME
    stream_slots = 0

    def __init__(self, url):
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=5))

    async def _send(self, path, body, signer, valid_until):
        if now_ms() >= valid_until:
            raise VenueUnavailable(NAME, "was not asked: too late")
        payload = json.dumps({**body, "time": valid_until - WINDOW, "window": WINDOW}).encode()
        headers = {"key": signer.key_id, **signer.sign(payload)}
        try:
            async with self._session.post(path, data=payload, headers=headers) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            raise OutcomeUnknown(NAME, str(problem)) from problem
        if response.status >= 500:
            raise OutcomeUnknown(NAME, f"error {response.status}")
        if response.status >= 400:
            raise VenueRejected(NAME, answer["error"])
        return answer

    async def _ask(self, path, **params):
        async with self._session.get(path, params=params) as response:
            return await response.json()

    async def place(self, orders, *, signer, nonce, valid_until):
        rows = [
            {"id": one.client_id, "symbol": one.symbol, "side": one.side, "price": str(one.price),
             "size": str(one.size), "ioc": one.tif == "ioc"} for one in orders
        ]  # fmt: skip
        answers = await self._send("/orders", {"orders": rows}, signer, valid_until)
        return [
            Rejected(row["error"]) if "error" in row else Accepted(row["oid"], row["open"], D(row["filled"]))
            for row in answers
        ]

    async def cancel(self, cancels, *, signer, nonce):
        ids = [one.client_id for one in cancels]
        answers = await self._send("/cancels", {"ids": ids}, signer, now_ms() + WINDOW)
        return [Accepted(resting=False) if done else Rejected("not open") for done in answers]

    async def order_get(self, address, *, client_id=None, venue_id=None):
        row = await self._ask("/order", id=client_id)
        return self._order(row) if row else None

    async def orders_open(self, address):
        return rows_decode(await self._ask("/open"), self._order)

    def _order(self, row):
        size, filled = D(row["size"]), D(row["filled"])
        return VenueOrder(
            row["symbol"], row["side"], "limit", "gtc", D(row["price"]), size, size - filled, row["oid"], row["id"],
            row["status"], row["status"], row["time"], row["time"],
        )  # fmt: skip

    async def fills(self, address, since):
        return rows_decode(await self._ask("/fills", since=str(since)), self._fill)

    def _fill(self, row):
        return VenueFill(
            row["symbol"], row["side"], D(row["price"]), D(row["size"]), row["time"], row["oid"], row["tid"],
            row["id"], tuple((asset, D(amount)) for asset, amount in row["fees"]), D(0), taker=True,
        )  # fmt: skip

    async def account(self, address):
        row = await self._ask("/account")
        cash = {("unified", asset): D(amount) for asset, amount in row["balances"].items()}
        return AccountState(row["time"], cash, (), cash["unified", "USDT"], cash["unified", "USDT"])

    async def key_verify(self, key, now):
        row = await self._ask("/key", key=key.key_id)
        return (
            KeyVerdict("active")
            if row == {"trade": True, "withdraw": False}
            else KeyVerdict("rejected", "no")
        )

    async def close(self):
        await self._session.close()


class MinimalServer:
    """The venue: checks signature, window and duplicate ids; fills what crosses the price, with fees in two assets."""

    def __init__(self):
        self.orders, self.fills, self.balances = {}, [], {"USDT": D(100_000), "BTC": D(0), "MIN": D(10)}
        self.lose_next, self.damaged, self._ids = False, [], count(1)

    def app(self):
        app = web.Application()
        app.add_routes([web.post("/orders", self.place), web.post("/cancels", self.cancel)])
        for path, ask in {
            "/order": lambda query: self.orders.get(query["id"]),
            "/open": lambda query: [one for one in self.orders.values() if one["status"] == "open"] + self.damaged,
            "/fills": lambda query: [one for one in self.fills if one["time"] >= int(query["since"])] + self.damaged,
            "/account": lambda query: {
                "time": now_ms(), "balances": {asset: str(amount) for asset, amount in self.balances.items()}
            },
            "/key": lambda query: {"trade": query["key"] == API_KEY, "withdraw": False},
        }.items():  # fmt: skip

            async def answer(request, ask=ask):
                return web.json_response(ask(request.query))

            app.router.add_get(path, answer)
        return app

    async def _checked(self, request):
        payload = await request.read()
        right = hmac.new(API_SECRET.encode(), payload, hashlib.sha256).hexdigest()
        if (request.headers["key"], request.headers["signature"]) != (API_KEY, right):
            raise web.HTTPUnauthorized(text=json.dumps({"error": "bad key"}), content_type="application/json")
        body = json.loads(payload)
        if not 0 <= now_ms() - body["time"] < body["window"]:
            raise web.HTTPBadRequest(
                text=json.dumps({"error": "outside the window"}), content_type="application/json"
            )
        return body

    async def place(self, request):
        answers = [self._place(row) for row in (await self._checked(request))["orders"]]
        if self.lose_next:
            self.lose_next = False
            request.transport.abort()
            await asyncio.sleep(0)
        return web.json_response(answers)

    def _place(self, row):
        if row["id"] in self.orders:
            return {"error": "duplicate id"}
        crosses = row["side"] == "buy" and D(row["price"]) >= PRICE
        order = {
            **row,
            "oid": str(next(self._ids)),
            "time": now_ms(),
            "filled": row["size"] if crosses else "0",
        }
        order["status"] = "filled" if crosses else "cancelled" if row["ioc"] else "open"
        self.orders[row["id"]] = order
        if crosses:
            self._fill(order, D(row["size"]))
        return {"oid": order["oid"], "open": order["status"] == "open", "filled": order["filled"]}

    def _fill(self, order, size):
        fees = {"MIN": D("0.001"), "BTC": size * D("0.0005")}
        self.balances["USDT"] -= size * PRICE
        self.balances["BTC"] += size
        for asset, amount in fees.items():
            self.balances[asset] -= amount
        self.fills.append(
            {**order, "price": str(PRICE), "size": str(size), "tid": str(next(self._ids)), "time": now_ms(),
             "fees": [[asset, str(amount)] for asset, amount in fees.items()]}
        )  # fmt: skip

    async def cancel(self, request):
        done = []
        for name in (await self._checked(request))["ids"]:
            order = self.orders.get(name)
            done.append(bool(order and order["status"] == "open"))
            if done[-1]:
                order["status"] = "cancelled"
        return web.json_response(done)


@pytest.fixture
async def venue():
    server = MinimalServer()
    runner = web.AppRunner(server.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    trader = MinimalTrader(f"http://127.0.0.1:{runner.addresses[0][1]}")
    adapter = MinimalAdapter()
    text = f"{API_KEY}:{API_SECRET}"

    def lose_next_response():
        server.lose_next = True

    yield VenueUnderTest(
        adapter=adapter, trader=trader, account=ACCOUNT, secret=adapter.credentials.secret_parse(text, ACCOUNT),
        secret_text=text, symbol="BTCUSDT", price=lambda: PRICE, round_price=lambda price: price.quantize(D("0.01")),
        size=LOT, now=now_ms, lose_next_response=lose_next_response,
        damage_lists=lambda: server.damaged.append({"symbol": "S&P500"}),
    )  # fmt: skip
    await trader.close()
    await runner.cleanup()


class TestMinimalVenue(VenueContract):
    pass


async def test_a_fill_carries_its_fees_in_both_assets(venue):
    await venue.trader.place([venue.order("1.05", tif="ioc", kind="market")], **venue.auth())
    [fill] = await venue.trader.fills(ACCOUNT, 0)
    assert (fill.fee_in("MIN"), fill.fee_in("BTC"), fill.fee_in("USDT")) == (D("0.001"), LOT * D("0.0005"), 0)
    cash = (await venue.trader.account(ACCOUNT)).cash
    assert cash["unified", "BTC"] == LOT - fill.fee_in("BTC")


async def test_a_wrong_secret_is_rejected(venue):
    venue.secret = venue.adapter.credentials.secret_parse(f"{API_KEY}:guess", ACCOUNT)
    venue.__post_init__()
    with pytest.raises(VenueRejected) as rejected:
        await venue.trader.place([venue.order("0.9")], **venue.auth())
    assert venue.adapter.rejection_meaning(rejected.value.problem) == "key_gone"


def test_its_wallets_are_sealed_and_unsealed_by_its_own_scheme(alice, tmp_path, monkeypatch):
    """The registry is the only place in which the venue is named."""
    path = f"{__name__}.MinimalAdapter"
    monkeypatch.setitem(KINDS, NAME, VenueKind("Minimal", path, "", "", "", "HYPERLIQUID_URL"))
    venue_adapter.cache_clear()
    monkeypatch.setattr(
        "market.venues.import_string", lambda dotted: MinimalAdapter if dotted == path else None
    )
    Venue.objects.create(name=NAME, title="Minimal")
    sealing_key_create(folder=tmp_path / "execution")
    key = f"{API_KEY}:{API_SECRET}".encode()
    wallet = wallet_create(user=alice, venue=NAME, label="one", address=ACCOUNT, client_id=uuid4(), key=key)
    assert (wallet.address, wallet.signer_address, wallet.status) == (ACCOUNT, API_KEY, "checking")
    signer = Unsealer(tmp_path / "execution").signer(wallet)
    assert signer.key_id == API_KEY
    right = hmac.new(API_SECRET.encode(), b"payload", hashlib.sha256).hexdigest()
    assert signer.sign(b"payload") == {"signature": right}
    assert venue_adapter(NAME).client_order_id(UUID(int=7)) == f"{7:032x}"
    venue_adapter.cache_clear()
