"""Token pairs for programs: a short access token and a refresh token that is good once.

A family of refresh tokens is one `AuthSession`. Its row names the single token that is good now, which
is stricter than a blacklist (nothing has to be remembered to be refused) and keeps no token at rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.audit import AuditAction, record
from accounts.models import AuthSession
from accounts.selectors import session_find, session_password_stands, uuid_or_none
from accounts.services.sessions import SID, session_revoke

GRACE = timedelta(seconds=10)  # two tabs that refresh at the same moment bring the same token
REUSED = "refresh token used twice"


@dataclass(frozen=True)
class TokenPair:
    """What a program gets. Seconds are lifetimes from now."""

    access: str
    refresh: str
    access_seconds: int
    refresh_seconds: int
    session: AuthSession


class CredentialRefused(Exception):
    """The credential is not valid; one sentence for every cause, so that nothing can be probed."""

    def __str__(self) -> str:
        return "That credential is not valid."


def tokens_issue(*, session: AuthSession) -> TokenPair:
    """The first pair of a session that has just been opened."""
    session.refresh_jti = uuid4().hex
    session.save(update_fields=["refresh_jti"])
    return _pair(session)


def tokens_refresh(*, refresh: str, request: HttpRequest) -> TokenPair:
    """A new pair for a refresh token. Raises `CredentialRefused`.

    Within ten seconds the token just replaced is answered with its successor. Any other old token means
    that two parties hold the family: the whole session ends.
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
    if pair is None:  # raised outside the transaction: the end of a family must be committed
        raise CredentialRefused
    return pair


def _claims(refresh: str) -> RefreshToken:
    try:
        return RefreshToken(refresh)  # type: ignore[arg-type]
    except TokenError:
        raise CredentialRefused from None


def _locked(claims: RefreshToken, now: datetime) -> AuthSession | None:
    sessions = AuthSession.objects.open_at(now)
    key = uuid_or_none(claims.get(SID))
    locked = sessions.select_related("user").select_for_update(no_key=True, of=("self",))
    session: AuthSession | None = locked.filter(sid=key).first() if key else None
    return session if session and session_password_stands(session) else None


def _rotate(session: AuthSession, jti: str, now: datetime) -> TokenPair | None:
    """The pair that follows `jti`, or None when `jti` was replaced before."""
    if jti == session.refresh_jti:
        session.refresh_previous, session.refresh_jti = jti, uuid4().hex
        session.refresh_rotated_at = session.last_seen_at = now
        session.save(update_fields=["refresh_jti", "refresh_previous", "refresh_rotated_at", "last_seen_at"])
        return _pair(session)
    rotated = session.refresh_rotated_at
    if jti == session.refresh_previous and rotated is not None and now - rotated <= GRACE:
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
    """The open session of an access token and when the token ends (Unix time); None when it is not valid."""
    try:
        claims: Any = AccessToken(token)  # type: ignore[arg-type]
    except TokenError:
        return None
    session = session_find(claims.get(SID))
    if session is None or str(session.user_id) != claims.get("user_id"):
        return None
    return session, float(claims["exp"])
