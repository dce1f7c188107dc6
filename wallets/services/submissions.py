"""Submissions: the execution worker's services that prepare signed actions and store their results.

Every function checks the lease first, under the wallet's row lock. Every action is stored with its nonce and
its validity before it is sent: when a process dies between two statements, the result is queried at the
venue and no order is ever sent twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.leases import Claim, fence
from market.domain.orders import Accepted, CancelSpec, OrderResponse
from market.venues import venue_adapter
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.status import AT_VENUE, IN_FLIGHT, TERMINAL
from wallets.models import Order, Submission, Wallet
from wallets.selectors.risk_context import wallets_with_states
from wallets.services.anomalies import loss_record
from wallets.services.dto import Event, PreparedSubmission
from wallets.services.submission_builder import SubmissionBuilder
from wallets.services.unit_of_work import WalletUnitOfWork
from wallets.services.user_events import alert_event, wallet_event
from wallets.services.venue_order_ids import former_add

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

BATCH = 20
SEND_TIMEOUT = 30_000  # ms: longer than any send; a process that prepared it under the same lease has died
_Outcome = Submission.Outcome


def fenced_wallet(claim: Claim) -> "WalletWithStates":
    """The wallet with its trading states, its row locked. Raises `LeaseLost`. Call it in a transaction."""
    fence(claim)
    wallet: WalletWithStates = wallets_with_states().get(pk=claim.pk)
    return wallet


# --- prepare ------------------------------------------------------------------------------------------
def orders_prepare(*, claim: Claim, now: int, validity: int, most: int = BATCH) -> list[PreparedSubmission]:
    """Store submissions for pending orders: post-only orders, other orders and modifications separately.

    `now` and `validity` are in ms. Orders that waited too long, or are no longer allowed, end instead.
    """
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        builder = SubmissionBuilder(wallet, claim.epoch, now)
        prepared = builder.build(most=most, valid_until=now + validity)
        builder.books.commit()
    return prepared


def cancels_prepare(*, claim: Claim, now: int, most: int = BATCH) -> list[PreparedSubmission]:
    """Store a submission for requested cancels of orders at the venue, lost requests included."""
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        if wallet.status != Wallet.Status.ACTIVE:
            return []
        abandoned = Q(cancel_submission__epoch__lt=claim.epoch) | Q(
            cancel_submission__nonce__lt=now - SEND_TIMEOUT
        )
        lost = Q(cancel_submission__outcome=_Outcome.IN_FLIGHT) & abandoned
        orders = list(
            Order.objects.filter(Q(cancel_submission=None) | lost, wallet=wallet, status__in=AT_VENUE)
            .exclude(cancel_requested_at=None)
            .select_related("instrument")
            .order_by("cancel_requested_at")[:most]
        )
        if not orders:
            return []
        builder = SubmissionBuilder(wallet, claim.epoch, now)
        submission = builder.submission(Submission.Kind.CANCEL, orders, valid_until=None)
        for order in orders:
            order.cancel_submission = submission
            builder.books.order_transition(order, OrderEvent.CANCEL_SENT)
        builder.books.commit()
        ids = [order.pk for order in orders]
        cancels = [target_of(order) for order in orders]
        return [PreparedSubmission(submission.pk, "cancel", submission.nonce, None, ids, cancels=cancels)]


def target_of(order: Order) -> CancelSpec:
    """The cancel target: the venue's order id where it is known, else the client order id."""
    return SubmissionBuilder.target(order)


# --- results ------------------------------------------------------------------------------------------
def submission_answered(*, claim: Claim, submission_id: int, answers: Sequence[OrderResponse]) -> list[Event]:
    """Store the venue's responses, one per order in the order sent. A repeated call changes nothing."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = WalletUnitOfWork(wallet, timezone.now())
        if submission.kind == Submission.Kind.LEVERAGE:
            rejection = "" if isinstance(answers[0], Accepted) else answers[0].reason
            _finish_leverage(books, submission, rejection)
        for order, response in _orders_with_responses(books, submission, answers):
            if submission.kind == Submission.Kind.CANCEL:
                _apply_cancel_response(books, response)
            else:
                _apply_order_response(books, order, response, submission)
        _store_result(
            submission,
            _Outcome.ANSWERED,
            books.now,
            answers=[_response_json(response) for response in answers],
        )
        return books.commit()


def submission_rejected(*, claim: Claim, submission_id: int, reason: str) -> list[Event]:
    """Store that the venue rejected the whole action. If `rejection_meaning` is ambiguous: as unknown."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        meaning = venue_adapter(wallet.venue_id).rejection_meaning(reason)
        if meaning == "ambiguous":
            return submission_unknown(claim=claim, submission_id=submission_id)
        books = WalletUnitOfWork(wallet, timezone.now())
        if meaning == "again":
            _requeue(books, submission)
        else:
            _reject_orders(books, submission, reason)
        if meaning == "key_gone":
            _expire_key(books, reason)
        _store_result(submission, _Outcome.REJECTED, books.now, reason=reason[:300], again=meaning == "again")
        return books.commit()


def submission_not_sent(*, claim: Claim, submission_id: int) -> list[Event]:
    """Store that nothing was sent: all orders are pending again. The nonce is never reused."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = WalletUnitOfWork(wallet, timezone.now())
        _requeue(books, submission)
        _store_result(submission, _Outcome.NOT_SENT, books.now)
        return books.commit()


def submission_unknown(*, claim: Claim, submission_id: int) -> list[Event]:
    """Store that there was no response: orders are unknown until queried at the venue. Cancels are sent again."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = WalletUnitOfWork(wallet, timezone.now())
        if submission.kind == Submission.Kind.CANCEL:
            _requeue(books, submission)
        for order in _current_in_flight(books, submission):
            books.order_transition(order, OrderEvent.RESULT_UNKNOWN)
        _store_result(submission, _Outcome.UNKNOWN, books.now)
        return books.commit()


