"""Keys as `execution` minds them: made where none was given, and asked about at the venue. All fenced."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts.audit import AuditAction, record
from market.leases import Claim, fence
from market.venues.hyperliquid.signing import address_of
from wallets.domain import key_verification
from wallets.models import Wallet, WalletSecret
from wallets.services.dto import Event
from wallets.services.user_events import alert_event, wallet_event
from wallets.vault import NoSealingKey, Opener, VaultLocked

Status = Wallet.Status
ASKED = (Status.APPROVAL_WANTED, Status.CHECKING, Status.ACTIVE, Status.EXPIRED)
PROVEN = (Status.ACTIVE, Status.EXPIRED)
ACTED = {
    Status.ACTIVE: AuditAction.WALLET_ACTIVATED,
    Status.REFUSED: AuditAction.WALLET_REFUSED,
    Status.EXPIRED: AuditAction.WALLET_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Question:
    """What the venue has to be asked: is `signer` an agent of `account`?"""

    held: key_verification.Held
    before: int | None  # when it was asked last, ms


@sensitive_variables("key")
def key_generate(*, claim: Claim, opener: Opener) -> list[Event]:
    """Make the key that the wallet wishes for; its owner then approves its address at the venue.

    Without a key to seal to the wish stays, and its reason is shown.
    """
    with transaction.atomic():
        fence(claim)
        wallet = Wallet.objects.get(pk=claim.pk)
        if wallet.status != Status.KEY_WANTED:
            return []
        key = secrets.token_bytes(32)
        try:
            kid, suite, sealed = opener.sealed(key, wallet)
        except (NoSealingKey, VaultLocked) as problem:
            return _stays(wallet, str(problem))
        WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)
        wallet.status, wallet.status_reason = Status.APPROVAL_WANTED, ""
        wallet.signer_address = address_of(key)
        wallet.save(update_fields=["status", "status_reason", "signer_address"])
        data = {"signer": wallet.signer_address, "kid": kid}
        record(action=AuditAction.WALLET_KEY_SEALED, actor=None, subject=f"wallet:{wallet.pk}", data=data)
        return [wallet_event(wallet)]


def key_question(*, claim: Claim, opener: Opener, now: int) -> tuple[Question | None, list[Event]]:
    """What to ask the venue now, if it is time to; and what became of a key that cannot be opened."""
    secret = WalletSecret.objects.defer("sealed").select_related("wallet").filter(pk=claim.pk).first()
    if secret is None or secret.wallet.status not in ASKED:
        return None, []
    wallet = secret.wallet
    before = _ms(wallet.checked_at)
    if before is not None:
        waited = before - (_ms(secret.created_at) or before)
        if now - before < key_verification.pause(wallet.status, waited):
            return None, []
    try:
        signer = opener.signer(wallet).address
    except VaultLocked as locked:
        with transaction.atomic():
            fence(claim)
            return None, _stays(wallet, f"The key cannot be opened: {locked.reason}")
    return Question(key_verification.Held(wallet.address, signer, wallet.status in PROVEN), before), []


def key_judged(
    *, claim: Claim, question: Question, verdict: key_verification.Verdict, now: int
) -> list[Event]:
    """Act on what the venue said. Nothing, when the wallet has been given another key meanwhile."""
    with transaction.atomic():
        fence(claim)
        wallet = Wallet.objects.get(pk=claim.pk)
        if wallet.signer_address != question.held.signer or wallet.status not in ASKED:
            return []
        before = (wallet.status, wallet.status_reason)
        if verdict.status != "waiting":
            wallet.status = Status(verdict.status)
        wallet.status_reason, wallet.checked_at = verdict.reason, _when(now)
        wallet.signer_name, wallet.signer_expires_at = verdict.name[:40], _when(verdict.expires_at)
        if verdict.delete:
            WalletSecret.objects.filter(wallet=wallet).delete()
            wallet.signer_address = ""
        wallet.save(
            update_fields=[
                "status", "status_reason", "checked_at", "signer_name", "signer_expires_at", "signer_address",
            ]
        )  # fmt: skip
        changed = wallet.status != before[0]
        if changed:
            data = {"signer": question.held.signer, "reason": verdict.reason}
            action = ACTED[Status(wallet.status)]
            record(action=action, actor=None, subject=f"wallet:{wallet.pk}", data=data)
        events = [wallet_event(wallet)] if changed or wallet.status_reason != before[1] else []
        if changed and verdict.status in ("refused", "expired"):
            events.append(alert_event(wallet, "error", verdict.reason))
        if text := key_verification.alert(verdict.expires_at, now, question.before):
            events.append(alert_event(wallet, "warning", text))
        return events


def _stays(wallet: Wallet, reason: str) -> list[Event]:
    if wallet.status_reason == reason[:300]:
        return []
    wallet.status_reason = reason[:300]
    wallet.save(update_fields=["status_reason"])
    return [wallet_event(wallet)]


def _ms(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)


def _when(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC)
