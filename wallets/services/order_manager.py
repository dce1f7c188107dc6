"""Order manager: validates, risk-checks and stores orders of one locked wallet, one after the other."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.utils import timezone

from market.domain.instruments import Instrument
from market.selectors import instrument_rules
from market.venues import venue_adapter
from wallets.domain.denials import Denial
from wallets.domain.errors import NotFound, OrderConflict, OrderDenied, OrderInvalid
from wallets.domain.pricing import request_check
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Denied, RiskCheck, check, risk_check_of
from wallets.domain.risk_context import Reservation, RiskContext, after_denial, with_order, without_order
from wallets.domain.status import LIVE, OrderStatus
from wallets.models import Order
from wallets.selectors.prices import Prices
from wallets.selectors.risk_context import risk_context_of, wallets_with_states
from wallets.services.order_cancels import cancel_locked
from wallets.services.unit_of_work import WalletUnitOfWork

if TYPE_CHECKING:
    from accounts.models import User
    from market.models import Instrument as InstrumentRow
    from wallets.selectors.risk_context import WalletWithStates

MARKET_ORDER_TTL = timedelta(seconds=30)
LIMIT_ORDER_TTL = timedelta(minutes=10)

PlaceResult = Order | OrderDenied | OrderInvalid | OrderConflict


class OrderManager:
    """Validates, risk-checks and stores orders of one wallet at one moment.

    `wallet` is a row of `wallets_with_states`; `source` is the id of the bot that places the orders, if any.
    The caller keeps the wallet's row locked and calls `flush`, which writes. Until then results and
    reservations are in memory; the risk context is read once per run of orders of the same instrument.
    """

    def __init__(
        self, wallet: "WalletWithStates", prices: Prices, now: datetime, *, source: UUID | None = None
    ) -> None:
        self.wallet = wallet
        self.prices = prices
        self.now = now
        self.source = source
        self._books = WalletUnitOfWork(wallet, now)
        self._orders: dict[UUID, Order | None] = {}  # by client id; None: looked up and not found
        self._is_replaced: dict[UUID, bool] = {}  # by order: does a live order replace it?
        self._risk_context: tuple[str, RiskContext] | None = None

    @classmethod
    def open(
        cls, *, user: "User", wallet_id: UUID, prices: Prices, source: UUID | None = None
    ) -> "OrderManager":
        """Locks the wallet's row. Raises `NotFound`."""
        wallets = wallets_with_states().select_for_update(no_key=True, of=("self",))
        wallet = wallets.filter(pk=wallet_id, user=user).first()
        if wallet is None:
            raise NotFound("There is no such wallet.")
        return cls(wallet, prices, timezone.now(), source=source)

    def flush(self) -> None:
        """Write what was decided since the manager was opened or last flushed."""
        self._books.commit(origin_bot=self.source)
        self._books = self._books.restart()

    # --- existing orders --------------------------------------------------------------------------
    def preload(self, client_ids: Collection[UUID]) -> None:
        """Read all these orders in one query, instead of one by one."""
        orders = Order.objects.select_related("instrument").filter(wallet=self.wallet)
        self._orders |= dict.fromkeys(client_ids)
        self._orders |= {order.client_id: order for order in orders.filter(client_id__in=client_ids)}
        found = [order.pk for order in self._orders.values() if order is not None]
        if not found:
            return
        replacements = Order.objects.filter(replaces__in=found, status__in=LIVE)
        changing = set(replacements.values_list("replaces", flat=True))
        self._is_replaced |= {order: order in changing for order in found}

    def order_by_client_id(self, client_id: UUID) -> Order | None:
        """The wallet's order under this client id, stored or placed in this transaction; None without one."""
        if client_id not in self._orders:
            self.preload([client_id])
        return self._orders[client_id]

    def is_changing(self, order: Order) -> bool:
        """Does a live order replace this one as soon as the venue accepts the modification?"""
        if order.pk not in self._is_replaced:
            self._is_replaced[order.pk] = Order.objects.filter(replaces=order, status__in=LIVE).exists()
        return self._is_replaced[order.pk]

    def duplicate_of(self, request: OrderRequest) -> PlaceResult | None:
        """The existing result for this client id. Raises `OrderConflict` when the request differs."""
        existing = self.order_by_client_id(request.client_id)
        if existing is None:
            return None
        if existing.fingerprint != fingerprint(request):
            raise OrderConflict("Another order was placed under this client id.")
        return denial_of(existing) if existing.status == OrderStatus.DENIED else existing

    def checked(self, request: OrderRequest) -> tuple[OrderRequest, Any]:
        """The validated request and the row of its instrument. Raises `OrderInvalid`."""
        validated = request_check(request)
        if validated.venue != self.wallet.venue_id:
            raise OrderInvalid("venue", f"This wallet is at {self.wallet.venue_id}.")
        row = self._books.instrument(validated.symbol)
        if row is None:
            raise OrderInvalid("symbol", f"{validated.venue} has no instrument {validated.symbol}.")
        return validated, row

    # --- risk check -------------------------------------------------------------------------------
    def check_risk(
        self, validated: OrderRequest, instrument: Instrument, *, replaces: Order | None = None
    ) -> tuple[Approved | Denied, RiskCheck]:
        """The result for a validated request; the reservation of `replaces` counts as available."""
        risk_context = self.risk_context(instrument)
        if replaces is not None:
            remaining = replaces.size - replaces.filled
            risk_context = without_order(
                risk_context, validated.side, remaining, replaces.price, replaces.reserved
            )
        return check(validated, instrument, risk_context), risk_check_of(validated, instrument, risk_context)

    def risk_context(self, instrument: Instrument) -> RiskContext:
        """The risk context after every order placed by this manager."""
        if self._risk_context is None or self._risk_context[0] != instrument.symbol:
            self.flush()  # the context of another instrument is read from the database: write first
            self._risk_context = (
                instrument.symbol, risk_context_of(self.wallet, instrument, self.prices, self.now)
            )  # fmt: skip
        return self._risk_context[1]

    # --- placing and cancelling -------------------------------------------------------------------
    def place(self, request: OrderRequest, origin: str, *, replaces: Order | None = None) -> PlaceResult:
        """Risk-check and store one order; errors of this order are returned, not raised."""
        try:
            validated, row = self.checked(request)
            existing = self.duplicate_of(validated)
        except (OrderInvalid, OrderConflict) as error:
            return error
        if existing is not None:
            return existing
        result, _ = self.check_risk(validated, instrument_rules(row), replaces=replaces)
        # A denied order is stored as requested, provided that it has a price.
        price = result.price or validated.trigger_price or self.prices.mark(validated.symbol)
        if price is None:
            assert isinstance(result, Denied), "an approved order has a price"
            return OrderDenied(result.denial, result.message, None)
        order = self._order(validated, row, origin, price)
        order.replaces = replaces
        order.source_id = self.source if origin == Order.Origin.BOT else None
        return self._store(order, validated, result)

    def cancel(self, order: Order) -> None:
        """Pending orders, which were not sent, end at once; the others are cancelled at the venue."""
        if order.status == OrderStatus.PENDING:
            self.flush()
            self._risk_context, self._orders, self._is_replaced = None, {}, {}
        cancel_locked(self.wallet, [order], origin_bot=self.source)

    def _order(self, validated: OrderRequest, row: "InstrumentRow", origin: str, price: Decimal) -> Order:
        key = uuid4()
        ttl = MARKET_ORDER_TTL if validated.kind == "market" else LIMIT_ORDER_TTL
        return Order(
            id=key,
            wallet=self.wallet,
            instrument=row,
            client_id=validated.client_id,
            venue_client_id=venue_adapter(self.wallet.venue_id).client_order_id(key),
            origin=origin,
            provenance=validated.provenance or {},
            fingerprint=fingerprint(validated),
            side=validated.side,
            kind=validated.kind,
            tif=validated.tif,
            reduce_only=validated.reduce_only,
            price=price,
            trigger_price=validated.trigger_price,
            size=validated.size,
            mark_price=self.prices.mark(validated.symbol),
            send_before=self.now + ttl,
        )

    def _store(self, order: Order, validated: OrderRequest, result: Approved | Denied) -> PlaceResult:
        assert self._risk_context is not None
        symbol, now = self._risk_context
        self._orders[order.client_id] = order
        if isinstance(result, Denied):
            order.status, order.ended_at = OrderStatus.DENIED, self.now
            order.code, order.message = result.denial.value, result.message[:300]
            self._books.order_changed(order)
            self._risk_context = symbol, after_denial(now, result.denial)
            return denial_of(order)
        reserved_before = Decimal(0)
        if order.replaces is not None:
            reserved_before, self._is_replaced[order.replaces.pk] = order.replaces.reserved, True
        self._books.reservation_open(
            order,
            account_type=result.account_type,
            asset=result.asset,
            amount=result.reserve,
            already=reserved_before,
        )
        self._books.order_changed(order)
        reservation = Reservation(result.account_type, result.asset, order.reserved)
        self._risk_context = symbol, with_order(now, validated, result.price, reservation)
        return order


def fingerprint(request: OrderRequest) -> str:
    """SHA-256 of the request's terms, without client id and provenance."""
    terms = (
        request.venue, request.symbol, request.side, request.kind, request.tif, request.reduce_only,
        *(
            None if number is None else format(number.normalize(), "f")
            for number in (request.size, request.price, request.trigger_price, request.slippage_percent)
        ),
    )  # fmt: skip
    return hashlib.sha256(repr(terms).encode()).hexdigest()


def denial_of(order: Order) -> OrderDenied:
    """The denial that was stored with this order."""
    return OrderDenied(Denial(order.code), order.message, order)
