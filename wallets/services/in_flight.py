"""For `execution`: orders of which nobody knows what became, and what the venue says when it is asked."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from market.domain.orders import VenueOrder
from market.leases import Claim
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import AT_VENUE, IN_DOUBT
from wallets.models import Order
from wallets.services.account_event_applier import FILLS_MISSING, Facts
from wallets.services.dto import Doubt, Event
from wallets.services.submission_builder import Gate, instant
from wallets.services.submissions import reconcile_want, wallet_of
from wallets.services.unit_of_work import Books

# A venue may not find an order for seconds after it took it. Younger ones are asked about again.
FORGOTTEN_AFTER = timedelta(minutes=1)


def doubts_due(*, claim: Claim, now: int, margin: int) -> list[Doubt]:
    """Orders in doubt whose validity, and `margin` ms more, have passed: now the venue's answer is final."""
    with transaction.atomic():
        wallet = wallet_of(claim)
        orders = Order.objects.filter(
            wallet=wallet, status__in=IN_DOUBT, submission__valid_until__lt=now - margin
        )
        return [doubt_of(order) for order in orders.select_related("instrument").order_by("created_at")]


def doubt_of(order: Order) -> Doubt:
    return Doubt(order.pk, order.venue_client_id, order.venue_order_id, order.instrument.symbol)


def doubt_resolved(*, claim: Claim, order_id: UUID, found: VenueOrder | None, now: int) -> list[Event]:
    """What the venue said when it was asked. None: it never saw the order, or forgot one that it had.

    An order that it never saw waits again under the same id, unless it was cancelled or is too old.
    """
    with transaction.atomic():
        wallet = wallet_of(claim)
        books = Books(wallet, instant(now))
        orders = Order.objects.select_related("instrument")
        (order,) = books.orders_know([orders.get(pk=order_id, wallet=wallet)])
        if found is not None:
            _found(books, order, found)
        elif order.status in IN_DOUBT:
            _never_seen(books, order, now)
        elif order.status in AT_VENUE:
            _forgotten(books, order)
        return books.close()


def _found(books: Books, order: Order, found: VenueOrder) -> None:
    told_before = FILLS_MISSING in order.flags
    facts = Facts(books)
    facts.apply([found])
    if facts.wants_reconcile:
        reconcile_want(books.wallet)
    if found.status == "filled" and told_before and order.filled and order.status in AT_VENUE:
        # Every fill was fetched since it was said first: the venue filled less than was asked for.
        books.order_flag(order, "trimmed")
        books.order_unflag(order, FILLS_MISSING)
        books.order_move(order, OrderEvent.FILLED_WHOLLY)


def _never_seen(books: Books, order: Order, now: int) -> None:
    order.submission = None
    books.order_move(order, OrderEvent.NEVER_SEEN)
    Gate.lapse(books, order, now)


def _forgotten(books: Books, order: Order) -> None:
    if order.filled >= order.size:
        books.order_move(order, OrderEvent.FILLED_WHOLLY)
    elif _old_enough(books, order):
        books.order_move(order, OrderEvent.FORGOTTEN, code="forgotten")


def _old_enough(books: Books, order: Order) -> Any:
    accepted = order.accepted_at
    return accepted is None or books.now - accepted > FORGOTTEN_AFTER
