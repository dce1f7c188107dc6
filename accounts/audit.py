"""The audit trail: what was done, by whom, to what, from where. Entries are only ever added.

Writers stand in line at one row (`AuditHead`) until their transactions end: record last, and never
while a password is being hashed or a venue asked. What is rolled back leaves neither entry nor gap.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.domain.hash_chain import FIELDS, GENESIS, NOTHING, Fault, Head, Link, digest, faults, plain
from accounts.models import AuditEntry, AuditHead, User
from accounts.rate_limits import client_address

logger = logging.getLogger(__name__)
BATCH = 2000


class AuditAction(StrEnum):
    """Everything that is recorded, in the past tense. New ones go to the end."""

    # ruff: noqa: S105  these are names of acts, not passwords

    USER_SIGNED_UP = "user.signed_up"
    USER_VERIFIED = "user.verified"
    USER_SIGNED_IN = "user.signed_in"
    USER_SIGN_IN_FAILED = "user.sign_in_failed"
    USER_LOCKED_OUT = "user.locked_out"
    USER_SIGNED_OUT = "user.signed_out"
    USER_CHANGED = "user.changed"
    USER_EXPORTED = "user.exported"
    USER_DELETED = "user.deleted"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    ROLE_CHANGED = "role.changed"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    PASSWORD_RESET_ASKED = "password.reset_asked"
    TOTP_ENABLED = "totp.enabled"
    TOTP_DISABLED = "totp.disabled"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_code.used"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_REMOVED = "passkey.removed"
    SESSION_OPENED = "session.opened"
    SESSION_REVOKED = "session.revoked"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    TOKEN_REFRESHED = "token.refreshed"
    TOKEN_REUSE_DETECTED = "token.reuse_detected"
    STEP_UP_PASSED = "step_up.passed"
    STEP_UP_FAILED = "step_up.failed"
    AUDIT_EXPORTED = "audit.exported"
    ADMIN_CHANGED = "admin.changed"
    WALLET_CREATED = "wallet.created"
    WALLET_KEY_SEALED = "wallet.key_sealed"
    WALLET_KEY_REPLACED = "wallet.key_replaced"
    WALLET_ACTIVATED = "wallet.activated"
    WALLET_REFUSED = "wallet.refused"
    WALLET_EXPIRED = "wallet.expired"
    WALLET_ARCHIVED = "wallet.archived"
    WALLET_RENAMED = "wallet.renamed"
    WALLET_LIMITS_CHANGED = "wallet.limits_changed"
    TRADING_STATE_CHANGED = "trading_state.changed"
    SEALING_KEY_CREATED = "sealing_key.created"
    SEALING_KEY_RETIRED = "sealing_key.retired"
    BOT_CREATED = "bot.created"
    BOT_STARTED = "bot.started"
    BOT_STOPPED = "bot.stopped"
    BOT_INPUTS_CHANGED = "bot.inputs_changed"
    BOT_ARCHIVED = "bot.archived"


def record(
    *,
    action: str,
    actor: User | None,
    subject: str,
    data: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Add one entry in the caller's transaction. `subject` is "kind:id"; `data` holds no secret.

    Raises `ValueError` for an action that `AuditAction` does not name.
    """
    with transaction.atomic():
        head = _head_locked()
        body = {
            "seq": head.seq + 1,
            "recorded_at": _instant(timezone.now()),
            "actor": str(actor.pk) if actor else None,
            "action": AuditAction(action).value,
            "subject": plain(subject)[:120],
            "address": client_address(request) if request else "",
            "request_id": str(request.META.get("REQUEST_ID", "")) if request else "",
            "data": plain(data or {}),
        }
        _append(head, body)


def _head_locked() -> AuditHead:
    heads = AuditHead.objects.select_for_update(no_key=True)
    if (head := heads.filter(pk=1).first()) is None:
        AuditHead.objects.bulk_create([AuditHead(pk=1, hash=GENESIS)], ignore_conflicts=True)
        head = heads.get(pk=1)
    return head


def _append(head: AuditHead, body: dict[str, Any]) -> None:
    entry = AuditEntry(**body, previous_hash=head.hash, hash=digest(body, head.hash))
    entry.save(force_insert=True)
    head.seq, head.hash = entry.seq, entry.hash
    head.save(update_fields=["seq", "hash"])
    # A second witness: whoever keeps the logs can tell that the end of the chain was rewritten.
    line = {"seq": entry.seq, "hash": entry.hash, "action": entry.action, "subject": entry.subject}
    transaction.on_commit(partial(logger.info, "audit", extra=line))


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds")


# --- reading -----------------------------------------------------------------------------------------
def trail(user: User) -> QuerySet[AuditEntry]:
    """What this user did and what was done to this user, newest first."""
    return AuditEntry.objects.filter(Q(actor=user.pk) | Q(subject=f"user:{user.pk}")).order_by("-seq")


def entry_body(entry: AuditEntry) -> dict[str, Any]:
    """The entry as it is hashed, and as exports write it (they add the two hashes)."""
    values = {name: getattr(entry, name) for name in FIELDS}
    actor = str(entry.actor) if entry.actor else None
    return {**values, "recorded_at": _instant(entry.recorded_at), "actor": actor}


def exported(entries: Iterable[AuditEntry]) -> Iterator[dict[str, Any]]:
    """Whole entries, hashes included: what `manage.py audit verify --file` reads."""
    for entry in entries:
        yield {**entry_body(entry), "previous_hash": entry.previous_hash, "hash": entry.hash}


def link_parse(row: Mapping[str, Any]) -> Link:
    """One exported entry. Raises `KeyError` when a field is missing."""
    return Link({name: row[name] for name in FIELDS}, row["previous_hash"], row["hash"])


def head_get() -> Head:
    """Where the chain ends by the head row."""
    head = AuditHead.objects.filter(pk=1).first()
    return Head(head.seq, head.hash) if head else NOTHING


def verify(noted: Head | None = None) -> list[Fault]:
    """Every break of the stored chain; none: the trail is whole. `noted`: a head that was kept elsewhere."""
    head = head_get()  # read first: entries that are written meanwhile lie beyond it
    entries = AuditEntry.objects.filter(seq__lte=head.seq).order_by("seq").iterator(BATCH)
    return list(faults(map(link_parse, exported(entries)), [noted, head] if noted else [head]))
