"""What should not happen and does: orders from elsewhere, facts that cannot be booked, orders that double."""

import logging
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from uuid import uuid5

from market.domain.orders import VenueFill, VenueOrder
from wallets.domain.reconciliation import Fact
from wallets.domain.status import OrderStatus
from wallets.models import Order, Wallet
from wallets.services.unit_of_work import Books
from wallets.services.user_events import alert_event

logger = logging.getLogger(__name__)

WHOLE_POSITION = "whole_position"  # a stop that follows the position: the venue gives it no size


def external_order(wallet: Wallet, fact: VenueOrder | VenueFill, instrument: Any, *, client_id: str) -> Order:
    """The row of an order that nobody here placed, under an id that is the same whenever it is met."""
    key = uuid5(wallet.pk, fact.venue_id)
    lot = Decimal(1).scaleb(-instrument.size_decimals)
    trigger = fact.trigger_price if isinstance(fact, VenueOrder) else None
    return Order(
        id=key,
        client_id=key,
        wallet=wallet,
        instrument=instrument,
        venue_order_id=fact.venue_id,
        venue_client_id=client_id,
        origin=Order.Origin.EXTERNAL,
        side=fact.side,
        price=fact.price or trigger or lot,
        size=fact.size or lot,
        status=OrderStatus.OPEN,
        flags=[] if fact.size else [WHOLE_POSITION],
    )


def is_trade(books: Books, fact: VenueFill) -> bool:
    """A trade of nothing, or for nothing, cannot be booked; it must not stop the others either."""
    if fact.size > 0 and fact.price > 0:
        return True
    _alert(books, "warning", f"A fill of {fact.size} {fact.symbol} at {fact.price} is not booked.")
    logger.warning("fill without size or price", extra={"fact": str(asdict(fact))})
    return False


def unknown_tell(books: Books, fact: Fact) -> None:
    symbol = getattr(fact, "symbol", "")
    _alert(
        books, "warning", f"{symbol} is not an instrument that we know; what happened in it is not booked."
    )
    logger.warning("fact of an unknown instrument", extra={"fact": str(asdict(fact))})


def doubled_tell(books: Books, order: Order, fact: VenueOrder | VenueFill) -> None:
    text = f"Two orders stand under one id of ours: {order.venue_order_id} and {fact.venue_id}."
    _alert(books, "critical", text)
    logger.error("doubled order", extra={"order_id": str(order.pk), "venue_id": fact.venue_id})


def reappeared_tell(books: Books, order: Order, fact: VenueOrder) -> None:
    text = f"An order in {fact.symbol} that had ended here stands at the venue; it is open again."
    _alert(books, "critical", text)
    logger.error("order reappeared", extra={"order_id": str(order.pk), "venue_id": fact.venue_id})


def _alert(books: Books, level: str, text: str) -> None:
    books.events.append(alert_event(books.wallet, level, text))
