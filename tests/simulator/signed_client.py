"""Accounts and signed actions for tests, without the official client."""

import itertools
from decimal import Decimal

from market.venues.hyperliquid import signing
from simulator.hyperliquid.exchange.account_audit import cash_gap, positions_sum
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.fees import LENIENT_RULES
from simulator.hyperliquid.exchange.private_streams import AccountStreams
from tests.simulator.conftest import NOW, small_world

USD = 1_000_000
_numbers = itertools.count(1)


def new_key():
    """A new key, unique in this test run."""
    return (next(_numbers) + 10**30).to_bytes(32, "big")


class Trader:
    """A signer and the account that it trades for."""

    def __init__(self, venue, key=None, *, account=None, vault=None):
        self.venue = venue
        self.key = key or new_key()
        self.signer = signing.address_of(self.key)
        self.address = account or self.signer
        self.vault = vault
        self.nonce = NOW

    def act(self, action, *, nonce=None, expires_after=None, network="testnet"):
        """Sign and send an action; returns the body of the response."""
        if nonce is None:
            self.nonce = nonce = max(self.nonce + 1, self.venue.now)
        hashed = signing.action_hash(action, nonce, vault=self.vault, expires_after=expires_after)
        signature = signing.sign(signing.l1_digest(hashed, network), self.key)
        body = signing.envelope(action, nonce, signature, vault=self.vault, expires_after=expires_after)
        return self.venue.act(body)

    def order(self, coin, side, price, size, **options):
        """The status of one order."""
        return self.orders(self.wire(coin, side, price, size, **options))[0]

    def wire(self, coin, side, price, size, **options):
        asset = self.venue.account_engine.exchange.asset_of[coin]
        return signing.OrderWire(asset, side, Decimal(str(price)), Decimal(str(size)), **options)

    def orders(self, *wires, grouping="na"):
        return self.act(signing.order_action(wires, grouping))["response"]["data"]["statuses"]

    def cancel(self, coin, oid):
        asset = self.venue.account_engine.exchange.asset_of[coin]
        return self.act(signing.cancel_action([(asset, oid)]))["response"]["data"]["statuses"][0]

    def ask(self, kind, **fields):
        reply = self.venue.account_engine.handle_info({"type": kind, "user": self.address, **fields})
        assert reply.status == 200
        return reply.body

    @property
    def account(self):
        return self.venue.account_engine.exchange.accounts[self.address]

    def status(self, oid):
        found = self.ask("orderStatus", oid=oid)
        return found["order"]["status"] if found["status"] == "order" else "unknownOid"


class VenueClient:
    """Account engine with a fake clock."""

    def __init__(self, rules=LENIENT_RULES, folder=None, now=NOW, **options):
        self.world = small_world(now=now, **options)
        self.account_engine = AccountEngine(self.world, rules)
        if folder:
            self.account_engine.restore(folder)
        self.private = AccountStreams(self.account_engine)
        self.notices = []

    @property
    def now(self):
        return self.world.now

    def act(self, body):
        status, answer = self.account_engine.handle_action(body, self.now)
        return answer if status == 200 else status

    def trader(self, usdc=100_000, **options):
        trader = Trader(self, **options)
        self.account_engine.fund(trader.address, usdc * USD)
        self.account_engine.drain()
        return trader

    def run(self, seconds=0.1):
        """Run blocks for that time."""
        for _ in range(max(1, round(seconds * 10))):
            self.world.step(self.now + 100)
            self.account_engine.block(self.now)

    def jump(self, coin, factor):
        """Multiply the price of a coin from now on, and run a block."""
        market = self.world.markets[coin]
        price = market.path.price
        market.path.price = lambda time: round(price(time) * factor)
        self.run()

    def mark(self, coin):
        market = self.world.markets[coin]
        return Decimal(market.listing.price_text(market.mark))

    def price(self, coin, factor=1):
        """A valid price relative to the mark price."""
        market = self.world.markets[coin]
        units = market.listing.floor(round(market.mark * factor))
        return Decimal(market.listing.price_text(units))

    def top(self, coin):
        market = self.world.markets[coin]
        return [Decimal(market.listing.price_text(market.book.best(side))) for side in ("buy", "sell")]

    def sound(self):
        """Assert the invariants of balances, positions and order books."""
        exchange = self.account_engine.exchange
        assert cash_gap(exchange) == 0
        for coin, market in self.world.markets.items():
            assert positions_sum(exchange, coin) == 0, coin
            bid, ask = market.book.best("buy"), market.book.best("sell")
            assert bid is None or ask is None or bid < ask
        return True
