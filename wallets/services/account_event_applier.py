"""Account event applier: applies a venue's account events to orders, positions and ledger of one wallet.

Idempotent and independent of the order of events; no event is refused. External orders are adopted, also
from a fill that arrives before its order. Events of an instrument that the venue never listed cannot be
applied; they cause an alert and show up as a residual.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from core.formatting import plain
from market.domain.instruments import Kind
from market.domain.orders import (
    AccountType,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
    account_type_of,
)
from market.venues import venue_adapter
from wallets.domain import ledger, position
from wallets.domain.lifecycle import OrderEvent, fill_event, fill_flags
from wallets.domain.position import PositionTotals
from wallets.domain.reconciliation import AccountEvent, ref_of
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Fill, LedgerTransaction, Order, Position
from wallets.services import venue_order_ids
from wallets.services.anomalies import (
    alert_duplicate,
    alert_reappeared,
    alert_unknown,
    external_order,
    is_trade,
    loss_record,
)
from wallets.services.unit_of_work import WalletUnitOfWork

if TYPE_CHECKING:
    from market.models import Instrument

ADOPTED_FROM_FILL = "from_fill"  # known from its fills alone: size and price are those of the fills
PARTIAL = "partial"  # known from a stream without order type, time in force and trigger price
FILLS_MISSING = "fills_missing"  # the venue reports it as filled, and not all fills have been received
_PLAIN_ENDS = {"canceled", "cancelled", ""}


class AccountEventApplier:
    """Applies events within one unit of work. `missed` collects events that could not be applied."""

    def __init__(self, books: WalletUnitOfWork, open_ids: Collection[str] = ()) -> None:
        self.books = books
        self.open_ids = open_ids  # venue ids that a snapshot lists as open at the same time
        self.missed: list[AccountEvent] = []
        self.needs_reconcile = False
        self.from_fills: dict[str, Order] = {}  # adopted from a fill, by the venue's id
        self._by_venue_id: dict[str, Order] = {}
        self._by_client_id: dict[str, Order] = {}
        self._refs: set[str] = set()

    def apply(self, events: Sequence[AccountEvent]) -> None:
        """Apply all events, orders first: a fill then finds its order.

        Orders under new ids come before the others: an order that was replaced at the venue then has its new id when
        the end of the former one is applied.
        """
        self.load(events)
        for event in sorted(events, key=self._rank):
            match event:
                case VenueOrder():
                    self.order(event)
                case VenueFill():
                    self.fill(event)
                case VenueFunding():
                    self.funding(event)
                case VenueMovement():
                    self.movement(event)

    def _rank(self, event: AccountEvent) -> tuple[bool, bool, int]:
        if not isinstance(event, VenueOrder):
            return True, True, 0
        is_known = event.venue_id in self._by_venue_id
        return False, is_known, 0 if is_known else event.time

    def load(self, events: Iterable[AccountEvent]) -> None:
        """Load the rows that these events refer to, in one query per table."""
        events = list(events)
        order_events = [event for event in events if isinstance(event, VenueOrder | VenueFill)]
        self.books.instruments_load(event.symbol for event in events if not isinstance(event, VenueMovement))
        wallet = self.books.wallet
        ids = list({event.venue_id for event in order_events})
        client_ids = {event.client_id for event in order_events if event.client_id}
        referred = (
            Q(venue_order_id__in=ids)
            | Q(venue_client_id__in=client_ids)
            | (Q(former_venue_ids__overlap=ids) & ~Q(former_venue_ids=[]))
        )
        if order_events:
            rows = Order.objects.filter(referred, wallet=wallet).select_related("instrument")
            for order in self.books.track_orders(rows):
                self._index(order)
        refs = {ref for event in events if (ref := ref_of(event))}
        if refs:
            stored = LedgerTransaction.objects.filter(wallet=wallet, ref__in=refs)
            self._refs.update(stored.values_list("ref", flat=True))

    def _index(self, order: Order) -> None:
        for venue_id in (*order.former_venue_ids, order.venue_order_id):
            if venue_id:
                self._by_venue_id[venue_id] = order
        if order.venue_client_id:
            self._by_client_id[order.venue_client_id] = order

    def _find(self, event: VenueOrder | VenueFill) -> Order | None:
        """The order by a venue order id of now or before, else by client order id.

        A further venue order under the same client order id replaces the known one, or is a duplicate.
        """
        if found := self._by_venue_id.get(event.venue_id):
            return None if self._is_open_twice(found, event) else found
        found = self._by_client_id.get(event.client_id or "")
        if found is None:
            return None
        if found.venue_order_id and not self._replace(found, event):
            return None
        if not found.venue_order_id:
            found.venue_order_id = event.venue_id
            self.books.order_changed(found)
        self._by_venue_id[event.venue_id] = found
        return found

    def _replace(self, order: Order, event: VenueOrder | VenueFill) -> bool:
        """Apply a replacement at the venue. False: the event is of a duplicate."""
        both_open = {order.venue_order_id, event.venue_id} <= set(self.open_ids)
        if both_open or not venue_order_ids.is_replacement(order, event):
            self._duplicate_id(order, event)
            return False
        if event.time < (order.venue_time or 0):
            venue_order_ids.former_add(self.books, order, event.venue_id)
            return True
        venue_order_ids.replacement_apply(self.books, order, event)
        if isinstance(event, VenueFill) or event.incomplete:
            self.books.order_flag(order, PARTIAL)
            self.needs_reconcile = True
        return True

    def _is_open_twice(self, order: Order, event: VenueOrder | VenueFill) -> bool:
        """Does the venue list a former order as open beside its replacement? Then it is an order of its own."""
        ids = {order.venue_order_id, event.venue_id}
        if event.venue_id not in order.former_venue_ids or not ids <= set(self.open_ids):
            return False
        self._duplicate_id(order, event)
        order.former_venue_ids = [one for one in order.former_venue_ids if one != event.venue_id]
        del self._by_venue_id[event.venue_id]
        return True

    def _duplicate_id(self, order: Order, event: VenueOrder | VenueFill) -> None:
        """Two venue orders have the same client order id: must never happen, so it causes a critical alert."""
        self.books.order_flag(order, "doubled")
        alert_duplicate(self.books, order, event)

    # --- orders -----------------------------------------------------------------------------------
    def order(self, event: VenueOrder) -> None:
        order = self._find(event) or self._adopt(event)
        if order is not None and event.venue_id not in order.former_venue_ids:
            order.venue_time = event.time
            self.order_update(order, event)

    def order_update(self, order: Order, event: VenueOrder) -> None:
        """Apply the venue's status to an existing order. A terminal order stays terminal."""
        if is_incomplete(order):
            self._complete(order, event)
        if order.status in TERMINAL:
            return
        ended = "" if event.raw_status in _PLAIN_ENDS else event.raw_status
        if event.status == "cancelled":
            self.books.order_transition(order, OrderEvent.ENDED, code=ended)
            self._explain_end(order)
        elif event.status == "rejected":
            self.books.order_transition(order, OrderEvent.REJECTED, code=ended or "rejected", message=ended)
        elif event.status == "filled" and order.filled < order.size:
            self.books.order_transition(order, OrderEvent.ACCEPTED)
            self.needs_reconcile |= FILLS_MISSING not in order.flags
            self.books.order_flag(order, FILLS_MISSING)
        elif event.status == "other":
            self.books.order_transition(order, OrderEvent.ACCEPTED, code=event.raw_status)
        else:
            self.books.order_transition(order, OrderEvent.ACCEPTED)

    def _explain_end(self, order: Order) -> None:
        """Say that the order was lost, if the venue ended it because it rejected its change."""
        if order.cancel_requested_at is None and not order._state.adding:
            rejected = Order.objects.filter(replaces=order, status=OrderStatus.REJECTED).first()
            if rejected is not None:
                loss_record(self.books, order, rejected.message)

    def reopen(self, event: VenueOrder) -> None:
        """Reopen a terminal order that the venue lists as open, and reserve its funds again."""
        self.load([event])
        order = self._find(event)
        if order is None or order.status not in TERMINAL:
            return
        if is_incomplete(order):
            self._complete(order, event)
        if order.filled >= order.size:
            return  # fully filled: nothing of it can be open
        order.ended_at = None
        self.books.order_transition(order, OrderEvent.REAPPEARED)
        if order.filled:
            self.books.order_transition(order, OrderEvent.PARTIALLY_FILLED)
        remaining = order.size - order.filled
        self.books.reservation_set(
            order, ledger.reservation_after(order.initial_reservation, order.size, remaining)
        )
        self.books.order_flag(order, "reappeared")
        venue_order_ids.reopened_bot_order_cancel(self.books, order)
        alert_reappeared(self.books, order, event)

    def _complete(self, order: Order, event: VenueOrder) -> None:
        if event.incomplete:
            self.needs_reconcile = True
            if order.venue_replacements:
                self._terms_apply(
                    order, event
                )  # it has size and price, which a fill of the replacement had not
            return
        for name in ("side", "kind", "tif", "trigger_price", "reduce_only"):
            setattr(order, name, getattr(event, name))
        self._flag_unknown(order, event)
        self._terms_apply(order, event)  # a venue reports size 0 for "the whole position"
        for flag in (ADOPTED_FROM_FILL, PARTIAL):
            self.books.order_unflag(order, flag)
        self.books.order_changed(order)

    def _flag_unknown(self, order: Order, event: VenueOrder) -> None:
        """Keep the venue's own words for what is not known here."""
        if event.unknown_words:
            self.books.order_flag(order, event.unknown_words)

    def _terms_apply(self, order: Order, event: VenueOrder) -> None:
        size = venue_order_ids.carried(order) + event.size
        venue_order_ids.terms_apply(self.books, order, event.price, size)
        if order.venue_replacements and order.filled >= order.size and order.status not in TERMINAL:
            self.books.order_transition(order, OrderEvent.FILLED)

    def _adopt(self, event: VenueOrder) -> Order | None:
        instrument = self._instrument(event)
        if instrument is None:
            return None
        order = self._external(event, instrument, tif=event.tif, kind=event.kind)
        order.reduce_only, order.trigger_price = event.reduce_only, event.trigger_price
        order.accepted_at = datetime.fromtimestamp(event.time / 1000, UTC)
        self._flag_unknown(order, event)
        if event.incomplete:
            self.books.order_flag(order, PARTIAL)
            self.needs_reconcile = True
        return order

    def _external(
        self, event: VenueOrder | VenueFill, instrument: "Instrument", *, tif: str, kind: str
    ) -> Order:
        is_taken = event.client_id in self._by_client_id
        order = external_order(
            self.books.wallet, event, instrument, client_id="" if is_taken else event.client_id or ""
        )
        order.tif, order.kind = tif, kind
        self._index(order)
        self.books.track_orders([order])
        self.books.order_changed(order)
        return order

    def _account_type(self, kind: Kind) -> AccountType:
        return account_type_of(venue_adapter(self.books.wallet.venue_id).margin_model, kind)

    # --- fills ------------------------------------------------------------------------------------
    def fill(self, event: VenueFill) -> None:
        if ref_of(event) in self._refs:
            return
        instrument = self._instrument(event)
        if instrument is None or not is_trade(self.books, event):
            return
        order = self._find(event) or self._adopt_from_fill(event, instrument)
        self._refs.add(ref_of(event))
        self._apply_fill_to_order(order, event)
        if instrument.kind == "perp":
            self._update_position(instrument, event)
        postings = ledger.fill(
            event,
            account_type=self._account_type(instrument.kind),
            kind=instrument.kind,
            base=instrument.base,
            quote=instrument.quote,
        )
        row = LedgerTransaction(
            ref=ref_of(event),
            kind=LedgerTransaction.Kind.FILL,
            order=order,
            instrument=instrument,
            time=event.time,
        )
        self.books.post(row, postings)
        self.books.fill_add(self._fill_row(event, order, instrument))

    def _adopt_from_fill(self, event: VenueFill, instrument: "Instrument") -> Order:
        tif = Order.Tif.IOC if event.taker else Order.Tif.GTC
        order = self._external(event, instrument, tif=tif, kind=Order.Kind.LIMIT)
        self.books.order_flag(order, ADOPTED_FROM_FILL, *["liquidation"] * event.liquidation)
        self.from_fills[event.venue_id] = order
        return order

    def _apply_fill_to_order(self, order: Order, event: VenueFill) -> None:
        if event.venue_id in order.former_venue_ids:
            venue_order_ids.former_fill(self.books, order, event)
        remaining = order.size - order.filled
        order.filled += event.size
        order.filled_notional += ledger.exact(event.price * event.size)
        if ADOPTED_FROM_FILL in order.flags:
            order.size = max(order.size, order.filled)
            self.books.order_transition(order, OrderEvent.PARTIALLY_FILLED)
            return
        flags = fill_flags(order.status, order.filled, order.size)
        if order.reduce_only and order.status == OrderStatus.CANCELLED and order.cancel_requested_at is None:
            # The venue trims a reduce-only order to the position and ends it: its fills may arrive after that.
            flags = [flag for flag in flags if flag != "late_fill"]
        self.books.order_flag(order, *flags)
        remaining_now = order.size - order.filled
        if remaining_now <= 0:
            self.books.order_unflag(order, FILLS_MISSING)
        elif order.status not in TERMINAL:
            self.books.reservation_set(
                order, ledger.reservation_after(order.reserved, remaining, remaining_now)
            )
        self.books.order_transition(order, fill_event(order.filled, order.size))

    def _fill_row(self, event: VenueFill, order: Order, instrument: "Instrument") -> Fill:
        # The fee in the quote is the one that PnL is computed with: it has the column.
        fees = sorted(event.fees, key=lambda charge: charge[0] != instrument.quote)
        (asset, fee), *more = fees or [(instrument.quote, ledger.ZERO)]
        return Fill(
            order=order,
            wallet=self.books.wallet,
            instrument=instrument,
            trade_id=event.trade_id,
            side=event.side,
            price=event.price,
            size=event.size,
            fee=fee,
            fee_asset=asset,
            other_fees=[[name, plain(amount)] for name, amount in more],
            closed_pnl=event.closed_pnl,
            taker=event.taker,
            liquidation=event.liquidation,
            time=event.time,
        )

    def _update_position(self, instrument: "Instrument", event: VenueFill) -> None:
        row = self.books.position(instrument)
        totals_write(row, position.with_fill(totals_of(row), event, instrument.quote))
        self.books.position_changed(row)

    # --- money ------------------------------------------------------------------------------------
    def funding(self, event: VenueFunding) -> None:
        instrument = self._instrument(event)
        if instrument is None or not self._is_new(event):
            return
        row = self.books.position(instrument)
        totals_write(row, position.with_funding(totals_of(row), event))
        self.books.position_changed(row)
        transaction = LedgerTransaction(
            ref=ref_of(event), kind=LedgerTransaction.Kind.FUNDING, instrument=instrument, time=event.time
        )
        self.books.post(transaction, ledger.funding(event, self._account_type("perp")))

    def movement(self, event: VenueMovement) -> None:
        if self._is_new(event):
            row = LedgerTransaction(
                ref=ref_of(event),
                kind=LedgerTransaction.Kind.MOVEMENT,
                time=event.time,
                note=event.kind[:200],
            )
            self.books.post(row, ledger.movement(event, self._account_type("perp")))

    def _is_new(self, event: AccountEvent) -> bool:
        ref = ref_of(event)
        if ref in self._refs:
            return False
        self._refs.add(ref)
        return True

    def _instrument(self, event: VenueOrder | VenueFill | VenueFunding) -> Any:
        instrument = self.books.instrument(event.symbol)
        if instrument is None:
            self.missed.append(event)
            alert_unknown(self.books, event)
        return instrument


def is_incomplete(order: Order) -> bool:
    """Are fields of this order still missing (adopted from a fill or from an incomplete event)?"""
    return bool({ADOPTED_FROM_FILL, PARTIAL} & set(order.flags))


def totals_of(row: Position) -> PositionTotals:
    return PositionTotals(row.size, row.cost, row.realised_pnl, row.fees, row.funding)


def totals_write(row: Position, totals: PositionTotals) -> None:
    for name, amount in asdict(totals).items():
        setattr(row, name, ledger.exact(amount))
