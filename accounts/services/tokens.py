"""Token pairs for API clients (a short-lived access token and a refresh token that is valid once); principals.

A family of refresh tokens is one `AuthSession`. Its row stores the id of the single valid token: this is
stricter than a blacklist (unknown tokens are refused by default) and stores no token.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.audit import AuditAction, record
from accounts.models import ApiKey, AuthSession
from accounts.selectors import (
    KEY_PREFIX,
    api_key_find,
    session_find,
    session_password_is_current,
    uuid_or_none,
)
from accounts.services.sessions import SID, session_revoke

REUSE_GRACE_SECONDS = timedelta(seconds=10)  # two tabs that refresh simultaneously send the same token
REUSED = "refresh token used twice"


@dataclass(frozen=True)
class TokenPair:
    """Access and refresh token of a session. Seconds are lifetimes from now."""

    access: str
    refresh: str
    access_seconds: int
    refresh_seconds: int
    session: AuthSession


class InvalidCredential(Exception):
    """The credential is invalid; the same message for every cause, so that causes cannot be probed."""

    def __str__(self) -> str:
        return "Invalid credentials."


def tokens_issue(*, session: AuthSession) -> TokenPair:
    """The first token pair of a newly opened session."""
    session.refresh_jti = uuid4().hex
    session.save(update_fields=["refresh_jti"])
    return _pair(session)


def tokens_refresh(*, refresh: str, request: HttpRequest) -> TokenPair:
    """Exchange a refresh token for a new pair. Raises `InvalidCredential`.

    For ten seconds the token just replaced still returns its successor. Any other old token means that a
    token of the family has leaked: the session is revoked.
    """
    claims = _claims(refresh)
    now = timezone.now()
    with transaction.atomic():
        session = _locked(claims, now)
        pair = _rotate(session, str(claims["jti"]), now) if session else None
        if session and pair:
            record(
                action=AuditAction.TOKEN_REFRESHED,
                actor=session.user,
                subject=f"session:{session.sid}",
                request=request,
            )
        elif session:
            _end_family(session, request)
    if pair is None:  # raised outside the transaction, because the revocation must be committed
        raise InvalidCredential
    return pair


def _claims(refresh: str) -> RefreshToken:
    try:
        return RefreshToken(refresh)  # type: ignore[arg-type]
    except TokenError:
        raise InvalidCredential from None


def _locked(claims: RefreshToken, now: datetime) -> AuthSession | None:
    sessions = AuthSession.objects.open_at(now)
    key = uuid_or_none(claims.get(SID))
    locked = sessions.select_related("user").select_for_update(no_key=True, of=("self",))
    session: AuthSession | None = locked.filter(sid=key).first() if key else None
    return session if session and session_password_is_current(session) else None


def _rotate(session: AuthSession, jti: str, now: datetime) -> TokenPair | None:
    """The pair that follows `jti`; None if `jti` was replaced earlier."""
    if jti == session.refresh_jti:
        session.refresh_previous, session.refresh_jti = jti, uuid4().hex
        session.refresh_rotated_at = session.last_seen_at = now
        session.save(update_fields=["refresh_jti", "refresh_previous", "refresh_rotated_at", "last_seen_at"])
        return _pair(session)
    rotated = session.refresh_rotated_at
    if jti == session.refresh_previous and rotated is not None and now - rotated <= REUSE_GRACE_SECONDS:
        return _pair(session)
    return None


def _end_family(session: AuthSession, request: HttpRequest) -> None:
    subject = f"session:{session.sid}"
    record(action=AuditAction.TOKEN_REUSE_DETECTED, actor=session.user, subject=subject, request=request)
    session_revoke(sid=session.sid, reason=REUSED, actor=None, request=request)


def _pair(session: AuthSession) -> TokenPair:
    refresh = RefreshToken()
    refresh["jti"] = session.refresh_jti
    refresh["user_id"] = str(session.user_id)
    refresh[SID] = str(session.sid)
    return TokenPair(
        access=str(refresh.access_token),
        refresh=str(refresh),
        access_seconds=int(AccessToken.lifetime.total_seconds()),
        refresh_seconds=int(RefreshToken.lifetime.total_seconds()),
        session=session,
    )


def access_read(token: str) -> tuple[AuthSession, float] | None:
    """The open session of an access token and the token's expiry (Unix time); None if it is invalid."""
    try:
        claims: Any = AccessToken(token)  # type: ignore[arg-type]
    except TokenError:
        return None
    session = session_find(claims.get(SID))
    if session is None or str(session.user_id) != claims.get("user_id"):
        return None
    return session, float(claims["exp"])


@dataclass(frozen=True)
class Principal:
    """Authenticated user of a websocket: id, handle for `live_credentials`, expiry of the credential."""

    user_id: str
    credential: str
    expires_at: float | None = None  # Unix time


def principal_from_session(session_key: str) -> Principal | None:
    """The user of this session cookie, if the session is open and its password is unchanged."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    session = session_find(store.get(SID))
    if session is None or str(session.user_id) != store.get(SESSION_KEY):
        return None
    if not constant_time_compare(store.get(HASH_SESSION_KEY, ""), session.user.get_session_auth_hash()):
        return None
    return Principal(str(session.user_id), f"session:{session.sid}")


def principal_from_token(token: str) -> Principal | None:
    """The user of an access token, or of an API key with the scope `read`."""
    if token.startswith(KEY_PREFIX):
        key = api_key_find(token)
        if key is None or ApiKey.Scope.READ not in key.scopes:
            return None
        return Principal(str(key.user_id), f"api_key:{key.pk}", key.expires_at.timestamp())
    token_session = access_read(token)
    if token_session is None:
        return None
    session, expires_at = token_session
    return Principal(str(session.user_id), f"session:{session.sid}", expires_at)
