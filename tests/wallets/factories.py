"""Factories for tests of wallets: a venue, two instruments, prices, a funded wallet and its lease."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.core.cache import cache

from core import leases
from core.leases import Claim
from market.domain.orders import Accepted, AccountState, VenueFill, VenueFunding, VenueMovement, VenueOrder
from market.models import Venue
from tests.market import factories as market
from wallets import services
from wallets.domain.requests import OrderRequest
from wallets.models import Balance, LedgerEntry, Order, Wallet
from wallets.services import VenueSnapshot

PERP, SPOT = "BTC", "HYPE/USDC"
MARKS = {PERP: "50000", SPOT: "25"}
NOW = int(time.time() * 1000)  # ms, of account events; an environment has its own clock
VALIDITY = 5_000
MARGIN = 2_000


def fees_packed(fields):
    """Fields of a fill with `fee` and `fee_asset` as its one entry of `fees`."""
    asset = fields.pop("fee_asset")
    return {"fees": ((asset, fields.pop("fee")),), **fields}


@dataclass
class TradingEnv:
    """alice's wallet at the simulator, and the claim of an execution worker on it."""

    user: Any
    venue: Venue
    wallet: Wallet
    claim: Claim
    now: int
    trades: int = 0

    # --- placing ----------------------------------------------------------------------------------
    def request(self, **changes: Any) -> OrderRequest:
        """A buy of 0.01 BTC at 49,000: rests, costs 490 at most."""
        fields: dict[str, Any] = {
            "client_id": uuid4(), "venue": self.venue.name, "symbol": PERP, "side": "buy", "kind": "limit",
            "size": Decimal("0.01"), "price": Decimal(49_000),
        }  # fmt: skip
        numbers = ("size", "price", "trigger_price", "slippage_percent")
        for name, value in changes.items():
            fields[name] = Decimal(value) if name in numbers and isinstance(value, (str, int)) else value
        return OrderRequest(**fields)

    def place(self, **changes: Any) -> Order:
        return services.order_place(
            user=self.user, wallet_id=self.wallet.pk, request=self.request(**changes), origin="api"
        )

    def cancel(self, order: Order) -> Order:
        return services.order_cancel(user=self.user, order_id=order.pk)

    # --- sending ----------------------------------------------------------------------------------
    def take(self, **options: Any) -> list[services.PreparedSubmission]:
        self.now += 1
        return services.orders_prepare(claim=self.claim, now=self.now, validity=VALIDITY, **options)

    def accept(self, order: Order, venue_id: str = "") -> Order:
        """Send the order and store that the venue accepted it."""
        (prepared,) = [one for one in self.take() if order.pk in one.order_ids]
        answers = [
            Accepted(venue_id or f"v{number}-{order.pk}"[:40]) for number, _ in enumerate(prepared.order_ids)
        ]
        services.submission_answered(claim=self.claim, submission_id=prepared.submission_id, answers=answers)
        return self.again(order)

    def open(self, venue_id: str = "", **changes: Any) -> Order:
        """An order that is open at the venue."""
        return self.accept(self.place(**changes), venue_id)

    # --- account events ---------------------------------------------------------------------------
    def fill(self, order: Order, size: str | None = None, **changes: Any) -> VenueFill:
        self.trades += 1
        fields: dict[str, Any] = {
            "symbol": order.instrument.symbol, "side": order.side, "price": order.price,
            "size": order.size if size is None else Decimal(size), "time": self.now + self.trades,
            "venue_id": order.venue_order_id, "trade_id": str(self.trades), "client_id": order.venue_client_id,
            "fee": Decimal("0.1"), "fee_asset": "USDC", "closed_pnl": Decimal(0), "taker": False,
        }  # fmt: skip
        return VenueFill(**fees_packed({**fields, **changes}))

    def venue_order(self, order: Order | None = None, status: str = "open", **changes: Any) -> VenueOrder:
        """The venue's event of `order`; of an external order when there is none."""
        fields: dict[str, Any] = {
            "symbol": PERP, "side": "buy", "kind": "limit", "tif": "gtc", "price": Decimal(49_000),
            "size": Decimal("0.01"), "venue_id": "e1", "client_id": None,
        }  # fmt: skip
        if order is not None:
            names = ("side", "kind", "tif", "price", "size", "reduce_only", "trigger_price")
            fields.update({name: getattr(order, name) for name in names})
            fields.update(
                symbol=order.instrument.symbol,
                venue_id=order.venue_order_id or f"v-{order.pk}"[:40],
                client_id=order.venue_client_id,
            )
        fields.update(
            {"remaining": fields["size"], "status": status, "raw_status": status, "time": self.now,
             "status_time": self.now} | changes
        )  # fmt: skip
        return VenueOrder(**fields)

    def tell(self, *facts: services.AccountEvent) -> list[services.Event]:
        return services.account_events_apply(claim=self.claim, facts=facts)

    def deposit(self, amount: str, *, account_type: str = "perp", asset: str = "USDC", ref: str = "") -> None:
        self.tell(movement(amount, account_type=account_type, asset=asset, ref=ref or str(uuid4())))

    def funding(self, amount: str, time: int = NOW) -> VenueFunding:
        return VenueFunding(PERP, Decimal(amount), "USDC", Decimal("0.0001"), Decimal(1), time)

    # --- reading ----------------------------------------------------------------------------------
    def again(self, order: Order) -> Order:
        return Order.objects.select_related("instrument").get(pk=order.pk)

    def held(self, account: str = "available", *, account_type: str = "perp", asset: str = "USDC") -> Decimal:
        row = Balance.objects.filter(
            wallet=self.wallet, account_type=account_type, asset=asset, account=account
        ).first()
        return row.amount if row else Decimal(0)

    def entries(self) -> int:
        return LedgerEntry.objects.filter(wallet=self.wallet).count()

    def state(
        self, cash: dict[tuple[str, str], str], *, time: int | None = None, **changes: Any
    ) -> AccountState:
        fields: dict[str, Any] = {
            "time": self.now + 10_000 if time is None else time,
            "cash": {key: Decimal(amount) for key, amount in cash.items()},
            "positions": (), "equity": Decimal(0), "withdrawable": Decimal(0),
        }  # fmt: skip
        return AccountState(**{**fields, **changes})

    def snapshot(self, before: AccountState, **changes: Any) -> VenueSnapshot:
        fields: dict[str, Any] = {
            "before": before, "since": 0, "open_orders": (), "fills": (), "fundings": (), "movements": (),
            "after": before,
        }  # fmt: skip
        return VenueSnapshot(**{**fields, **changes})


