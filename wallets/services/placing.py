"""Orders as people, programs and bots ask for them. Nothing here speaks to a venue.

Orders are not in the audit trail, which all writers queue for: an order, its submission, its fills and
its ledger entries are a trail of their own that nobody can rewrite.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from market.domain.instruments import Instrument
from market.selectors import instrument_rules
from wallets.domain.denials import Denial
from wallets.domain.errors import NotFound, OrderConflict, OrderDenied, OrderError, OrderInvalid
from wallets.domain.pricing import request_check
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Case, Denied, case_of, check, fee_estimate, reservation
from wallets.domain.situation import without
from wallets.domain.status import OrderStatus
from wallets.models import Order
from wallets.selectors.market import Prices, prices_of
from wallets.selectors.situation import situation_of, wallets_with_states
from wallets.services.books import Books
from wallets.services.nudging import execution_nudge
from wallets.services.records import Preview

BATCH = 20
MARKET_WAITS = timedelta(seconds=30)
OTHERS_WAIT = timedelta(minutes=10)

Outcome = Order | OrderDenied | OrderInvalid | OrderConflict


def order_place(*, user: Any, wallet_id: UUID, request: OrderRequest, origin: str, http: Any = None) -> Order:
    """The order, pending, its funds reserved; the same one when this `client_id` was here before.

    Raises `OrderInvalid`, `OrderDenied`, `OrderConflict` (another body under the id) or `NotFound`.
    """
    (outcome,) = orders_place(user=user, wallet_id=wallet_id, requests=[request], origin=origin, http=http)
    if isinstance(outcome, OrderError):
        raise outcome
    return outcome


def orders_place(
    *, user: Any, wallet_id: UUID, requests: Sequence[OrderRequest], origin: str, http: Any = None
) -> list[Outcome]:
    """Each judged in turn, after the ones before it; one transaction. Raises `OrderInvalid` and `NotFound`.

    `http` is the request that asked, when one did; nothing of it is kept.
    """
    if not 1 <= len(requests) <= BATCH:
        raise OrderInvalid("orders", f"Between one and {BATCH} orders.")
    prices = prices_of(requests[0].venue)  # from Redis, before anything is locked
    with transaction.atomic():
        desk = Desk.open(user=user, wallet_id=wallet_id, prices=prices)
        outcomes = [desk.place(request, origin) for request in requests]
        execution_nudge(wallet_id)
    return outcomes


def order_preview(*, user: Any, wallet_id: UUID, request: OrderRequest) -> Preview:
    """What would happen to this order now; writes nothing. Raises `OrderInvalid` and `NotFound`."""
    wallet = wallets_with_states().filter(pk=wallet_id, user=user).first()
    if wallet is None:
        raise NotFound("There is no such wallet.")
    desk = Desk(wallet, prices_of(request.venue), timezone.now())
    asked, row = desk.checked(request)
    verdict, case = desk.judge(asked, instrument_rules(row))
    return _preview(verdict, case)


class Desk:
    """One wallet and one moment, in which orders are judged. `wallet` is a row of `wallets_with_states`."""

    def __init__(self, wallet: Any, prices: Prices, now: datetime) -> None:
        self.wallet = wallet
        self.prices = prices
        self.now = now
        self._books = Books(wallet, now)

    @classmethod
    def open(cls, *, user: Any, wallet_id: UUID, prices: Prices) -> "Desk":
        """Locks the wallet's row. Raises `NotFound`."""
        wallets = wallets_with_states().select_for_update(no_key=True, of=("self",))
        wallet = wallets.filter(pk=wallet_id, user=user).first()
        if wallet is None:
            raise NotFound("There is no such wallet.")
        return cls(wallet, prices, timezone.now())

    def place(
        self,
        request: OrderRequest,
        origin: str,
        *,
        replaces: Order | None = None,
        source: UUID | None = None,
    ) -> Outcome:
        """Store the verdict; what is wrong with this one order is returned, not raised."""
        try:
            asked, row = self.checked(request)
            known = self.repeated(asked)
        except (OrderInvalid, OrderConflict) as error:
            return error
        if known is not None:
            return known
        verdict, _ = self.judge(asked, instrument_rules(row), replaces=replaces)
        order = self._order(asked, row, origin, verdict)
        order.replaces, order.source_id = replaces, source
        return self._store(order, verdict, replaces)

    def repeated(self, request: OrderRequest) -> Outcome | None:
        """The order that has this id. Raises `OrderConflict` when it asked for something else."""
        orders = Order.objects.select_related("instrument")
        known = orders.filter(wallet=self.wallet, client_id=request.client_id).first()
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

    def judge(
        self, asked: OrderRequest, instrument: Instrument, *, replaces: Order | None = None
    ) -> tuple[Approved | Denied, Case]:
        """The verdict on a checked request; what `replaces` holds back counts as free."""
        situation = situation_of(self.wallet, instrument, self.prices, self.now)
        if replaces is not None:
            left = replaces.size - replaces.filled
            situation = without(situation, asked.side, left, replaces.price, replaces.reserved)
        return check(asked, instrument, situation), case_of(asked, instrument, situation)

    def _order(self, asked: OrderRequest, row: Any, origin: str, verdict: Approved | Denied) -> Order:
        key = uuid4()
        waits = MARKET_WAITS if asked.kind == "market" else OTHERS_WAIT
        # A denied order is remembered with what it asked for, also when that had no price.
        price = verdict.price or asked.trigger_price or self.prices.mark(asked.symbol)
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
            price=price,  # type: ignore[misc]  # None is never saved: `_store`
            trigger_price=asked.trigger_price,
            size=asked.size,
            mark_price=self.prices.mark(asked.symbol),
            send_before=self.now + waits,
        )

    def _store(self, order: Order, verdict: Approved | Denied, replaces: Order | None) -> Outcome:
        books = Books(self.wallet, self.now)
        if isinstance(verdict, Denied):
            order.status, order.ended_at = OrderStatus.DENIED, self.now
            order.code, order.message = verdict.denial.value, verdict.sentence[:300]
            if order.price is not None:
                order.save(force_insert=True)
            return OrderDenied(verdict.denial, verdict.sentence, None if order._state.adding else order)
        already = replaces.reserved if replaces else verdict.reserve * 0
        books.hold_open(order, pot=verdict.pot, asset=verdict.asset, amount=verdict.reserve, already=already)
        books.order_changed(order)
        books.close()
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


def _preview(verdict: Approved | Denied, case: Case) -> Preview:
    denial, sentence = ("", "") if isinstance(verdict, Approved) else (verdict.denial.value, verdict.sentence)
    if case.price is None:
        return Preview(None, None, None, "", "", None, denial, sentence)
    pot, asset, amount = reservation(case)
    return Preview(case.price, case.notional, amount, pot, asset, fee_estimate(case), denial, sentence)
