"""Session services: open, check and revoke login sessions; clean-up of expired rows."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.audit import AuditAction, record
from accounts.models import ApiKey, AuthSession, User
from accounts.selectors import session_find
from core.rate_limits import client_address

SID = "sid"  # key of the session id in the Django session and claim in the tokens
SIGNED_OUT = "signed out"
ACTIVE_CACHE_SECONDS = 2
TOUCH_INTERVAL = timedelta(minutes=1)


@transaction.atomic
def session_open(
    *,
    user: User,
    kind: str,
    request: HttpRequest,
    second_factor_at: datetime | None = None,
    step_up_at: datetime | None = None,
) -> AuthSession:
    """Open a session after a successful login. A browser already signed in as this user keeps its session.

    For a browser the `sid` is stored in the Django session; tokens of API clients come from `tokens_issue`.
    """
    auth_times = {"second_factor_at": second_factor_at, "step_up_at": step_up_at}
    existing = _session_of_browser(user, request) if kind == AuthSession.Kind.WEB else None
    if existing:
        session = _session_update(existing, auth_times)
    else:
        session = _session_create(user, kind, request, auth_times)
    record(
        action=AuditAction.USER_SIGNED_IN,
        actor=user,
        subject=f"session:{session.sid}",
        data={"kind": kind, "second_factor": second_factor_at is not None},
        request=request,
    )
    return session


def _session_create(
    user: User, kind: str, request: HttpRequest, auth_times: dict[str, datetime | None]
) -> AuthSession:
    session = AuthSession.objects.create(
        user=user,
        kind=kind,
        address=client_address(request),
        user_agent=request.headers.get("User-Agent", "")[:200],
        password_fingerprint=user.get_session_auth_hash(),
        **auth_times,
    )
    if kind == AuthSession.Kind.WEB:
        request.session[SID] = str(session.sid)
    record(
        action=AuditAction.SESSION_OPENED,
        actor=user,
        subject=f"session:{session.sid}",
        data={"kind": kind},
        request=request,
    )
    return session


def _session_of_browser(user: User, request: HttpRequest) -> AuthSession | None:
    session = session_find(request.session.get(SID))
    return session if session and session.user_id == user.pk else None


def _session_update(session: AuthSession, auth_times: dict[str, datetime | None]) -> AuthSession:
    """Store the times of the authentication that has just taken place."""
    changes = {name: at for name, at in auth_times.items() if at is not None}
    if changes:
        AuthSession.objects.filter(pk=session.pk).update(**changes)
    for name, at in changes.items():
        setattr(session, name, at)
    return session


@transaction.atomic
def session_revoke(
    *, sid: uuid.UUID | str, reason: str, actor: User | None, request: HttpRequest | None = None
) -> bool:
    """Revoke one session. Of two concurrent calls one returns True, and one audit entry is written."""
    revoked = AuthSession.objects.filter(sid=sid, revoked_at=None).update(
        revoked_at=timezone.now(), revoked_reason=reason
    )
    if not revoked:
        return False
    action = AuditAction.USER_SIGNED_OUT if reason == SIGNED_OUT else AuditAction.SESSION_REVOKED
    record(action=action, actor=actor, subject=f"session:{sid}", data={"reason": reason}, request=request)
    transaction.on_commit(lambda: _uncache([sid]))
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
    """Revoke all sessions of a user but `except_sid`, which stays valid under the current password."""
    revoked = _sessions_end(user, reason, except_sid)
    if revoked:
        data = {"reason": reason, "sessions": revoked}
        _record_end(AuditAction.SESSION_REVOKED, user, actor, data, request)
    return revoked


@transaction.atomic
def credentials_end_all(
    *,
    user: User,
    reason: str,
    except_sid: uuid.UUID | str | None = None,
    actor: User | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Revoke all sessions and API keys: after a new password, a new role, disabling or deletion."""
    sessions = _sessions_end(user, reason, except_sid)
    keys = ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    # Last, because a transaction that holds the lock of the audit head must not wait for other row locks.
    if sessions:
        data = {"reason": reason, "sessions": sessions}
        _record_end(AuditAction.SESSION_REVOKED, user, actor, data, request)
    if keys:
        _record_end(AuditAction.API_KEY_REVOKED, user, actor, {"reason": reason, "keys": keys}, request)


