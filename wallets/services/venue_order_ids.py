"""Venue order ids: one order may have many over time, because a change at the venue itself keeps the client order id.

The newest venue order is the order; the former ones keep their fills and stand in the order's history.
"""

from decimal import Decimal
from typing import Any

from core.formatting import plain
from market.domain.orders import VenueFill, VenueOrder
from wallets.domain import ledger
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Order
from wallets.services.unit_of_work import WalletUnitOfWork, milliseconds

ZERO = Decimal(0)


def is_replacement(order: Order, event: VenueOrder | VenueFill) -> bool:
    """Does the event tell of a venue order that replaced the known one, or that the known one replaced?

    A filled order, and one that never rests, cannot be replaced: another venue order under its client order id was
    then accepted twice.
    """
    if event.time >= (order.venue_time or 0):
        never_rests = order.tif == Order.Tif.IOC and order.trigger_price is None
        return not never_rests and order.status != OrderStatus.FILLED and order.filled < order.size
    return isinstance(event, VenueOrder) and event.status == "cancelled"


def former_add(books: WalletUnitOfWork, order: Order, venue_id: str) -> None:
    """Store an older id of the order, which was replaced before it was known here."""
    order.former_venue_ids = [*order.former_venue_ids, venue_id]
    _history_add(books, order, venue_id, ZERO)


def replacement_apply(books: WalletUnitOfWork, order: Order, event: VenueOrder | VenueFill) -> None:
    """Make the event's venue order the order. A fill alone does not tell its size and price.

    An order that had ended here is open again. One of a bot is cancelled then: the bot has been told that it ended
    and may have placed another one.
    """
    order.former_venue_ids = [*order.former_venue_ids, order.venue_order_id]
    _history_add(books, order, order.venue_order_id, order.filled - carried(order))
    order.venue_order_id, order.venue_time = event.venue_id, event.time
    if isinstance(event, VenueOrder):
        terms_apply(books, order, event.price, carried(order) + event.size)
    order.cancel_submission = None  # it was a cancel of the former venue order
    if order.status in TERMINAL:
        order.ended_at, order.code, order.message = None, "", ""
        books.order_transition(order, OrderEvent.REAPPEARED)
        if order.filled:
            books.order_transition(order, OrderEvent.PARTIALLY_FILLED)
        reopened_bot_order_cancel(books, order)
        _reserve(books, order)
    books.order_changed(order)


def reopened_bot_order_cancel(books: WalletUnitOfWork, order: Order) -> None:
    """Request the cancel of a bot's order that is open again after its bot was told that it ended."""
    if order.source_id is not None:
        order.cancel_requested_at = order.cancel_requested_at or books.now
        books.order_changed(order)


def terms_apply(books: WalletUnitOfWork, order: Order, price: Decimal, size: Decimal) -> None:
    """Set price and total size as the venue has them now, and adapt the reservation."""
    before = _worth(order)
    order.price, order.size = price or order.price, max(size, order.filled) or order.size
    if before:
        order.initial_reservation = ledger.exact(order.initial_reservation * _worth(order) / before)
    if order.status not in TERMINAL:
        _reserve(books, order)
    books.order_changed(order)


def former_fill(books: WalletUnitOfWork, order: Order, fill: VenueFill) -> None:
    """Account for a late fill of a former venue order: the present one has its size besides it."""
    order.venue_replacements = [
        {**row, "filled": plain(Decimal(row["filled"]) + fill.size)}
        if row["venue_id"] == fill.venue_id
        else row
        for row in order.venue_replacements
    ]
    terms_apply(books, order, order.price, order.size + fill.size)


def carried(order: Order) -> Decimal:
    """The filled size of all former venue orders."""
    return sum((Decimal(row["filled"]) for row in order.venue_replacements), ZERO)


def _worth(order: Order) -> Decimal:
    """What the reservation is proportional to."""
    return order.size if order.reserved_asset == order.instrument.base else order.size * order.price


def _reserve(books: WalletUnitOfWork, order: Order) -> None:
    remaining = order.size - order.filled
    books.reservation_set(order, ledger.reservation_after(order.initial_reservation, order.size, remaining))


def _history_add(books: WalletUnitOfWork, order: Order, venue_id: str, filled: Decimal) -> None:
    row: dict[str, Any] = {
        "venue_id": venue_id, "price": plain(order.price), "size": plain(order.size), "filled": plain(filled),
        "at": milliseconds(books.now),
    }  # fmt: skip
    order.venue_replacements = [*order.venue_replacements, row]
    books.order_changed(order)