def movement(
    amount: str, *, account_type: Any = "perp", asset: str = "USDC", ref: str = "1"
) -> VenueMovement:
    return VenueMovement(ref, "deposit", ((account_type, asset, Decimal(amount)),), Decimal(0), asset, NOW)


def prices(marks: dict[str, str] | None = None, *, age_ms: int = 100) -> None:
    """Publish prices as the feed does."""
    ticks = {symbol: market.tick(mark) for symbol, mark in (MARKS if marks is None else marks).items()}

    def offer(publisher: Any) -> None:
        publisher.symbols(ticks)
        publisher.queue_ticks(ticks)

    market.publish(age_ms=age_ms, offer=offer)


def prices_forget() -> None:
    """An empty Redis, as after its start."""
    cache.clear()


def wallet_make(user: Any, venue: Venue, number: int = 1, **changes: Any) -> Wallet:
    fields = {"label": "one", "address": f"0x{number:040x}", "signer_address": f"0xa{number:039x}"}
    return Wallet.objects.create(user=user, venue=venue, status="active", **{**fields, **changes})


def claim_make(wallet: Wallet) -> Claim:
    worker: UUID = leases.worker_register(channel="wallets-execution")
    (claim,) = [one for one in leases.claim(Wallet, worker) if one.pk == wallet.pk]
    return claim


def world_make(user: Any) -> TradingEnv:
    venue = market.venue_make()
    market.instrument_make(venue, "BTC", 5)
    market.instrument_make(venue, "HYPE", 2, symbol=SPOT, kind="spot")
    venue.instruments.update(min_notional=10)
    prices()
    wallet = wallet_make(user, venue)
    world = TradingEnv(user, venue, wallet, claim_make(wallet), int(time.time() * 1000))
    world.deposit("10000", ref="first")
    return world
