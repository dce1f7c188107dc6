"""Removes what has had its day: sessions, tokens, codes, failed sign-ins. Safe to run at any time, twice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from accounts.models import ApiKey, AuthSession, User

KEPT = timedelta(days=30)


def expired_remove(*, now: datetime, kept: timedelta = KEPT) -> dict[str, int]:
    """Delete what ended longer than `kept` ago. Returns how many rows of each kind. The audit trail stays."""
    return {name: rows.delete()[0] for name, rows in _expired(now, kept)}


def _expired(now: datetime, kept: timedelta) -> Iterator[tuple[str, QuerySet[Any]]]:
    """What may go, by name. Codes and used second factors are in Redis, which forgets by itself."""
    before = now - kept
    yield "session cookies", Session.objects.filter(expire_date__lt=now)
    dead = Q(revoked_at__lt=before) | Q(last_seen_at__lt=before)
    yield "sessions and their tokens", AuthSession.objects.filter(dead)
    yield "API keys", ApiKey.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))
    yield "failed sign-ins", AccessAttempt.objects.filter(attempt_time__lt=before)
    yield "failures", AccessFailureLog.objects.filter(attempt_time__lt=before)
    verified = EmailAddress.objects.filter(verified=True).values("user")
    never = User.objects.filter(date_joined__lt=before, last_login=None, is_staff=False)
    never = never.exclude(pk__in=verified).filter(emailaddress__isnull=False)
    yield "sign-ups that were never verified", never
