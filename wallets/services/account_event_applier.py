"""Applying what a venue tells to open books: idempotent, in any order, never refused.

Orders that nobody here placed are adopted, also from a fill that comes before its order. What is about
an instrument that the venue never listed cannot be booked; it is told as an alert and seen as a residual.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from market.domain.orders import VenueFill, VenueFunding, VenueMovement, VenueOrder
from wallets.domain import ledger, position
from wallets.domain.lifecycle import OrderEvent, fill_event, fill_flags
from wallets.domain.position import Holding
from wallets.domain.reconciliation import Fact, ref_of
from wallets.domain.status import TERMINAL
from wallets.models import Fill, LedgerTransfer, Order, Position
from wallets.services.anomalies import doubled_tell, external_order, is_trade, reappeared_tell, unknown_tell
from wallets.services.unit_of_work import Books

FROM_FILL = "from_fill"  # known from its fills alone: size and price are theirs
PARTIAL = "partial"  # known from a stream that does not tell kind, time in force and trigger
FILLS_MISSING = "fills_missing"  # the venue says that it is filled, and we have not seen all of it
_PLAIN_ENDS = {"canceled", "cancelled", ""}


class Facts:
    """Facts of one account on the books of its wallet. `missed` collects what could not be booked."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.missed: list[Fact] = []
        self.wants_reconcile = False
        self.from_fills: dict[str, Order] = {}  # adopted from a fill, by the venue's id
        self._by_venue_id: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}
        self._fills: set[tuple[str, str]] = set()
        self._refs: set[str] = set()

    def apply(self, facts: Sequence[Fact]) -> None:
        """All of them, orders first: a fill then finds the order that it belongs to."""
        self.load(facts)
        for fact in sorted(facts, key=lambda one: not isinstance(one, VenueOrder)):
            match fact:
                case VenueOrder():
                    self.order(fact)
                case VenueFill():
                    self.fill(fact)
                case VenueFunding():
                    self.funding(fact)
                case VenueMovement():
                    self.movement(fact)

    def load(self, facts: Iterable[Fact]) -> None:
        """Everything known about these facts, in one query per table."""
        facts = list(facts)
        about = [fact for fact in facts if isinstance(fact, VenueOrder | VenueFill)]
        self.books.instruments_load(fact.symbol for fact in facts if not isinstance(fact, VenueMovement))
        wallet = self.books.wallet
        mine = Q(venue_order_id__in={fact.venue_id for fact in about}) | Q(
            venue_client_id__in={fact.client_id for fact in about if fact.client_id}
        )
        if about:
            rows = Order.objects.filter(mine, wallet=wallet).select_related("instrument")
            for order in self.books.orders_know(rows):
                self._remember(order)
            trades = {fact.trade_id for fact in about if isinstance(fact, VenueFill)}
            known = Fill.objects.filter(wallet=wallet, trade_id__in=trades)
            self._fills.update(known.values_list("order__venue_order_id", "trade_id"))
        refs = {ref for fact in facts if (ref := ref_of(fact))}
        if refs:
            booked = LedgerTransfer.objects.filter(wallet=wallet, ref__in=refs)
            self._refs.update(booked.values_list("ref", flat=True))

    def _remember(self, order: Order) -> None:
        if order.venue_order_id:
            self._by_venue_id[order.venue_order_id] = order
        if order.venue_client_id:
            self._by_client_id[order.venue_client_id] = order

    def _find(self, fact: VenueOrder | VenueFill) -> Order | None:
        """By the venue's id; by ours only while the order has none of the venue's."""
        if found := self._by_venue_id.get(fact.venue_id):
            return found
        found = self._by_client_id.get(fact.client_id or "")
        if found is None:
            return None
        if found.venue_order_id:
            self._doubled(found, fact)
            return None
        found.venue_order_id = fact.venue_id
        self._by_venue_id[fact.venue_id] = found
        self.books.order_changed(found)
        return found

    def _doubled(self, order: Order, fact: VenueOrder | VenueFill) -> None:
        """One id of ours, two orders of the venue's: must never happen, so it is shouted when it does."""
        self.books.order_flag(order, "doubled")
        doubled_tell(self.books, order, fact)

    # --- orders ----------------------------------------------------------------------------------
    def order(self, fact: VenueOrder) -> None:
        order = self._find(fact) or self._adopt(fact)
        if order is not None:
            self.order_is(order, fact)

    def order_is(self, order: Order, fact: VenueOrder) -> None:
        """The venue's word on an order that we know. What is over stays over."""
        if is_vague(order):
            self._learn(order, fact)
        if order.status in TERMINAL:
            return
        ended = "" if fact.raw_status in _PLAIN_ENDS else fact.raw_status
        if fact.status == "cancelled":
            self.books.order_move(order, OrderEvent.ENDED, code=ended)
        elif fact.status == "rejected":
            self.books.order_move(order, OrderEvent.REFUSED, code=ended or "rejected", message=ended)
        elif fact.status == "filled" and order.filled < order.size:
            self.books.order_move(order, OrderEvent.ACCEPTED)
            self.wants_reconcile |= FILLS_MISSING not in order.flags
            self.books.order_flag(order, FILLS_MISSING)
        else:
            self.books.order_move(order, OrderEvent.ACCEPTED)

    def reopen(self, fact: VenueOrder) -> None:
        """The venue lists as open what is over with us: it lives again, and holds its funds again."""
        self.load([fact])
        order = self._find(fact)
        if order is None or order.status not in TERMINAL:
            return
        if is_vague(order):
            self._learn(order, fact)
        if order.filled >= order.size:
            return  # nothing of it can stand anywhere
        order.ended_at = None
        self.books.order_move(order, OrderEvent.REAPPEARED)
        if order.filled:
            self.books.order_move(order, OrderEvent.FILLED_PARTLY)
        left = order.size - order.filled
        self.books.hold_set(order, ledger.held_after(order.hold, order.size, left))
        self.books.order_flag(order, "reappeared")
        reappeared_tell(self.books, order, fact)

    def _learn(self, order: Order, fact: VenueOrder) -> None:
        if fact.partial:
            self.wants_reconcile = True
            return
        for name in ("side", "kind", "tif", "price", "trigger_price", "reduce_only"):
            setattr(order, name, getattr(fact, name))
        order.size = max(fact.size, order.filled)  # a venue says 0 for "the whole position"
        for flag in (FROM_FILL, PARTIAL):
            self.books.order_unflag(order, flag)
        self.books.order_changed(order)

    def _adopt(self, fact: VenueOrder) -> Order | None:
        instrument = self._instrument(fact)
        if instrument is None:
            return None
        order = self._external(fact, instrument, tif=fact.tif, kind=fact.kind)
        order.reduce_only, order.trigger_price = fact.reduce_only, fact.trigger_price
        order.accepted_at = datetime.fromtimestamp(fact.time / 1000, UTC)
        if fact.partial:
            self.books.order_flag(order, PARTIAL)
            self.wants_reconcile = True
        return order

    def _external(self, fact: VenueOrder | VenueFill, instrument: Any, *, tif: str, kind: str) -> Order:
        taken = fact.client_id in self._by_client_id
        order = external_order(
            self.books.wallet, fact, instrument, client_id="" if taken else fact.client_id or ""
        )
        order.tif, order.kind = tif, kind
        self._remember(order)
        self.books.orders_know([order])
        self.books.order_changed(order)
        return order

    # --- fills -----------------------------------------------------------------------------------
    def fill(self, fact: VenueFill) -> None:
        if (fact.venue_id, fact.trade_id) in self._fills:
            return
        instrument = self._instrument(fact)
        if instrument is None or not is_trade(self.books, fact):
            return
        order = self._find(fact) or self._adopt_from_fill(fact, instrument)
        self._fills.add((fact.venue_id, fact.trade_id))
        self._fill_order(order, fact)
        if instrument.kind == "perp":
            self._hold(instrument, fact)
        postings = ledger.fill(fact, pot=instrument.kind, base=instrument.base, quote=instrument.quote)
        row = LedgerTransfer(
            ref=ref_of(fact),
            kind=LedgerTransfer.Kind.FILL,
            order=order,
            instrument=instrument,
            time=fact.time,
        )
        self.books.post(row, postings)
        self.books.fill_add(self._fill_row(fact, order, instrument))

    def _adopt_from_fill(self, fact: VenueFill, instrument: Any) -> Order:
        tif = Order.Tif.IOC if fact.taker else Order.Tif.GTC
        order = self._external(fact, instrument, tif=tif, kind=Order.Kind.LIMIT)
        self.books.order_flag(order, FROM_FILL, *["liquidation"] * fact.liquidation)
        self.from_fills[fact.venue_id] = order
        return order

    def _fill_order(self, order: Order, fact: VenueFill) -> None:
        left = order.size - order.filled
        order.filled += fact.size
        order.filled_value += ledger.exact(fact.price * fact.size)
        if FROM_FILL in order.flags:
            order.size = max(order.size, order.filled)
            self.books.order_move(order, OrderEvent.FILLED_PARTLY)
            return
        self.books.order_flag(order, *fill_flags(order.status, order.filled, order.size))
        left_now = order.size - order.filled
        if left_now <= 0:
            self.books.order_unflag(order, FILLS_MISSING)
        elif order.status not in TERMINAL:
            self.books.hold_set(order, ledger.held_after(order.reserved, left, left_now))
        self.books.order_move(order, fill_event(order.filled, order.size))

    def _fill_row(self, fact: VenueFill, order: Order, instrument: Any) -> Fill:
        return Fill(
            order=order,
            wallet=self.books.wallet,
            instrument=instrument,
            trade_id=fact.trade_id,
            side=fact.side,
            price=fact.price,
            size=fact.size,
            fee=fact.fee,
            fee_asset=fact.fee_asset,
            closed_pnl=fact.closed_pnl,
            taker=fact.taker,
            liquidation=fact.liquidation,
            time=fact.time,
        )

    def _hold(self, instrument: Any, fact: VenueFill) -> None:
        row = self.books.position(instrument)
        holding_write(row, position.with_fill(holding_of(row), fact))
        self.books.position_changed(row)

    # --- money -----------------------------------------------------------------------------------
    def funding(self, fact: VenueFunding) -> None:
        instrument = self._instrument(fact)
        if instrument is None or not self._first_time(fact):
            return
        row = self.books.position(instrument)
        holding_write(row, position.with_funding(holding_of(row), fact))
        self.books.position_changed(row)
        transfer = LedgerTransfer(
            ref=ref_of(fact), kind=LedgerTransfer.Kind.FUNDING, instrument=instrument, time=fact.time
        )
        self.books.post(transfer, ledger.funding(fact))

    def movement(self, fact: VenueMovement) -> None:
        if self._first_time(fact):
            row = LedgerTransfer(
                ref=ref_of(fact), kind=LedgerTransfer.Kind.MOVEMENT, time=fact.time, note=fact.kind[:200]
            )
            self.books.post(row, ledger.movement(fact))

    def _first_time(self, fact: Fact) -> bool:
        ref = ref_of(fact)
        if ref in self._refs:
            return False
        self._refs.add(ref)
        return True

    def _instrument(self, fact: VenueOrder | VenueFill | VenueFunding) -> Any:
        instrument = self.books.instrument(fact.symbol)
        if instrument is None:
            self.missed.append(fact)
            unknown_tell(self.books, fact)
        return instrument


def is_vague(order: Order) -> bool:
    """Whether the venue's whole word on this order is still to come."""
    return bool({FROM_FILL, PARTIAL} & set(order.flags))


def holding_of(row: Position) -> Holding:
    return Holding(row.size, row.cost, row.realised, row.fees, row.funding)


def holding_write(row: Position, holding: Holding) -> None:
    for name, amount in asdict(holding).items():
        setattr(row, name, ledger.exact(amount))
