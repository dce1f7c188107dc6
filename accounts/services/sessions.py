"""Opening, checking and ending sessions: the one place that decides whether a sign-in still stands."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.audit import AuditAction, record
from accounts.models import ApiKey, AuthSession, User
from accounts.rate_limits import client_address
from accounts.selectors import session_find

SID = "sid"  # where the session cookie's data and the tokens carry it
SIGNED_OUT = "signed out"
LIVE_SECONDS = 2
SEEN_EVERY = timedelta(minutes=1)


@transaction.atomic
def session_open(
    *,
    user: User,
    kind: str,
    request: HttpRequest,
    second_factor_at: datetime | None = None,
    step_up_at: datetime | None = None,
) -> AuthSession:
    """Begin a session. A browser that is signed in as this user already goes on with the one it has.

    A browser's session cookie gets the `sid`; a program's tokens are minted by `tokens_issue`.
    """
    proof = {"second_factor_at": second_factor_at, "step_up_at": step_up_at}
    if kind == AuthSession.Kind.WEB and (known := _session_of_browser(user, request)):
        return _session_prove(known, proof)
    session = AuthSession.objects.create(
        user=user,
        kind=kind,
        address=client_address(request),
        user_agent=request.headers.get("User-Agent", "")[:200],
        password_mark=user.get_session_auth_hash(),
        **proof,
    )
    if kind == AuthSession.Kind.WEB:
        request.session[SID] = str(session.sid)
    record(
        action=AuditAction.USER_SIGNED_IN,
        actor=user,
        subject=f"session:{session.sid}",
        data={"kind": kind, "second_factor": second_factor_at is not None},
        request=request,
    )
    return session


def _session_of_browser(user: User, request: HttpRequest) -> AuthSession | None:
    known = session_find(request.session.get(SID))
    return known if known and known.user_id == user.pk else None


def _session_prove(session: AuthSession, proof: dict[str, datetime | None]) -> AuthSession:
    shown = {name: at for name, at in proof.items() if at is not None}
    if shown:
        AuthSession.objects.filter(pk=session.pk).update(**shown)
    for name, at in shown.items():
        setattr(session, name, at)
    return session


@transaction.atomic
def session_revoke(
    *, sid: uuid.UUID | str, reason: str, actor: User | None, request: HttpRequest | None = None
) -> bool:
    """End one session. Of two who try at once, one gets True, and there is one audit entry."""
    ended = AuthSession.objects.filter(sid=sid, revoked_at=None).update(
        revoked_at=timezone.now(), revoked_reason=reason
    )
    if not ended:
        return False
    action = AuditAction.USER_SIGNED_OUT if reason == SIGNED_OUT else AuditAction.SESSION_REVOKED
    record(action=action, actor=actor, subject=f"session:{sid}", data={"reason": reason}, request=request)
    transaction.on_commit(lambda: _forget([sid]))
    return True


@transaction.atomic
def sessions_revoke_all(
    *,
    user: User,
    reason: str,
    except_sid: uuid.UUID | str | None = None,
    actor: User | None = None,
    request: HttpRequest | None = None,
) -> int:
    """End all of a user's sessions but `except_sid`, which goes on under the password of now."""
    ended = _sessions_end(user, reason, except_sid)
    if ended:
        data = {"reason": reason, "sessions": ended}
        _record_end(AuditAction.SESSION_REVOKED, user, actor, data, request)
    return ended


@transaction.atomic
def credentials_end_all(
    *,
    user: User,
    reason: str,
    except_sid: uuid.UUID | str | None = None,
    actor: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """End every session and every API key: what a new password, a new role, disabling and deleting do."""
    sessions = _sessions_end(user, reason, except_sid)
    keys = ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    # Only now: whoever holds the head of the audit trail must not wait for other rows.
    if sessions:
        data = {"reason": reason, "sessions": sessions}
        _record_end(AuditAction.SESSION_REVOKED, user, actor, data, request)
    if keys:
        _record_end(AuditAction.API_KEY_REVOKED, user, actor, {"reason": reason, "keys": keys}, request)


def _sessions_end(user: User, reason: str, except_sid: uuid.UUID | str | None) -> int:
    opened = AuthSession.objects.filter(user=user, revoked_at=None)
    sids = [str(sid) for sid in opened.values_list("sid", flat=True)]
    if except_sid is not None:
        opened.filter(sid=except_sid).update(password_mark=user.get_session_auth_hash())
        opened = opened.exclude(sid=except_sid)
    ended = opened.update(revoked_at=timezone.now(), revoked_reason=reason)
    transaction.on_commit(lambda: _forget(sids))
    return ended


def _record_end(
    action: AuditAction, user: User, actor: User | None, data: dict[str, Any], request: HttpRequest | None
) -> None:
    record(action=action, actor=actor or user, subject=f"user:{user.pk}", data=data, request=request)


# --- checking ----------------------------------------------------------------------------------------
def session_is_live(sid: Any) -> bool:
    """Whether this session stands. PostgreSQL knows; a yes is remembered in Redis for two seconds."""
    key = _live_key(sid)
    try:
        if cache.get(key):
            return True
    except RedisError:
        return session_find(sid) is not None
    if session_find(sid) is None:
        return False
    cache.set(key, "1", LIVE_SECONDS)
    return True


def session_seen(*, sid: Any, request: HttpRequest) -> None:
    """Note that the session was used, at most once a minute."""
    try:
        due = cache.add(f"session-seen:{sid}", "1", int(SEEN_EVERY.total_seconds()))
    except RedisError:
        return  # it will be noted when Redis is back
    if due:
        AuthSession.objects.filter(sid=sid).update(
            last_seen_at=timezone.now(), address=client_address(request)
        )


def _forget(sids: Iterable[uuid.UUID | str]) -> None:
    try:
        cache.delete_many([_live_key(sid) for sid in sids])
    except RedisError:
        return  # what is remembered there ends by itself in two seconds


def _live_key(sid: Any) -> str:
    return f"session-live:{sid}"
