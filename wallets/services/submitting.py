"""For `execution`: what to send next, and what came of it.

Every function takes the lease and checks it first, under the wallet's row lock. Whatever is sent was
written down before with its nonce and its validity, so that a process that dies between two lines
leaves a question for the venue and never a second order.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from market.domain.orders import Accepted, Answer, CancelSpec, VenueOrder
from market.leases import Claim, fence
from wallets.domain.lifecycle import OrderEvent, refusal_meaning
from wallets.domain.status import AT_VENUE, IN_DOUBT
from wallets.models import Order, Submission, Wallet
from wallets.selectors.situation import wallets_with_states
from wallets.services.books import Books
from wallets.services.events import alert_event, wallet_event
from wallets.services.facts import Facts
from wallets.services.gate import Gate, instant
from wallets.services.records import Doubt, Event, Prepared

BATCH = 20
_Outcome = Submission.Outcome


def wallet_of(claim: Claim) -> Any:
    """The wallet, its row locked, with its trading states. Raises `LeaseLost`. Call it in a transaction."""
    fence(claim)
    return wallets_with_states().get(pk=claim.pk)


# --- what to send ----------------------------------------------------------------------------------
def orders_take(*, claim: Claim, now: int, validity: int, most: int = BATCH) -> list[Prepared]:
    """Pending orders, written down to be sent: post-only ones, others and modifications apart.

    `now` and `validity` are ms. What waited too long, or is not allowed any more, ends instead.
    """
    with transaction.atomic():
        wallet = wallet_of(claim)
        gate = Gate(wallet, claim.epoch, now)
        prepared = gate.take(most=most, valid_until=now + validity)
        gate.books.close()
    return prepared


def cancels_take(*, claim: Claim, now: int, most: int = BATCH) -> list[Prepared]:
    """Cancels that were asked for, of orders that the venue has; also those whose answer nobody heard."""
    with transaction.atomic():
        wallet = wallet_of(claim)
        if wallet.status != Wallet.Status.ACTIVE:
            return []
        lost = Q(cancel_submission__epoch__lt=claim.epoch, cancel_submission__outcome=_Outcome.OUT)
        orders = list(
            Order.objects.filter(Q(cancel_submission=None) | lost, wallet=wallet, status__in=AT_VENUE)
            .exclude(cancel_asked_at=None)
            .select_related("instrument")
            .order_by("cancel_asked_at")[:most]
        )
        if not orders:
            return []
        gate = Gate(wallet, claim.epoch, now)
        submission = gate.submission(Submission.Kind.CANCEL, orders, valid_until=None)
        for order in orders:
            order.cancel_submission = submission
            gate.books.order_move(order, OrderEvent.CANCEL_SENT)
        gate.books.close()
        ids = [order.pk for order in orders]
        cancels = [target_of(order) for order in orders]
        return [Prepared(submission.pk, "cancel", submission.nonce, None, ids, cancels=cancels)]


def target_of(order: Order) -> CancelSpec:
    """By the venue's id where it is known, else by ours."""
    return Gate.target(order)


# --- what came of it -------------------------------------------------------------------------------
def settled(*, claim: Claim, submission_id: int, answers: Sequence[Answer]) -> list[Event]:
    """The venue answered: one answer per order, in order. An answer that comes twice changes nothing."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = Books(wallet, timezone.now())
        if submission.kind == Submission.Kind.LEVERAGE:
            refusal = "" if isinstance(answers[0], Accepted) else answers[0].reason
            _leverage_done(books, submission, refusal)
        for order, answer in _answered(submission, answers):
            if submission.kind == Submission.Kind.CANCEL:
                _cancel_answered(books, answer)
            else:
                _order_answered(books, order, answer)
        _note(submission, _Outcome.ANSWERED, books.now, answers=[_said(answer) for answer in answers])
        return books.close()


def refused(*, claim: Claim, submission_id: int, reason: str) -> list[Event]:
    """The venue refused the whole action: nothing of it was done, unless `refusal_meaning` doubts it."""
    meaning = refusal_meaning(reason)
    if meaning == "doubt":
        return doubtful(claim=claim, submission_id=submission_id)
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = Books(wallet, timezone.now())
        if meaning == "again":
            _again(books, submission)
        else:
            _refused(books, submission, reason)
        if meaning == "key_gone":
            _key_gone(books, reason)
        _note(submission, _Outcome.REFUSED, books.now, reason=reason[:300])
        return books.close()


def unsent(*, claim: Claim, submission_id: int) -> list[Event]:
    """Nothing left us: everything waits again. The nonce is never used a second time."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = Books(wallet, timezone.now())
        _again(books, submission)
        _note(submission, _Outcome.NOT_SENT, books.now)
        return books.close()


def doubtful(*, claim: Claim, submission_id: int) -> list[Event]:
    """No answer: the orders are unknown until the venue is asked. Cancels are simply sent again."""
    with transaction.atomic():
        wallet, submission = _submission(claim, submission_id)
        if submission is None:
            return []
        books = Books(wallet, timezone.now())
        if submission.kind == Submission.Kind.CANCEL:
            _again(books, submission)
        for order in _orders(submission) if submission.kind != Submission.Kind.CANCEL else ():
            if order.status in IN_DOUBT:
                books.order_move(order, OrderEvent.DOUBTED)
        _note(submission, _Outcome.UNKNOWN, books.now)
        return books.close()