def _submission(claim: Claim, submission_id: int) -> tuple[Any, Submission | None]:
    """The locked wallet and its submission; None when a result was already stored."""
    wallet = fenced_wallet(claim)
    open_outcomes = (_Outcome.IN_FLIGHT, _Outcome.UNKNOWN)
    found = Submission.objects.filter(pk=submission_id, wallet=wallet, outcome__in=open_outcomes).first()
    return wallet, found


def _orders(books: WalletUnitOfWork, submission: Submission) -> list[Order]:
    """The orders of the submission, in the order in which they were sent."""
    ids = [UUID(text) for text in submission.answer.get("orders", ())]
    orders = Order.objects.filter(wallet=submission.wallet_id)
    rows = orders.select_related("instrument", "replaces__instrument").in_bulk(ids)
    return books.track_orders(rows[key] for key in ids)


def _orders_with_responses(
    books: WalletUnitOfWork, submission: Submission, answers: Sequence[OrderResponse]
) -> Iterable[tuple[Order, OrderResponse]]:
    """Orders with their responses; empty for leverage changes. Raises `ValueError` if the counts differ."""
    if submission.kind == Submission.Kind.LEVERAGE:
        return ()
    return zip(_orders(books, submission), answers, strict=True)


def _is_current(order: Order, submission: Submission) -> bool:
    """Does the order's state depend on this submission? False if it was sent again or an event came first."""
    return order.submission_id == submission.pk and order.status in IN_FLIGHT


def _current_in_flight(books: WalletUnitOfWork, submission: Submission) -> list[Order]:
    return [order for order in _orders(books, submission) if _is_current(order, submission)]


def reconcile_request(wallet: Wallet) -> None:
    """Make the execution worker reconcile at its next poll (every second) instead of after a minute."""
    wallet.reconciled_at = None
    wallet.save(update_fields=["reconciled_at"])


def _store_result(submission: Submission, outcome: str, now: datetime, **details: Any) -> None:
    submission.outcome, submission.answered_at = outcome, now
    submission.answer = {**submission.answer, **details}
    submission.save(update_fields=["outcome", "answered_at", "answer"])


def _response_json(response: OrderResponse) -> dict[str, str]:
    if isinstance(response, Accepted):
        return {"accepted": response.venue_id or ""}
    return {"rejected": response.reason[:300], "status": response.status}


def _apply_order_response(
    books: WalletUnitOfWork, order: Order, response: OrderResponse, submission: Submission
) -> None:
    if isinstance(response, Accepted):
        if response.venue_id and not order.venue_order_id:
            order.venue_order_id = response.venue_id
        elif response.venue_id and response.venue_id not in (order.venue_order_id, *order.former_venue_ids):
            former_add(books, order, response.venue_id)  # replaced at the venue before this response arrived
        books.order_transition(order, OrderEvent.ACCEPTED)
    elif _is_current(order, submission):
        books.order_transition(
            order, OrderEvent.REJECTED, code=response.status or "rejected", message=response.reason
        )
        if order.replaces is not None and order.replaces.status in TERMINAL:
            (old,) = books.track_orders([order.replaces])
            loss_record(books, old, response.reason)


def _apply_cancel_response(books: WalletUnitOfWork, response: OrderResponse) -> None:
    """An accepted cancel ends the order with its event; a rejected cancel means that the order has ended."""
    if not isinstance(response, Accepted):
        reconcile_request(books.wallet)


def _finish_leverage(books: WalletUnitOfWork, submission: Submission, rejection: str = "") -> None:
    """Clear the target leverage, unless another one was requested meanwhile."""
    symbol, leverage = submission.answer["symbol"], submission.answer["leverage"]
    position = books.position(books.instrument(symbol))
    if rejection:
        text = f"The exchange rejected {leverage}x leverage for {symbol}: {rejection}"
        books.events.append(alert_event(books.wallet, "warning", text))
    else:
        position.leverage = leverage
    if position.target_leverage == leverage:
        position.target_leverage = None
    books.position_changed(position)


def _requeue(books: WalletUnitOfWork, submission: Submission) -> None:
    if submission.kind == Submission.Kind.CANCEL:
        for order in _orders(books, submission):
            order.cancel_submission = None
            books.order_changed(order)
    for order in _current_in_flight(books, submission):
        order.submission = None
        books.order_transition(order, OrderEvent.NOT_SENT)


def _reject_orders(books: WalletUnitOfWork, submission: Submission, reason: str) -> None:
    """Orders end as rejected. Cancels are retried when a reconciliation still finds the order open."""
    if submission.kind == Submission.Kind.CANCEL:
        books.events.append(alert_event(books.wallet, "warning", f"The exchange rejected a cancel: {reason}"))
        return
    if submission.kind == Submission.Kind.LEVERAGE:
        _finish_leverage(books, submission, reason)
    for order in _current_in_flight(books, submission):
        books.order_transition(order, OrderEvent.REJECTED, code="rejected", message=reason)


def _expire_key(books: WalletUnitOfWork, reason: str) -> None:
    wallet = books.wallet
    wallet.status, wallet.status_reason = Wallet.Status.EXPIRED, reason[:300]
    wallet.save(update_fields=["status", "status_reason"])
    books.events.append(wallet_event(wallet))
