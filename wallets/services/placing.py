"""Orders as people, programs and bots ask for them. Nothing here speaks to a venue.

Orders are not in the audit trail, which all writers queue for: an order, its submission, its fills and
its ledger entries are a trail of their own that nobody can rewrite.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from market.selectors import instrument_rules
from wallets.domain.errors import NotFound, OrderError, OrderInvalid
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Case, Denied, fee_estimate, reservation
from wallets.models import Order
from wallets.selectors.market import prices_of
from wallets.selectors.situation import wallets_with_states
from wallets.services.desk import Desk, Outcome
from wallets.services.nudging import execution_nudge
from wallets.services.records import Preview

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