def _submission(claim: Claim, submission_id: int) -> tuple[Any, Submission | None]:
    """The locked wallet and its submission; None when that was answered before."""
    wallet = wallet_of(claim)
    open_ones = (_Outcome.OUT, _Outcome.UNKNOWN)
    found = Submission.objects.filter(pk=submission_id, wallet=wallet, outcome__in=open_ones).first()
    return wallet, found


def _orders(submission: Submission) -> list[Order]:
    """In the order in which they were sent."""
    ids = [UUID(text) for text in submission.answer.get("orders", ())]
    rows = Order.objects.filter(wallet=submission.wallet_id).select_related("instrument").in_bulk(ids)
    return [rows[key] for key in ids]


def _answered(submission: Submission, answers: Sequence[Answer]) -> Iterable[tuple[Order, Answer]]:
    """Orders with their answers; none for leverages. Raises `ValueError` when there are not as many."""
    if submission.kind == Submission.Kind.LEVERAGE:
        return ()
    return zip(_orders(submission), answers, strict=True)


def _note(submission: Submission, outcome: str, now: datetime, **said: Any) -> None:
    submission.outcome, submission.answered_at = outcome, now
    submission.answer = {**submission.answer, **said}
    submission.save(update_fields=["outcome", "answered_at", "answer"])


def _said(answer: Answer) -> dict[str, str]:
    if isinstance(answer, Accepted):
        return {"accepted": answer.venue_id or ""}
    return {"refused": answer.reason[:300], "status": answer.status}


def _order_answered(books: Books, order: Order, answer: Answer) -> None:
    if isinstance(answer, Accepted):
        if answer.venue_id and not order.venue_order_id:
            order.venue_order_id = answer.venue_id
        books.order_move(order, OrderEvent.ACCEPTED)
    elif order.status in IN_DOUBT:
        books.order_move(order, OrderEvent.REFUSED, code=answer.status or "rejected", message=answer.reason)


def _cancel_answered(books: Books, answer: Answer) -> None:
    """A cancelled order ends when the venue says how; a refused cancel means that it ended otherwise."""
    if not isinstance(answer, Accepted):
        reconcile_want(books.wallet)


def _leverage_done(books: Books, submission: Submission, refusal: str = "") -> None:
    """The wish is over, unless somebody wished for something else meanwhile."""
    symbol, leverage = submission.answer["symbol"], submission.answer["leverage"]
    position = books.position(books.instrument(symbol))
    if refusal:
        text = f"The venue refused a leverage of {leverage} for {symbol}: {refusal}"
        books.events.append(alert_event(books.wallet, "warning", text))
    else:
        position.leverage = leverage
    if position.leverage_wanted == leverage:
        position.leverage_wanted = None
    books.position_changed(position)


def reconcile_want(wallet: Wallet) -> None:
    """Let `execution` reconcile at its next look, not at its next minute."""
    wallet.reconciled_at = None
    wallet.save(update_fields=["reconciled_at"])


def _again(books: Books, submission: Submission) -> None:
    for order in _orders(submission):
        if submission.kind == Submission.Kind.CANCEL:
            order.cancel_submission = None
            books.order_changed(order)
        elif order.status in IN_DOUBT:
            order.submission = None
            books.order_move(order, OrderEvent.UNSENT)


def _refused(books: Books, submission: Submission, reason: str) -> None:
    """Orders end. Cancels are tried again when a reconciliation still finds the order open."""
    if submission.kind == Submission.Kind.CANCEL:
        books.events.append(alert_event(books.wallet, "warning", f"A cancel was refused: {reason}"))
        return
    if submission.kind == Submission.Kind.LEVERAGE:
        _leverage_done(books, submission, reason)
    for order in _orders(submission):
        if order.status in IN_DOUBT:
            books.order_move(order, OrderEvent.REFUSED, code="rejected", message=reason)


def _key_gone(books: Books, reason: str) -> None:
    wallet = books.wallet
    wallet.status, wallet.status_reason = Wallet.Status.EXPIRED, reason[:300]
    wallet.save(update_fields=["status", "status_reason"])
    books.events.append(wallet_event(wallet))


# --- doubts ----------------------------------------------------------------------------------------
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
        order = orders.get(pk=order_id, wallet=wallet)
        if found is not None:
            facts = Facts(books)
            facts.apply([found])
            if facts.wants_reconcile:
                reconcile_want(wallet)
        elif order.status in IN_DOUBT:
            _never_seen(books, order, now)
        elif order.status in AT_VENUE:
            event = OrderEvent.FILLED_WHOLLY if order.filled >= order.size else OrderEvent.FORGOTTEN
            books.order_move(order, event, code="forgotten" * (event is OrderEvent.FORGOTTEN))
        return books.close()


def _never_seen(books: Books, order: Order, now: int) -> None:
    order.submission = None
    books.order_move(order, OrderEvent.NEVER_SEEN)
    Gate.lapse(books, order, now)
