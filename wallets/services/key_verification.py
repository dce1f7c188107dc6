"""Key verification: the execution worker's services that generate keys and check them at the venue. Fenced."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts.audit import AuditAction, record
from core.leases import Claim, fence
from market.domain.keys import KeyVerdict, RegisteredKey
from market.venues import venue_adapter
from wallets.domain import key_verification
from wallets.models import Wallet, WalletSecret
from wallets.services.dto import Event
from wallets.services.user_events import alert_event, wallet_event
from wallets.vault import NoSealingKey, Unsealer, VaultLocked

Status = Wallet.Status
CHECKED_STATUSES = (Status.APPROVAL_PENDING, Status.CHECKING, Status.ACTIVE, Status.EXPIRED)
PROVEN = (Status.ACTIVE, Status.EXPIRED)
AUDIT_ACTIONS = {
    Status.ACTIVE: AuditAction.WALLET_ACTIVATED,
    Status.REJECTED: AuditAction.WALLET_REJECTED,
    Status.EXPIRED: AuditAction.WALLET_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A due query at the venue: what may the key do?"""

    key: RegisteredKey
    before: int | None  # time of the last check, ms


@sensitive_variables("key")
def key_generate(*, claim: Claim, unsealer: Unsealer) -> list[Event]:
    """Generate the key of a wallet that waits for one; its owner then approves its address at the venue.

    Without a sealing key the wallet keeps waiting, and the reason is shown.
    """
    with transaction.atomic():
        fence(claim)
        wallet = Wallet.objects.get(pk=claim.pk)
        if wallet.status != Status.KEY_PENDING:
            return []
        scheme = venue_adapter(wallet.venue_id).credentials
        key = scheme.secret_generate()
        try:
            kid, suite, sealed = unsealer.sealed(key, wallet)
        except (NoSealingKey, VaultLocked) as problem:
            return _keep_status(wallet, str(problem))
        WalletSecret.objects.create(wallet=wallet, key_id=kid, suite=suite, sealed=sealed)
        wallet.status, wallet.status_reason = Status.APPROVAL_PENDING, ""
        wallet.signer_address = scheme.key_id(key)
        wallet.save(update_fields=["status", "status_reason", "signer_address"])
        data = {"signer": wallet.signer_address, "kid": kid}
        record(action=AuditAction.WALLET_KEY_SEALED, actor=None, subject=f"wallet:{wallet.pk}", data=data)
        return [wallet_event(wallet)]


def key_check_prepare(*, claim: Claim, unsealer: Unsealer, now: int) -> tuple[KeyCheck | None, list[Event]]:
    """The key check that is due now, if any; and events when the key cannot be unsealed."""
    secret = WalletSecret.objects.defer("sealed").select_related("wallet").filter(pk=claim.pk).first()
    if secret is None or secret.wallet.status not in CHECKED_STATUSES:
        return None, []
    wallet = secret.wallet
    before = _ms(wallet.checked_at)
    if before is not None:
        waited = before - (_ms(secret.created_at) or before)
        if now - before < key_verification.recheck_delay(wallet.status, waited):
            return None, []
    try:
        key_id = unsealer.signer(wallet).key_id
    except VaultLocked as locked:
        with transaction.atomic():
            fence(claim)
            return None, _keep_status(wallet, f"The key cannot be unsealed: {locked.reason}")
    return KeyCheck(RegisteredKey(wallet.address, key_id, wallet.status in PROVEN), before), []


def key_check_store(*, claim: Claim, key_check: KeyCheck, verdict: KeyVerdict, now: int) -> list[Event]:
    """Store the result of a key check. Nothing changes if the wallet has another key meanwhile."""
    with transaction.atomic():
        fence(claim)
        wallet = Wallet.objects.get(pk=claim.pk)
        if wallet.signer_address != key_check.key.key_id or wallet.status not in CHECKED_STATUSES:
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
            data = {"signer": key_check.key.key_id, "reason": verdict.reason}
            action = AUDIT_ACTIONS[Status(wallet.status)]
            record(action=action, actor=None, subject=f"wallet:{wallet.pk}", data=data)
        events = [wallet_event(wallet)] if changed or wallet.status_reason != before[1] else []
        if changed and verdict.status in ("rejected", "expired"):
            events.append(alert_event(wallet, "error", verdict.reason))
        if text := key_verification.expiry_alert(verdict.expires_at, now, key_check.before):
            events.append(alert_event(wallet, "warning", text))
        return events


def _keep_status(wallet: Wallet, reason: str) -> list[Event]:
    if wallet.status_reason == reason[:300]:
        return []
    wallet.status_reason = reason[:300]
    wallet.save(update_fields=["status_reason"])
    return [wallet_event(wallet)]


def _ms(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)


def _when(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC)
