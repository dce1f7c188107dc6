"""Queries of accounts: valid sessions and API keys, roles, permissions."""

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.domain.permissions import STAFF_ROLES, Action, Role, is_allowed
from accounts.models import ApiKey, AuthSession, User


# --- sessions ------------------------------------------------------------------------------------------
def session_find(sid: uuid.UUID | str | None) -> AuthSession | None:
    """The open session with this id, including its user; None if the password has changed since it began."""
    key = uuid_or_none(sid)
    if key is None:
        return None
    session = _open_sessions(timezone.now()).filter(sid=key).first()
    return session if session and session_password_is_current(session) else None


def session_password_is_current(session: AuthSession) -> bool:
    """Whether the user's password is the one with which the session began (or was last confirmed)."""
    return constant_time_compare(session.password_fingerprint, session.user.get_session_auth_hash())


def session_list(*, user: User) -> QuerySet[AuthSession]:
    """The user's open sessions, most recently used first."""
    return _open_sessions(timezone.now()).filter(user=user)


def _open_sessions(now: datetime) -> QuerySet[AuthSession]:
    return AuthSession.objects.open_at(now).select_related("user")


# --- API keys ------------------------------------------------------------------------------------------
KEY_PREFIX = "ctk_"


def api_key_digest(secret: str) -> str:
    """Stored hash of a key. The secret has 256 random bits, so an unsalted fast hash cannot be reversed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def api_key_find(secret: str) -> ApiKey | None:
    """The key of this secret, if it is neither revoked nor expired and its user is active."""
    if not secret.startswith(KEY_PREFIX):
        return None
    return _open_keys().filter(digest=api_key_digest(secret)).select_related("user").first()


def api_key_list(*, user: User) -> QuerySet[ApiKey]:
    """The user's keys that are not revoked, newest first; includes expired ones."""
    return ApiKey.objects.filter(user=user, revoked_at=None)


def api_key_get(pk: uuid.UUID) -> ApiKey | None:
    return ApiKey.objects.filter(pk=pk, revoked_at=None).select_related("user").first()


def _open_keys() -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)


# --- sessions and API keys -----------------------------------------------------------------------------
def live_credentials(handles: Iterable[str]) -> set[str]:
    """The subset of handles ("session:<sid>", "api_key:<id>") that are still valid."""
    ids: dict[str, set[uuid.UUID]] = {"session": set(), "api_key": set()}
    for handle in handles:
        kind, _, text = handle.partition(":")
        if (parsed := uuid_or_none(text)) and kind in ids:
            ids[kind].add(parsed)
    sessions = _open_sessions(timezone.now()).filter(sid__in=ids["session"]) if ids["session"] else ()
    keys = _open_keys().filter(pk__in=ids["api_key"]) if ids["api_key"] else ()
    return {f"session:{row.sid}" for row in sessions if session_password_is_current(row)} | {
        f"api_key:{row.pk}" for row in keys
    }


def uuid_or_none(text: object) -> uuid.UUID | None:
    """`text` as UUID; None if it is not one."""
    try:
        return uuid.UUID(str(text)) if text else None
    except ValueError:
        return None


# --- roles ---------------------------------------------------------------------------------------------
def role_of(user: User | AnonymousUser | None) -> Role:
    """The user's role. A signed-in user in no stronger group is a trader."""
    if user is None or not user.is_authenticated or not user.is_active:
        return Role.PUBLIC
    if user.is_superuser:
        return Role.ADMINISTRATOR
    groups = set(user.groups.values_list("name", flat=True))
    return next((role for role in STAFF_ROLES if role in groups), Role.TRADER)


def acting_role(user: User | AnonymousUser | None) -> Role:
    """The role that counts for this request: staff without a verified second factor act as traders.

    The authentication of pages and of the API sets `second_factor_verified`; an API key never has one.
    """
    role = role_of(user)
    if role in STAFF_ROLES and not (isinstance(user, User) and user.second_factor_verified):
        return Role.TRADER
    return role


def user_is_allowed(
    *, user: User | AnonymousUser | None, act: Action, kind: str, owner: uuid.UUID | str | None
) -> bool:
    """`accounts.domain.permissions.is_allowed` for the user of a request; `owner` is a user id or None."""
    own = str(user.pk) if user and user.is_authenticated else None
    return is_allowed(
        role=acting_role(user), act=act, kind=kind, owner=str(owner) if owner else None, user=own
    )