def _sessions_end(user: User, reason: str, except_sid: uuid.UUID | str | None) -> int:
    open_sessions = AuthSession.objects.filter(user=user, revoked_at=None)
    sids = [str(sid) for sid in open_sessions.values_list("sid", flat=True)]
    if except_sid is not None:
        open_sessions.filter(sid=except_sid).update(password_fingerprint=user.get_session_auth_hash())
        open_sessions = open_sessions.exclude(sid=except_sid)
    revoked = open_sessions.update(revoked_at=timezone.now(), revoked_reason=reason)
    transaction.on_commit(lambda: _uncache(sids))
    return revoked


def _record_end(
    action: AuditAction, user: User, actor: User | None, data: dict[str, Any], request: HttpRequest | None
) -> None:
    record(action=action, actor=actor or user, subject=f"user:{user.pk}", data=data, request=request)


# --- checking ----------------------------------------------------------------------------------------
def session_is_active(sid: uuid.UUID | str) -> bool:
    """Whether this session is open, by PostgreSQL; a positive result is cached in Redis for two seconds."""
    key = _live_key(sid)
    try:
        if cache.get(key):
            return True
    except RedisError:
        return session_find(sid) is not None
    if session_find(sid) is None:
        return False
    cache.set(key, "1", ACTIVE_CACHE_SECONDS)
    return True


def session_touch(*, sid: uuid.UUID | str, request: HttpRequest) -> None:
    """Store the time and client address of the session's use, at most once a minute."""
    try:
        due = cache.add(f"session-seen:{sid}", "1", int(TOUCH_INTERVAL.total_seconds()))
    except RedisError:
        return  # without Redis the use is not recorded; the next one after its recovery is
    if due:
        AuthSession.objects.filter(sid=sid).update(
            last_seen_at=timezone.now(), address=client_address(request)
        )


def _uncache(sids: Iterable[uuid.UUID | str]) -> None:
    try:
        cache.delete_many([_live_key(sid) for sid in sids])
    except RedisError:
        return  # the cached results expire within two seconds


def _live_key(sid: uuid.UUID | str) -> str:
    return f"session-live:{sid}"


# Session key under which allauth stores the authentication methods that were used.
_METHODS = "account_authentication_methods"


def signed_in(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Receiver of `user_logged_in`. A login by password or second factor counts as recent authentication."""
    methods = {entry.get("method") for entry in request.session.get(_METHODS) or ()}
    now = timezone.now()
    session_open(
        user=user,
        kind=AuthSession.Kind.WEB,
        request=request,
        second_factor_at=now if "mfa" in methods else None,
        step_up_at=now if methods & {"password", "mfa"} else None,
    )


def signed_out(*, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Receiver of `user_logged_out`, which is sent before the session is flushed."""
    if sid := request.session.get(SID):
        session_revoke(sid=sid, reason=SIGNED_OUT, actor=user, request=request)


RETENTION = timedelta(days=30)


def expired_delete(*, now: datetime, retention: timedelta = RETENTION) -> dict[str, int]:
    """Delete rows that ended more than `retention` ago, except the audit log. Returns row counts by kind."""
    return {name: rows.delete()[0] for name, rows in _expired(now, retention)}


def _expired(now: datetime, retention: timedelta) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Expired rows by kind. Codes and used second factors are in Redis and expire there."""
    before = now - retention
    yield "session cookies", Session.objects.filter(expire_date__lt=now)
    ended = Q(revoked_at__lt=before) | Q(last_seen_at__lt=before)
    yield "sessions and their tokens", AuthSession.objects.filter(ended)
    yield "API keys", ApiKey.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))
    yield "failed sign-ins", AccessAttempt.objects.filter(attempt_time__lt=before)
    yield "failures", AccessFailureLog.objects.filter(attempt_time__lt=before)
    verified = EmailAddress.objects.filter(verified=True).values("user")
    unverified = User.objects.filter(date_joined__lt=before, last_login=None, is_staff=False)
    unverified = unverified.exclude(pk__in=verified).filter(emailaddress__isnull=False)
    yield "unverified sign-ups", unverified
