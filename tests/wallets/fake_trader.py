"""In-memory venue that simulates network failures: lost requests, lost responses and late requests.

It has its own accounts, so that a test can check what was executed. One price per symbol: an order that
crosses it is filled at once, others rest until `price` crosses them.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import count

from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.orders import (
    Accepted,
    AccountState,
    KeyRole,
    Rejected,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from market.venues.base import OutcomeUnknown
from market.venues.hyperliquid.credentials import evaluate_key

FEE = Decimal("0.00045")
ZERO = Decimal(0)
ALMOST_LATE = 100  # ms before its expiry


class Account:
    def __init__(self, address, cash):
        self.address = address
        self.cash = Decimal(cash)
        self.orders = {}  # venue id → VenueOrder
        self.fills = []
        self.sizes = defaultdict(Decimal)
        self.costs = defaultdict(Decimal)

    def open(self):
        return [order for order in self.orders.values() if order.status in ("open", "triggered")]

    def by_client(self, client_id):
        return [order for order in self.orders.values() if order.client_id == client_id]


class FakeTrader:
    """A `market.venues.base.Trader`. `fates` are the outcomes of the next sends; afterwards all succeed.

    ok · lost_request (never arrives) · lost_reply (executed, no response) · late (no response; it arrives when
    the test calls `arrive`) · later (the same, but it arrives just before it expires) · away (not sent) ·
    slow (response when the test sets `go`) · refused:TEXT
    """

    venue = "hyperliquid-sim"
    stream_slots = 10

    def __init__(self, prices=None, *, clock=lambda: int(time.time() * 1000)):
        self.prices = {symbol: Decimal(price) for symbol, price in (prices or {"BTC": "50000"}).items()}
        self.accounts = {}
        self.masters = {}  # signer → account
        self.fates = []
        self.sent = []  # (kind, nonce, valid_until, client ids)
        self.queries = []  # names of queries
        self.late = []
        self.go = asyncio.Event()
        self.away = False
        self.mute = set()  # queries without a response
        self.streaming = True
        self.watched = []
        self.sink = None
        self.up = asyncio.Event()
        self.cut = asyncio.Event()
        self.closed = False
        self.part = None  # immediate orders are filled by this share only
        self._clock = clock
        self._ids = count(1000)

    def account_open(self, address, signer, cash="10000"):
        self.accounts[address] = Account(address, cash)
        self.masters[signer] = address

    # --- sends ------------------------------------------------------------------------------------
    async def place(self, orders, *, signer, nonce, valid_until):
        self.sent.append(("place", nonce, valid_until, [order.client_id for order in orders]))
        return await self._deliver(
            lambda account: [self._place(account, one) for one in orders], signer, valid_until
        )

    async def cancel(self, cancels, *, signer, nonce):
        self.sent.append(("cancel", nonce, None, [one.client_id or one.venue_id for one in cancels]))
        return await self._deliver(
            lambda account: [self._cancel(account, one) for one in cancels], signer, None
        )

    async def modify(self, changes, *, signer, nonce, valid_until):
        self.sent.append(("modify", nonce, valid_until, [one.order.client_id for one in changes]))
        return await self._deliver(
            lambda account: [self._modify(account, one) for one in changes], signer, valid_until
        )

    async def leverage(self, symbol, leverage, mode, *, signer, nonce, valid_until):
        self.sent.append(("leverage", nonce, valid_until, [symbol]))
        await self._deliver(lambda account: [], signer, valid_until)

    async def _deliver(self, act, signer, valid_until):
        fate = self.fates.pop(0) if self.fates else "away" if self.away else "ok"
        if fate == "away":
            raise VenueUnavailable(self.venue, "connection refused")
        if fate.startswith("refused:"):
            raise VenueRejected(self.venue, fate.partition(":")[2])
        if fate == "lost_request":
            raise OutcomeUnknown(self.venue, "connection lost")
        if fate in ("late", "later"):
            self.late.append((act, signer, valid_until))
            if fate == "later":
                left = max(0, valid_until - ALMOST_LATE - self._clock()) / 1000
                asyncio.get_running_loop().call_later(left, self.arrive)
            raise OutcomeUnknown(self.venue, "timeout")
        answers = self._arrived(act, signer, valid_until)
        if fate == "lost_reply":
            raise OutcomeUnknown(self.venue, "connection lost")
        if fate == "slow":
            await self.go.wait()
        return answers

    def arrive(self):
        """Late requests arrive now."""
        for act, signer, valid_until in self.late:
            try:
                self._arrived(act, signer, valid_until)
            except VenueRejected:
                continue
        self.late.clear()

    def _arrived(self, act, signer, valid_until):
        if valid_until is not None and self._clock() > valid_until:
            raise VenueRejected(self.venue, "Action already expired")
        return act(self.accounts[self.masters[signer.key_id]])

    def _place(self, account, spec):
        if any(order.status == "open" for order in account.by_client(spec.client_id)):
            return Rejected("Order with this cloid is already open.")
        now, price = self._clock(), self.prices[spec.symbol]
        crosses = spec.price >= price if spec.side == "buy" else spec.price <= price
        if crosses and spec.tif == "alo":
            return Rejected("Post only order would have immediately matched", "badAloPxRejected")
        order = VenueOrder(
            spec.symbol, spec.side, spec.kind, spec.tif, spec.price, spec.size, spec.size,
            str(next(self._ids)), spec.client_id, "open", "open", now, now, spec.reduce_only, spec.trigger_price,
        )  # fmt: skip
        account.orders[order.venue_id] = order
        if not crosses and (spec.tif == "ioc" or spec.kind == "market"):
            self._change(account, order, status="rejected", raw_status="iocCancelRejected")
            return Rejected("Order could not immediately match against any resting orders.")
        if not crosses:
            self._emit("order", account, order)
            return Accepted(order.venue_id)
        size = spec.size if self.part is None else spec.size * self.part
        self._fill(account, order, size, price)
        order = account.orders[order.venue_id]
        if order.status == "open" and spec.tif == "ioc":
            order = self._change(account, order, status="cancelled", raw_status="canceled")
        return Accepted(order.venue_id, resting=order.status == "open", filled=size)

    def _cancel(self, account, spec):
        for order in account.open():
            if spec.venue_id == order.venue_id or (spec.client_id and spec.client_id == order.client_id):
                self._change(account, order, status="cancelled", raw_status="canceled")
                return Accepted(order.venue_id, resting=False)
        return Rejected("Order was never placed, already canceled, or filled.")

    def _modify(self, account, change):
        done = self._cancel(account, change.target)
        return self._place(account, change.order) if isinstance(done, Accepted) else done

    def _change(self, account, order, **changes):
        order = replace(order, status_time=self._clock(), **changes)
        account.orders[order.venue_id] = order
        self._emit("order", account, order)
        return order

    def _fill(self, account, order, size, price):
        signed = size if order.side == "buy" else -size
        before = account.sizes[order.symbol]
        closing = min(abs(signed), abs(before)) if before * signed < 0 else ZERO
        entry = account.costs[order.symbol] / before if before else ZERO
        pnl = closing * (price - entry) * (1 if before > 0 else -1)
        fee = (size * price * FEE).quantize(Decimal("0.000001"))
        fill = VenueFill(
            order.symbol, order.side, price, size, self._clock(), order.venue_id, str(next(self._ids)),
            order.client_id, (("USDC", fee),), pnl, taker=True, position_before=before,
        )  # fmt: skip
        account.fills.append(fill)
        account.cash += pnl - fee
        account.sizes[order.symbol] = before + signed
        account.costs[order.symbol] += signed * price + pnl
        left = order.remaining - size
        status = "open" if left else "filled"
        self._emit("fill", account, fill)
        self._change(account, order, remaining=left, status=status, raw_status=status)

    def price(self, symbol, price):
        """Move the price; orders that it crosses are filled."""
        self.prices[symbol] = price = Decimal(price)
        for account in self.accounts.values():
            for order in [one for one in account.open() if one.symbol == symbol]:
                if order.price >= price if order.side == "buy" else order.price <= price:
                    self._fill(account, order, order.remaining, order.price)

    # --- streams ----------------------------------------------------------------------------------
    def _emit(self, what, account, event):
        if self.streaming and self.sink and account.address in self.watched:
            getattr(self.sink, what)(account.address, event)

    def watch(self, addresses):
        self.watched = list(addresses)

    async def run(self, sink):
        self.sink = sink
        sink.connected()
        self.up.set()
        await self.cut.wait()
        self.cut.clear()
        sink.disconnected("cut")

    async def close(self):
        self.closed = True

    # --- queries ----------------------------------------------------------------------------------
    def _query(self, name):
        self.queries.append(name)
        if self.away or name in self.mute:
            raise VenueUnavailable(self.venue, "connection refused")

    async def order_get(self, address, *, client_id=None, venue_id=None):
        self._query("order_get")
        account = self.accounts[address]
        found = (
            account.by_client(client_id) if client_id else [o for o in [account.orders.get(venue_id)] if o]
        )
        return found[-1] if found else None

    async def orders_open(self, address):
        self._query("orders_open")
        return self.accounts[address].open()

    async def fills(self, address, since):
        self._query("fills")
        return [fill for fill in self.accounts[address].fills if fill.time >= since]

    async def fundings(self, address, since):
        self._query("fundings")
        return []

    async def movements(self, address, since):
        self._query("movements")
        return []

    async def account(self, address):
        self._query("account")
        account = self.accounts[address]
        positions = tuple(
            VenuePosition(symbol, size, account.costs[symbol], 10, "cross", ZERO, ZERO, None)
            for symbol, size in account.sizes.items()
            if size
        )
        return AccountState(
            self._clock(), {("perp", "USDC"): account.cash}, positions, account.cash, account.cash
        )

    async def role(self, address):
        self._query("role")
        master = self.masters.get(address)
        return KeyRole("agent", master) if master else KeyRole("missing")

    async def agents(self, address):
        self._query("agents")
        return []

    async def key_verify(self, key, now):
        role = await self.role(key.key_id)
        return evaluate_key(key, role, await self.agents(key.account) if role.role == "agent" else [], now)
