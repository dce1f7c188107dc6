"""Orders as people, programs and bots ask for them. Nothing here speaks to a venue.

Orders are not in the audit trail, which all writers queue for: an order, its submission, its fills and
its ledger entries are a trail of their own that nobody can rewrite.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from market.selectors import instrument_rules
from wallets.domain.errors import NotFound, OrderConflict, OrderError, OrderInvalid
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Case, Denied, fee_estimate, reservation
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Order
from wallets.selectors.prices import prices_of
from wallets.selectors.risk_context import wallets_with_states
from wallets.services.dto import Preview
from wallets.services.nudges import execution_nudge
from wallets.services.order_manager import Desk, Outcome, denied

BATCH = 20


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
        desk.look([request.client_id for request in requests])
        outcomes = [desk.place(request, origin) for request in requests]
        desk.close()
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


def _preview(verdict: Approved | Denied, case: Case) -> Preview:
    denial, sentence = ("", "") if isinstance(verdict, Approved) else (verdict.denial.value, verdict.sentence)
    if case.price is None:
        return Preview(None, None, None, "", "", None, denial, sentence)
    pot, asset, amount = reservation(case)
    return Preview(case.price, case.notional, amount, pot, asset, fee_estimate(case), denial, sentence)


def order_modify(
    *,
    user: Any,
    order_id: UUID,
    client_id: UUID,
    price: Decimal | None = None,
    size: Decimal | None = None,
    http: Any = None,
) -> Order:  # fmt: skip
    """The new order. `size` is its own; without one it is what is left of the old.

    The old one ends when the venue says so, and stands with its funds if the venue refuses the change.
    Until then only the difference is reserved. Only limit orders that are not being cancelled can be
    changed. Raises like `order_place`.
    """
    place = (
        Order.objects.filter(pk=order_id, wallet__user=user).values_list("wallet", "wallet__venue").first()
    )
    if place is None:
        raise NotFound("There is no such order.")
    wallet_id, venue = place
    prices = prices_of(venue)
    with transaction.atomic():
        desk = Desk.open(user=user, wallet_id=wallet_id, prices=prices)
        old = Order.objects.select_related("instrument").get(pk=order_id)
        outcome = _repeated(old, client_id, price, size) or order_replace(desk, old, client_id, price, size)
        desk.close()
        execution_nudge(wallet_id)
    if isinstance(outcome, OrderError):
        raise outcome
    return outcome


def _repeated(old: Order, client_id: UUID, price: Decimal | None, size: Decimal | None) -> Outcome | None:
    """What came of the same change before. The size may have been left to what was open then."""
    known = (
        Order.objects.select_related("instrument").filter(wallet=old.wallet_id, client_id=client_id).first()
    )
    if known is None:
        return None
    same = known.replaces_id == old.pk and price in {None, known.price} and size in {None, known.size}
    if not same:
        raise OrderConflict("Another order was placed under this client id.")
    return denied(known) if known.status == OrderStatus.DENIED else known


def order_replace(
    desk: Desk,
    old: Order,
    client_id: UUID,
    price: Decimal | None,
    size: Decimal | None,
    why: dict[str, Any] | None = None,
) -> Outcome:
    """In a transaction that holds the wallet's row. Raises `OrderConflict`.

    A bot says `why`. What a person makes of a bot's order is the person's from then on: the bot does not
    know of it, and would never cancel it.
    """
    _check_changeable(desk, old)
    row: Any = old  # its columns hold the domain's literals
    request = OrderRequest(
        client_id=client_id,
        venue=desk.wallet.venue_id,
        symbol=old.instrument.symbol,
        side=row.side,
        kind=row.kind,
        size=old.size - old.filled if size is None else size,
        price=old.price if price is None else price,
        tif=row.tif,
        reduce_only=old.reduce_only,
    )
    theirs = old.origin == Order.Origin.EXTERNAL or (old.source_id is not None and why is None)
    origin = Order.Origin.API if theirs else old.origin
    request = replace(request, why=why or request.why)
    outcome = desk.place(request, origin, replaces=old)
    if isinstance(outcome, Order) and old.status == OrderStatus.PENDING:
        desk.cancel(old)  # nothing of it has left us, so the new one simply goes out
    return outcome


def _check_changeable(desk: Desk, old: Order) -> None:
    if old.kind != Order.Kind.LIMIT:
        raise OrderConflict("Only limit orders can be changed; cancel this one and place another.")
    if old.status in TERMINAL:
        raise OrderConflict(f"This order is {old.status} already.")
    if old.cancel_asked_at is not None:
        raise OrderConflict("This order is being cancelled.")
    if desk.is_changing(old):
        raise OrderConflict("This order is being changed already.")
