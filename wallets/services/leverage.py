"""The leverage of a perpetual: wished for here, set at the venue, true once the venue has said yes."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from market.leases import Claim
from market.selectors import instruments_named
from wallets.domain.errors import NotFound, OrderInvalid
from wallets.models import Position, Submission, Wallet
from wallets.selectors.risk_context import limits_of
from wallets.services.dto import LeverageSpec, Prepared
from wallets.services.nudges import execution_nudge
from wallets.services.submission_builder import Gate
from wallets.services.submissions import LOST_AFTER, wallet_of
from wallets.services.unit_of_work import Books


def leverage_set(*, user: Any, wallet_id: UUID, symbol: str, leverage: int, http: Any = None) -> None:
    """Ask the venue for this leverage. Raises `OrderInvalid` with the field, or `NotFound`."""
    with transaction.atomic():
        wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
        wallet = wallets.filter(pk=wallet_id, user=user).first()
        if wallet is None:
            raise NotFound("There is no such wallet.")
        instrument = instruments_named(wallet.venue_id, [symbol]).get(symbol)
        if instrument is None or instrument.kind != "perp":
            raise OrderInvalid("symbol", f"{symbol} is not a perpetual of {wallet.venue_id}.")
        most = min(instrument.max_leverage or 1, limits_of(wallet).leverage)
        if not 1 <= leverage <= most:
            raise OrderInvalid("leverage", f"Between 1 and {most}.")
        books = Books(wallet, timezone.now())
        position = books.position(instrument)
        position.leverage_wanted = leverage
        books.position_changed(position)
        books.close()
        execution_nudge(wallet.pk)


def leverages_take(*, claim: Claim, now: int, validity: int) -> list[Prepared]:
    """Wishes, each written down as an action of its own; also those that a dead worker had taken."""
    with transaction.atomic():
        wallet = wallet_of(claim)
        if wallet.status != Wallet.Status.ACTIVE:
            return []
        gate = Gate(wallet, claim.epoch, now)
        positions = Position.objects.filter(wallet=wallet).exclude(leverage_wanted=None)
        busy = _busy(wallet, claim.epoch, now)
        return [
            _prepared(gate, position, now + validity)
            for position in positions.select_related("instrument")
            if position.instrument.symbol not in busy
        ]


def _busy(wallet: Any, epoch: int, now: int) -> set[str]:
    """Symbols whose wish is on its way."""
    out = Submission.objects.filter(
        wallet=wallet,
        kind=Submission.Kind.LEVERAGE,
        outcome=Submission.Outcome.OUT,
        epoch=epoch,
        nonce__gte=now - LOST_AFTER,
    )
    return {answer["symbol"] for answer in out.values_list("answer", flat=True)}


def _prepared(gate: Gate, position: Position, valid_until: int) -> Prepared:
    symbol, leverage = position.instrument.symbol, int(position.leverage_wanted or 1)
    submission = gate.submission(Submission.Kind.LEVERAGE, [], valid_until=valid_until)
    submission.answer = {"symbol": symbol, "leverage": leverage}
    submission.save(update_fields=["answer"])
    spec = LeverageSpec(symbol, leverage, "isolated" if position.isolated else "cross")
    return Prepared(submission.pk, "leverage", submission.nonce, valid_until, leverage=spec)
