"""What a person may have of their account as a whole: a copy, and its end."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import ProtectedError
from django.dispatch import Signal
from django.http import HttpRequest

from accounts.audit import AuditAction, exported, record, trail
from accounts.models import ApiKey, AuthSession, User
from accounts.services.sessions import credentials_end_all

# Sent with `user` before anything ends; a receiver that raises `DeletionRefused` keeps the account.
account_ending = Signal()


class DeletionRefused(Exception):
    """Something of this user must be closed first; the text says what."""


SESSION_FIELDS = (
    "sid", "kind", "created_at", "last_seen_at", "address", "user_agent", "second_factor_at", "revoked_at",
    "revoked_reason",
)  # fmt: skip
KEY_FIELDS = ("id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")


@transaction.atomic
def account_export(*, user: User, request: HttpRequest | None = None) -> dict[str, Any]:
    """All that is kept about this user, without hashes, seeds or anything else that opens a door."""
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
        "audit": list(exported(trail(user))),
    }


@transaction.atomic
def account_delete(*, user: User, request: HttpRequest | None = None) -> None:
    """End every credential, then remove the person. The audit trail stays, under an id without a name.

    So do books of trades, and with them a row that says nothing about anybody. Raises `DeletionRefused`.
    """
    account_ending.send(sender=User, user=user)
    credentials_end_all(user=user, reason="deleted", actor=user, request=request)
    record(action=AuditAction.USER_DELETED, actor=user, subject=f"user:{user.pk}", request=request)
    try:
        with transaction.atomic():
            user.delete()
    except ProtectedError:
        _forget(user)


def _forget(user: User) -> None:
    """Everything but the id goes."""
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
