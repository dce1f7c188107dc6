"""Append-only audit log: action, actor, subject, client address and request id of each entry.

Writers are serialised by a row lock on `AuditHead` until their transactions end: call `record` last in
a transaction, and never while a password is hashed or a venue is queried. A rolled-back transaction
leaves neither an entry nor a gap.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.domain.hash_chain import (
    FIELDS,
    GENESIS,
    NOTHING,
    ChainFault,
    Head,
    Link,
    canonical,
    digest,
    verify_chain,
)
from accounts.models import AuditEntry, AuditHead, User
from core.rate_limits import client_address

logger = logging.getLogger(__name__)
BATCH = 2000


class AuditAction(StrEnum):
    """All recorded actions, named in the past tense. New ones are appended."""

    # ruff: noqa: S105  these are names of actions, not passwords

    USER_SIGNED_UP = "user.signed_up"
    USER_VERIFIED = "user.verified"
    # A login succeeded. The first one in a browser also opens a session; a repeated one continues it.
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
    PASSWORD_RESET_REQUESTED = "password.reset_requested"  # only for an address that has an account
    TOTP_ENABLED = "totp.enabled"
    TOTP_DISABLED = "totp.disabled"
    RECOVERY_CODES_GENERATED = "recovery_codes.generated"
    RECOVERY_CODE_USED = "recovery_code.used"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_REMOVED = "passkey.removed"
    # A credential came into being: from now on this browser or API client acts as the user until the session
    # is revoked. Exactly one entry per session row, written with it.
    SESSION_OPENED = "session.opened"
    SESSION_REVOKED = "session.revoked"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    TOKEN_REFRESHED = "token.refreshed"
    TOKEN_REUSE_DETECTED = "token.reuse_detected"
    STEP_UP_PASSED = "step_up.passed"
    STEP_UP_FAILED = "step_up.failed"
    AUDIT_EXPORTED = "audit.exported"
    # The admin site added, changed or deleted a row, or ran an action on rows; what a service then did has
    # the service's own entry.
    ADMIN_CHANGED = "admin.changed"
    WALLET_CREATED = "wallet.created"
    WALLET_KEY_SEALED = "wallet.key_sealed"
    WALLET_KEY_REPLACED = "wallet.key_replaced"
    WALLET_ACTIVATED = "wallet.activated"
    WALLET_REJECTED = "wallet.rejected"
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
    """Append one entry in the caller's transaction. `subject` is "kind:id"; `data` must hold no secret.

    Raises `ValueError` for an action that is not in `AuditAction`.
    """
    with transaction.atomic():
        head = _head_locked()
        body = {
            "seq": head.seq + 1,
            "recorded_at": _instant(timezone.now()),
            "actor": str(actor.pk) if actor else None,
            "action": AuditAction(action).value,
            "subject": canonical(subject)[:120],
            "address": client_address(request) if request else "",
            "request_id": str(request.META.get("REQUEST_ID", "")) if request else "",
            "data": canonical(data or {}),
        }
        _append(head, body)


def record_unrevealed(*, action: AuditAction, subject: str | None, request: HttpRequest) -> None:
    """`record` for an anonymous request that must not reveal, by its cost, whether the subject exists.

    Without a subject (None) the same statements run and leave no entry.
    """
    with transaction.atomic():
        _head_locked()  # outside the savepoint: in both cases a transaction commits to disk
        with transaction.atomic():
            record(action=action, actor=None, subject=subject or f"user:{UUID(int=0)}", request=request)
            transaction.set_rollback(subject is None)


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
    # The process log is a second copy of the head: it shows if the end of the chain was rewritten.
    extra = {"seq": entry.seq, "hash": entry.hash, "action": entry.action, "subject": entry.subject}
    transaction.on_commit(partial(logger.info, "audit", extra=extra))


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds")


# --- reading -----------------------------------------------------------------------------------------
def audit_entries(user: User) -> QuerySet[AuditEntry]:
    """Entries with this user as actor or as subject, newest first."""
    return AuditEntry.objects.filter(Q(actor=user.pk) | Q(subject=f"user:{user.pk}")).order_by("-seq")


def entry_body(entry: AuditEntry) -> dict[str, Any]:
    """The hashed content of the entry; exports add the two hashes to it."""
    values = {name: getattr(entry, name) for name in FIELDS}
    actor = str(entry.actor) if entry.actor else None
    return {**values, "recorded_at": _instant(entry.recorded_at), "actor": actor}


def exported(entries: Iterable[AuditEntry]) -> Iterator[dict[str, Any]]:
    """Complete entries, hashes included: the input format of `manage.py audit verify --file`."""
    for entry in entries:
        yield {**entry_body(entry), "previous_hash": entry.previous_hash, "hash": entry.hash}


def link_parse(row: Mapping[str, Any]) -> Link:
    """The chain link of one exported entry. Raises `KeyError` when a field is missing."""
    return Link({name: row[name] for name in FIELDS}, row["previous_hash"], row["hash"])


def head_get() -> Head:
    """Last sequence number and hash of the chain, as stored in the head row."""
    head = AuditHead.objects.filter(pk=1).first()
    return Head(head.seq, head.hash) if head else NOTHING


def verify(noted: Head | None = None) -> list[ChainFault]:
    """All faults of the stored chain; empty if it is intact. `noted`: a head stored outside the database."""
    head = head_get()  # read first: entries written meanwhile have higher sequence numbers
    entries = AuditEntry.objects.filter(seq__lte=head.seq).order_by("seq").iterator(BATCH)
    return list(verify_chain(map(link_parse, exported(entries)), [noted, head] if noted else [head]))
