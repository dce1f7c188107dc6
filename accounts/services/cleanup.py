"""Clean-up of expired sessions, API keys, failed logins and unverified sign-ups. Idempotent."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from accounts.models import ApiKey, AuthSession, User

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
