"""Leverage of a perpetual: requested here, set at the venue, stored once the venue has confirmed."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from core.leases import Claim
from market.selectors import instruments_named
from wallets.domain.errors import NotFound, OrderInvalid
from wallets.models import Position, Submission, Wallet
from wallets.selectors.risk_context import limits_of
from wallets.services.dto import LeverageSpec, PreparedSubmission
from wallets.services.nudges import execution_nudge
from wallets.services.submission_builder import SubmissionBuilder
from wallets.services.submissions import SEND_TIMEOUT, fenced_wallet
from wallets.services.unit_of_work import WalletUnitOfWork

if TYPE_CHECKING:
    from accounts.models import User


def leverage_set(
    *, user: "User", wallet_id: UUID, symbol: str, leverage: int, http: HttpRequest | None = None
) -> None:
    """Request a leverage. Raises `OrderInvalid` with the field, or `NotFound`."""
    with transaction.atomic():
        wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
        wallet = wallets.filter(pk=wallet_id, user=user).first()
        if wallet is None:
            raise NotFound("Wallet not found.")
        instrument = instruments_named(wallet.venue_id, [symbol]).get(symbol)
        if instrument is None or instrument.kind != "perp":
            raise OrderInvalid("symbol", f"{symbol} is not a perpetual of {wallet.venue_id}.")
        maximum = min(instrument.max_leverage or 1, limits_of(wallet).leverage)
        if not 1 <= leverage <= maximum:
            raise OrderInvalid("leverage", f"Enter a leverage from 1 to {maximum}.")
        books = WalletUnitOfWork(wallet, timezone.now())
        position = books.position(instrument)
        position.target_leverage = leverage
        books.position_changed(position)
        books.commit()
        execution_nudge(wallet.pk)


def leverage_prepare(*, claim: Claim, now: int, validity: int) -> list[PreparedSubmission]:
    """Store one submission per requested leverage, including requests prepared by a worker that died."""
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        if wallet.status != Wallet.Status.ACTIVE:
            return []
        builder = SubmissionBuilder(wallet, claim.epoch, now)
        positions = Position.objects.filter(wallet=wallet).exclude(target_leverage=None)
        busy = _busy(wallet, claim.epoch, now)
        return [
            _prepared(builder, position, now + validity)
            for position in positions.select_related("instrument")
            if position.instrument.symbol not in busy
        ]


def _busy(wallet: Wallet, epoch: int, now: int) -> set[str]:
    """Symbols with a leverage change in flight."""
    in_flight = Submission.objects.filter(
        wallet=wallet,
        kind=Submission.Kind.LEVERAGE,
        outcome=Submission.Outcome.IN_FLIGHT,
        epoch=epoch,
        nonce__gte=now - SEND_TIMEOUT,
    )
    return {answer["symbol"] for answer in in_flight.values_list("answer", flat=True)}


def _prepared(builder: SubmissionBuilder, position: Position, valid_until: int) -> PreparedSubmission:
    symbol, leverage = position.instrument.symbol, int(position.target_leverage or 1)
    submission = builder.submission(Submission.Kind.LEVERAGE, [], valid_until=valid_until)
    submission.answer = {"symbol": symbol, "leverage": leverage}
    submission.save(update_fields=["answer"])
    spec = LeverageSpec(symbol, leverage, "isolated" if position.isolated else "cross")
    return PreparedSubmission(submission.pk, "leverage", submission.nonce, valid_until, leverage=spec)
