"""Reading who is who: sessions and keys that stand, roles, and what a role may see."""

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.domain.permissions import Act, Role, may
from accounts.models import ApiKey, AuthSession, User

GROUP_ROLES = (Role.ADMINISTRATOR, Role.SUPPORT)  # the strongest first


# --- sessions ------------------------------------------------------------------------------------------
def session_find(sid: Any) -> AuthSession | None:
    """The open session of this id with its user, whose password is still that of its beginning."""
    key = uuid_or_none(sid)
    if key is None:
        return None
    session = _open_sessions(timezone.now()).filter(sid=key).first()
    return session if session and session_password_stands(session) else None


def session_password_stands(session: AuthSession) -> bool:
    """Whether the user's password is the one that this session was begun (or last proven) with."""
    return constant_time_compare(session.password_mark, session.user.get_session_auth_hash())


def session_list(*, user: User) -> QuerySet[AuthSession]:
    """The user's open sessions, the one used last first."""
    return _open_sessions(timezone.now()).filter(user=user)


def _open_sessions(now: datetime) -> QuerySet[AuthSession]:
    return AuthSession.objects.open_at(now).select_related("user")


# --- API keys ------------------------------------------------------------------------------------------
KEY_PREFIX = "ctk_"


def api_key_digest(secret: str) -> str:
    """What is stored of a key. The secret has 256 random bits, so one plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


def api_key_find(secret: str) -> ApiKey | None:
    """The key that this secret opens, if it is neither ended nor expired and its user not switched off."""
    if not secret.startswith(KEY_PREFIX):
        return None
    return _open_keys().filter(digest=api_key_digest(secret)).select_related("user").first()


def api_key_list(*, user: User) -> QuerySet[ApiKey]:
    """The user's keys that have not been ended, newest first; expired ones are among them."""
    return ApiKey.objects.filter(user=user, revoked_at=None)


def api_key_get(pk: uuid.UUID) -> ApiKey | None:
    return ApiKey.objects.filter(pk=pk, revoked_at=None).select_related("user").first()


def _open_keys() -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)


# --- both ----------------------------------------------------------------------------------------------
def credentials_live(handles: Iterable[str]) -> set[str]:
    """Of handles like "session:<sid>" and "api_key:<id>", those that still stand."""
    wanted: dict[str, set[uuid.UUID]] = {"session": set(), "api_key": set()}
    for handle in handles:
        kind, _, key = handle.partition(":")
        if (known := uuid_or_none(key)) and kind in wanted:
            wanted[kind].add(known)
    sessions = _open_sessions(timezone.now()).filter(sid__in=wanted["session"]) if wanted["session"] else ()
    keys = _open_keys().filter(pk__in=wanted["api_key"]) if wanted["api_key"] else ()
    return {f"session:{row.sid}" for row in sessions if session_password_stands(row)} | {
        f"api_key:{row.pk}" for row in keys
    }


def uuid_or_none(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text)) if text else None
    except ValueError:
        return None


# --- roles ---------------------------------------------------------------------------------------------
def role_of(user: User | AnonymousUser | None) -> Role:
    """The user's role. Whoever has signed in and is in no stronger group is a trader."""
    if user is None or not user.is_authenticated or not user.is_active:
        return Role.PUBLIC
    if user.is_superuser:
        return Role.ADMINISTRATOR
    groups = set(user.groups.values_list("name", flat=True))
    return next((role for role in GROUP_ROLES if role in groups), Role.TRADER)


def user_may(*, user: User | AnonymousUser | None, act: Act, kind: str, owner: Any) -> bool:
    """`accounts.domain.permissions.may` for the signed-in user of a request; `owner` is a user's id or None."""
    own = str(user.pk) if user and user.is_authenticated else None
    return may(role=role_of(user), act=act, kind=kind, owner=str(owner) if owner else None, user=own)
