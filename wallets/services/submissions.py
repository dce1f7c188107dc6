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

from market.domain.orders import Accepted, Answer, CancelSpec
from market.leases import Claim, fence
from wallets.domain.lifecycle import OrderEvent, refusal_meaning
from wallets.domain.status import AT_VENUE, IN_DOUBT
from wallets.models import Order, Submission, Wallet
from wallets.selectors.risk_context import wallets_with_states
from wallets.services.dto import Event, Prepared
from wallets.services.submission_builder import Gate
from wallets.services.unit_of_work import Books
from wallets.services.user_events import alert_event, wallet_event

BATCH = 20
LOST_AFTER = 30_000  # ms: longer than any send; whoever took it has died under the same lease
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
        dead = Q(cancel_submission__epoch__lt=claim.epoch) | Q(cancel_submission__nonce__lt=now - LOST_AFTER)
        lost = Q(cancel_submission__outcome=_Outcome.OUT) & dead
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
        for order, answer in _answered(books, submission, answers):
            if submission.kind == Submission.Kind.CANCEL:
                _cancel_answered(books, answer)
            else:
                _order_answered(books, order, answer, submission)
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
        _note(submission, _Outcome.REFUSED, books.now, reason=reason[:300], again=meaning == "again")
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
        for order in _undecided(books, submission):
            books.order_move(order, OrderEvent.DOUBTED)
        _note(submission, _Outcome.UNKNOWN, books.now)
        return books.close()


def _submission(claim: Claim, submission_id: int) -> tuple[Any, Submission | None]:
    """The locked wallet and its submission; None when that was answered before."""
    wallet = wallet_of(claim)
    open_ones = (_Outcome.OUT, _Outcome.UNKNOWN)
    found = Submission.objects.filter(pk=submission_id, wallet=wallet, outcome__in=open_ones).first()
    return wallet, found


def _orders(books: Books, submission: Submission) -> list[Order]:
    """In the order in which they were sent."""
    ids = [UUID(text) for text in submission.answer.get("orders", ())]
    rows = Order.objects.filter(wallet=submission.wallet_id).select_related("instrument").in_bulk(ids)
    return books.orders_know(rows[key] for key in ids)


def _answered(
    books: Books, submission: Submission, answers: Sequence[Answer]
) -> Iterable[tuple[Order, Answer]]:
    """Orders with their answers; none for leverages. Raises `ValueError` when there are not as many."""
    if submission.kind == Submission.Kind.LEVERAGE:
        return ()
    return zip(_orders(books, submission), answers, strict=True)


def _hangs_on(order: Order, submission: Submission) -> bool:
    """Not so when it was sent again since, or when facts were faster."""
    return order.submission_id == submission.pk and order.status in IN_DOUBT


def _undecided(books: Books, submission: Submission) -> list[Order]:
    return [order for order in _orders(books, submission) if _hangs_on(order, submission)]


def reconcile_want(wallet: Wallet) -> None:
    """Let `execution` reconcile at its next look, not at its next minute."""
    wallet.reconciled_at = None
    wallet.save(update_fields=["reconciled_at"])


def _note(submission: Submission, outcome: str, now: datetime, **said: Any) -> None:
    submission.outcome, submission.answered_at = outcome, now
    submission.answer = {**submission.answer, **said}
    submission.save(update_fields=["outcome", "answered_at", "answer"])


def _said(answer: Answer) -> dict[str, str]:
    if isinstance(answer, Accepted):
        return {"accepted": answer.venue_id or ""}
    return {"refused": answer.reason[:300], "status": answer.status}


def _order_answered(books: Books, order: Order, answer: Answer, submission: Submission) -> None:
    if isinstance(answer, Accepted):
        if answer.venue_id and not order.venue_order_id:
            order.venue_order_id = answer.venue_id
        books.order_move(order, OrderEvent.ACCEPTED)
    elif _hangs_on(order, submission):
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


def _again(books: Books, submission: Submission) -> None:
    if submission.kind == Submission.Kind.CANCEL:
        for order in _orders(books, submission):
            order.cancel_submission = None
            books.order_changed(order)
    for order in _undecided(books, submission):
        order.submission = None
        books.order_move(order, OrderEvent.UNSENT)


def _refused(books: Books, submission: Submission, reason: str) -> None:
    """Orders end. Cancels are tried again when a reconciliation still finds the order open."""
    if submission.kind == Submission.Kind.CANCEL:
        books.events.append(alert_event(books.wallet, "warning", f"A cancel was refused: {reason}"))
        return
    if submission.kind == Submission.Kind.LEVERAGE:
        _leverage_done(books, submission, reason)
    for order in _undecided(books, submission):
        books.order_move(order, OrderEvent.REFUSED, code="rejected", message=reason)


def _key_gone(books: Books, reason: str) -> None:
    wallet = books.wallet
    wallet.status, wallet.status_reason = Wallet.Status.EXPIRED, reason[:300]
    wallet.save(update_fields=["status", "status_reason"])
    books.events.append(wallet_event(wallet))
