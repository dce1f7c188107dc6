"""In-flight orders: the execution worker's services that list unknown orders and store queried results."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from core.leases import Claim
from market.domain.orders import VenueOrder
from market.venues import venue_adapter
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import AT_VENUE, IN_FLIGHT
from wallets.models import Order
from wallets.services.account_event_applier import FILLS_MISSING, AccountEventApplier
from wallets.services.dto import Event, InFlightOrder
from wallets.services.submission_builder import SubmissionBuilder, from_ms
from wallets.services.submissions import fenced_wallet, reconcile_request
from wallets.services.unit_of_work import WalletUnitOfWork

# A venue may not find an order for seconds after accepting it. Younger orders are queried again.
NOT_FOUND_GRACE = timedelta(minutes=1)


def in_flight_due(*, claim: Claim, now: int, margin: int) -> list[InFlightOrder]:
    """In-flight orders past their validity plus `margin` ms: now the venue's response is final."""
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        orders = Order.objects.filter(
            wallet=wallet, status__in=IN_FLIGHT, submission__valid_until__lt=now - margin
        )
        return [
            in_flight_order(order) for order in orders.select_related("instrument").order_by("created_at")
        ]


def in_flight_order(order: Order) -> InFlightOrder:
    return InFlightOrder(order.pk, order.venue_client_id, order.venue_order_id, order.instrument.symbol)


def in_flight_resolve(*, claim: Claim, order_id: UUID, found: VenueOrder | None, now: int) -> list[Event]:
    """Store the venue's response to an order query. None: it never received the order, or no longer has it.

    An order that it never received is pending again under the same id, unless it was cancelled or is too old. It
    ends as lost where "not found" proves nothing: the venue may have forgotten it, or enforces no validity.
    """
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        books = WalletUnitOfWork(wallet, from_ms(now))
        orders = Order.objects.select_related("instrument")
        (order,) = books.track_orders([orders.get(pk=order_id, wallet=wallet)])
        if found is not None:
            _apply_found(books, order, found)
        elif order.status in IN_FLIGHT:
            if _not_found_is_proof(order, now):
                _not_found(books, order, now)
            else:
                books.order_transition(order, OrderEvent.LOST, code="forgotten")
        elif order.status in AT_VENUE:
            _no_longer_found(books, order)
        return books.commit()


def _apply_found(books: WalletUnitOfWork, order: Order, found: VenueOrder) -> None:
    flagged_before = FILLS_MISSING in order.flags
    applier = AccountEventApplier(books)
    applier.apply([found])
    if applier.needs_reconcile:
        reconcile_request(books.wallet)
    if found.status == "filled" and flagged_before and order.filled and order.status in AT_VENUE:
        # All fills were fetched since the venue first reported it: it filled less than the size of the order.
        books.order_flag(order, "trimmed")
        books.order_unflag(order, FILLS_MISSING)
        books.order_transition(order, OrderEvent.FILLED)


def _not_found_is_proof(order: Order, now: int) -> bool:
    """Whether an order that the venue does not find was never received."""
    adapter = venue_adapter(order.wallet.venue_id)
    if adapter.validity("modify" if order.replaces_id else "place").mechanism == "none":
        return False
    ended = order.submission.valid_until if order.submission else None
    return adapter.lookup_horizon is None or ended is None or now - ended < adapter.lookup_horizon


def _not_found(books: WalletUnitOfWork, order: Order, now: int) -> None:
    order.submission = None
    books.order_transition(order, OrderEvent.NOT_FOUND)
    SubmissionBuilder.expire(books, order, now)


def _no_longer_found(books: WalletUnitOfWork, order: Order) -> None:
    if order.filled >= order.size:
        books.order_transition(order, OrderEvent.FILLED)
    elif _past_grace(books, order):
        books.order_transition(order, OrderEvent.LOST, code="forgotten")


def _past_grace(books: WalletUnitOfWork, order: Order) -> Any:
    accepted = order.accepted_at
    return accepted is None or books.now - accepted > NOT_FOUND_GRACE
