"""Account services: password change, export, deletion."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.audit import AuditAction, audit_entries, exported, record
from accounts.models import ApiKey, AuthSession, User
from accounts.services.sessions import credentials_end_all
from accounts.services.step_up import step_up_attempt_count


class PasswordRefused(Exception):
    """The password change is refused: `field` is `current` or `new`, `reasons` are messages for the user."""

    def __init__(self, field: str, reasons: list[str]) -> None:
        super().__init__(field)
        self.field, self.reasons = field, reasons


def password_change(*, session: AuthSession, current: str, new: str, request: HttpRequest) -> None:
    """Set a new password; revoke other sessions and all keys. Raises `PasswordRefused`, `LimitReached`."""
    user = session.user
    step_up_attempt_count(user)
    if not user.check_password(current):
        raise PasswordRefused("current", [gettext("Incorrect password.")])
    try:
        get_adapter(request).clean_password(new, user=user)
    except ValidationError as error:
        raise PasswordRefused("new", list(error.messages)) from None
    user.set_password(new)
    with transaction.atomic():
        user.save(update_fields=["password"])
        credentials_end_all(
            user=user, reason="password changed", except_sid=session.sid, actor=user, request=request
        )
        record(action=AuditAction.PASSWORD_CHANGED, actor=user, subject=f"user:{user.pk}", request=request)


# Sent with `user` before the deletion; a receiver that raises `DeletionRefused` prevents it.
account_ending = Signal()


class DeletionRefused(Exception):
    """The account cannot be deleted yet; the message says what must be closed first."""


SESSION_FIELDS = (
    "sid", "kind", "created_at", "last_seen_at", "address", "user_agent", "second_factor_at", "revoked_at",
    "revoked_reason",
)  # fmt: skip
KEY_FIELDS = ("id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")


@transaction.atomic
def account_export(*, user: User, request: HttpRequest | None = None) -> dict[str, Any]:
    """All stored data of this user, without secrets (hashes, seeds, token ids)."""
    record(action=AuditAction.USER_EXPORTED, actor=user, subject=f"user:{user.pk}", request=request)
    profile = {"id": user.pk, "email": user.email, "name": user.name, "joined_at": user.date_joined}
    addresses = EmailAddress.objects.filter(user=user).values("email", "verified", "primary")
    factors = Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")
    return {
        "profile": profile,
        "addresses": list(addresses),
        "second_factors": list(factors),
        "sessions": list(AuthSession.objects.filter(user=user).values(*SESSION_FIELDS)),
        "api_keys": list(ApiKey.objects.filter(user=user).values(*KEY_FIELDS)),
        "audit": list(exported(audit_entries(user))),
    }


@transaction.atomic
def account_delete(*, user: User, request: HttpRequest | None = None) -> None:
    """Revoke all credentials, then delete the user. The audit log stays and refers to the bare id.

    A user with ledger entries cannot be deleted: the row stays without personal data. Raises
    `DeletionRefused`.
    """
    account_ending.send(sender=User, user=user)
    credentials_end_all(user=user, reason="deleted", actor=user, request=request)
    record(action=AuditAction.USER_DELETED, actor=user, subject=f"user:{user.pk}", request=request)
    try:
        with transaction.atomic():
            user.delete()
    except ProtectedError:
        _anonymise(user)


def _anonymise(user: User) -> None:
    """Delete everything but the id."""
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    ApiKey.objects.filter(user=user).delete()
    AuthSession.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    user.email, user.name = f"{user.pk}@deleted.invalid", ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
