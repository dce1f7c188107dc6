"""One wallet and one moment, in which orders are judged, each after the ones before it."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from market.domain.instruments import Instrument
from market.selectors import instrument_rules
from wallets.domain.denials import Denial
from wallets.domain.errors import NotFound, OrderConflict, OrderDenied, OrderInvalid
from wallets.domain.pricing import request_check
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Case, Denied, case_of, check
from wallets.domain.risk_context import Held, Situation, after_denial, beside, without
from wallets.domain.status import LIVE, OrderStatus
from wallets.models import Order
from wallets.selectors.prices import Prices
from wallets.selectors.risk_context import situation_of, wallets_with_states
from wallets.services.order_cancels import cancel_locked
from wallets.services.unit_of_work import Books

MARKET_WAITS = timedelta(seconds=30)
OTHERS_WAIT = timedelta(minutes=10)

Outcome = Order | OrderDenied | OrderInvalid | OrderConflict


class Desk:
    """`wallet` is a row of `wallets_with_states`; `source` is the bot that asks, if one does.

    Whoever places keeps the wallet's row locked and calls `close`, which writes: until then verdicts and
    reservations are in memory, and the situation is read once for as long as it is the same instrument.
    """

    def __init__(self, wallet: Any, prices: Prices, now: datetime, *, source: UUID | None = None) -> None:
        self.wallet = wallet
        self.prices = prices
        self.now = now
        self.source = source
        self._books = Books(wallet, now)
        self._known: dict[UUID, Order | None] = {}  # by client id, as far as it was looked
        self._changing: dict[UUID, bool] = {}  # by order: does another one take its place?
        self._situation: tuple[str, Situation] | None = None

    @classmethod
    def open(cls, *, user: Any, wallet_id: UUID, prices: Prices, source: UUID | None = None) -> "Desk":
        """Locks the wallet's row. Raises `NotFound`."""
        wallets = wallets_with_states().select_for_update(no_key=True, of=("self",))
        wallet = wallets.filter(pk=wallet_id, user=user).first()
        if wallet is None:
            raise NotFound("There is no such wallet.")
        return cls(wallet, prices, timezone.now(), source=source)

    def close(self) -> None:
        """Write what was decided since it was opened, or closed last."""
        self._books.close(knows=self.source)
        self._books = self._books.anew()

    # --- what is there -------------------------------------------------------------------------------
    def look(self, client_ids: Collection[UUID]) -> None:
        """Read all these orders at once, instead of one by one when they are asked for."""
        orders = Order.objects.select_related("instrument").filter(wallet=self.wallet)
        self._known |= dict.fromkeys(client_ids)
        self._known |= {order.client_id: order for order in orders.filter(client_id__in=client_ids)}
        found = [order.pk for order in self._known.values() if order is not None]
        if not found:
            return
        heirs = Order.objects.filter(replaces__in=found, status__in=LIVE)
        changing = set(heirs.values_list("replaces", flat=True))
        self._changing |= {order: order in changing for order in found}

    def known(self, client_id: UUID) -> Order | None:
        """The wallet's order under this id, placed a moment ago or long before."""
        if client_id not in self._known:
            self.look([client_id])
        return self._known[client_id]

    def is_changing(self, order: Order) -> bool:
        """Does another order take its place as soon as the venue agrees?"""
        if order.pk not in self._changing:
            self._changing[order.pk] = Order.objects.filter(replaces=order, status__in=LIVE).exists()
        return self._changing[order.pk]

    def repeated(self, request: OrderRequest) -> Outcome | None:
        """The order that has this id. Raises `OrderConflict` when it asked for something else."""
        known = self.known(request.client_id)
        if known is None:
            return None
        if known.fingerprint != fingerprint(request):
            raise OrderConflict("Another order was placed under this client id.")
        return denied(known) if known.status == OrderStatus.DENIED else known

    def checked(self, request: OrderRequest) -> tuple[OrderRequest, Any]:
        """The request in order, and the row of its instrument. Raises `OrderInvalid`."""
        asked = request_check(request)
        if asked.venue != self.wallet.venue_id:
            raise OrderInvalid("venue", f"This wallet is at {self.wallet.venue_id}.")
        row = self._books.instrument(asked.symbol)
        if row is None:
            raise OrderInvalid("symbol", f"{asked.venue} has no instrument {asked.symbol}.")
        return asked, row

    # --- judging -------------------------------------------------------------------------------------
    def judge(
        self, asked: OrderRequest, instrument: Instrument, *, replaces: Order | None = None
    ) -> tuple[Approved | Denied, Case]:
        """The verdict on a checked request; what `replaces` holds back counts as free."""
        situation = self.situation(instrument)
        if replaces is not None:
            left = replaces.size - replaces.filled
            situation = without(situation, asked.side, left, replaces.price, replaces.reserved)
        return check(asked, instrument, situation), case_of(asked, instrument, situation)

    def situation(self, instrument: Instrument) -> Situation:
        """As it is after everything that was placed here."""
        if self._situation is None or self._situation[0] != instrument.symbol:
            self.close()  # what this instrument's orders changed for the next one is read from the books
            self._situation = (
                instrument.symbol, situation_of(self.wallet, instrument, self.prices, self.now)
            )  # fmt: skip
        return self._situation[1]

    # --- placing and taking back -----------------------------------------------------------------------
    def place(self, request: OrderRequest, origin: str, *, replaces: Order | None = None) -> Outcome:
        """The verdict, kept; what is wrong with this one order is returned, not raised."""
        try:
            asked, row = self.checked(request)
            known = self.repeated(asked)
        except (OrderInvalid, OrderConflict) as error:
            return error
        if known is not None:
            return known
        verdict, _ = self.judge(asked, instrument_rules(row), replaces=replaces)
        # A denied order is remembered with what it asked for, if that had a price.
        price = verdict.price or asked.trigger_price or self.prices.mark(asked.symbol)
        if price is None:
            assert isinstance(verdict, Denied), "whatever is approved has a price"
            return OrderDenied(verdict.denial, verdict.sentence, None)
        order = self._order(asked, row, origin, price)
        order.replaces = replaces
        order.source_id = self.source if origin == Order.Origin.BOT else None
        return self._keep(order, asked, verdict)

    def cancel(self, order: Order) -> None:
        """What has not left us ends at once; the rest is asked of the venue."""
        if order.status == OrderStatus.PENDING:
            self.close()
            self._situation, self._known, self._changing = None, {}, {}
        cancel_locked(self.wallet, [order], knows=self.source)

    def _order(self, asked: OrderRequest, row: Any, origin: str, price: Decimal) -> Order:
        key = uuid4()
        waits = MARKET_WAITS if asked.kind == "market" else OTHERS_WAIT
        return Order(
            id=key,
            wallet=self.wallet,
            instrument=row,
            client_id=asked.client_id,
            venue_client_id=f"0x{key.hex}",
            origin=origin,
            why=asked.why or {},
            fingerprint=fingerprint(asked),
            side=asked.side,
            kind=asked.kind,
            tif=asked.tif,
            reduce_only=asked.reduce_only,
            price=price,
            trigger_price=asked.trigger_price,
            size=asked.size,
            mark_price=self.prices.mark(asked.symbol),
            send_before=self.now + waits,
        )

    def _keep(self, order: Order, asked: OrderRequest, verdict: Approved | Denied) -> Outcome:
        assert self._situation is not None
        symbol, now = self._situation
        self._known[order.client_id] = order
        if isinstance(verdict, Denied):
            order.status, order.ended_at = OrderStatus.DENIED, self.now
            order.code, order.message = verdict.denial.value, verdict.sentence[:300]
            self._books.order_changed(order)
            self._situation = symbol, after_denial(now, verdict.denial)
            return denied(order)
        already = Decimal(0)
        if order.replaces is not None:
            already, self._changing[order.replaces.pk] = order.replaces.reserved, True
        self._books.hold_open(
            order, pot=verdict.pot, asset=verdict.asset, amount=verdict.reserve, already=already
        )
        self._books.order_changed(order)
        held = Held(verdict.pot, verdict.asset, order.reserved)
        self._situation = symbol, beside(now, asked, verdict.price, held)
        return order


def fingerprint(request: OrderRequest) -> str:
    """Of what was asked, without the id it was asked under and why."""
    asked = (
        request.venue, request.symbol, request.side, request.kind, request.tif, request.reduce_only,
        *(
            None if number is None else format(number.normalize(), "f")
            for number in (request.size, request.price, request.trigger_price, request.slippage_percent)
        ),
    )  # fmt: skip
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def denied(order: Order) -> OrderDenied:
    """What was said when this order was denied."""
    return OrderDenied(Denial(order.code), order.message, order)
