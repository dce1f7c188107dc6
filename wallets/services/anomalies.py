"""Anomalies: external orders, events that cannot be applied, duplicate client order ids, reopened orders."""

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import uuid5

from market.domain.orders import VenueFill, VenueOrder
from wallets.domain.reconciliation import AccountEvent
from wallets.domain.status import OrderStatus
from wallets.models import Order, Wallet
from wallets.services.unit_of_work import WalletUnitOfWork
from wallets.services.user_events import alert_event

if TYPE_CHECKING:
    from market.models import Instrument

logger = logging.getLogger(__name__)

WHOLE_POSITION = "whole_position"  # a stop for the whole position: the venue gives it no size


def external_order(
    wallet: Wallet, event: VenueOrder | VenueFill, instrument: "Instrument", *, client_id: str
) -> Order:
    """The row of an order that was not placed here; its id is derived from the venue's order id."""
    key = uuid5(wallet.pk, event.venue_id)
    lot = instrument.size_step
    trigger = event.trigger_price if isinstance(event, VenueOrder) else None
    return Order(
        id=key,
        client_id=key,
        wallet=wallet,
        instrument=instrument,
        venue_order_id=event.venue_id,
        venue_client_id=client_id,
        origin=Order.Origin.EXTERNAL,
        side=event.side,
        price=event.price or trigger or lot,
        size=event.size or lot,
        status=OrderStatus.OPEN,
        flags=[] if event.size else [WHOLE_POSITION],
    )


def is_trade(books: WalletUnitOfWork, event: VenueFill) -> bool:
    """Has the fill a size and a price? One without cannot be applied and must not block the others."""
    if event.size > 0 and event.price > 0:
        return True
    _alert(books, "warning", f"A fill of {event.size} {event.symbol} at {event.price} was not recorded.")
    logger.warning("fill without size or price", extra={"fact": str(asdict(event))})
    return False


def alert_unknown(books: WalletUnitOfWork, event: AccountEvent) -> None:
    symbol = getattr(event, "symbol", "")
    _alert(books, "warning", f"Unknown instrument {symbol}: its account events were not recorded.")
    logger.warning("event of an unknown instrument", extra={"fact": str(asdict(event))})


def alert_duplicate(books: WalletUnitOfWork, order: Order, event: VenueOrder | VenueFill) -> None:
    text = f"Two exchange orders have the same client order ID: {order.venue_order_id} and {event.venue_id}."
    _alert(books, "critical", text)
    logger.error("duplicate client order id", extra={"order_id": str(order.pk), "venue_id": event.venue_id})


def alert_reappeared(books: WalletUnitOfWork, order: Order, event: VenueOrder) -> None:
    text = f"An ended order in {event.symbol} is still open at the exchange; it was reopened."
    _alert(books, "critical", text)
    logger.error("order reappeared", extra={"order_id": str(order.pk), "venue_id": event.venue_id})


def loss_record(books: WalletUnitOfWork, old: Order, reason: str) -> None:
    """Say in an order's history that it ended because the venue rejected its change, with an alert to the owner."""
    if old.status != OrderStatus.CANCELLED or old.cancel_requested_at is not None or old.message:
        return
    old.message = f"The exchange ended this order when it rejected its change: {reason}"[:300]
    books.order_changed(old)
    _alert(books, "warning", f"Order in {old.instrument.symbol}: {old.message}")


def _alert(books: WalletUnitOfWork, level: str, text: str) -> None:
    books.events.append(alert_event(books.wallet, level, text))
