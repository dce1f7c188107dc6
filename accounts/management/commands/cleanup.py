"""Removes what has had its day: sessions, tokens, codes, failed sign-ins. Safe to run at any time, twice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiKey, AuthSession, User

KEPT_DAYS = 30


def expired(now: datetime, kept: timedelta) -> Iterator[tuple[str, QuerySet[Any]]]:
    """What may go, by name. Codes and used second factors are in Redis, which forgets by itself."""
    before = now - kept
    yield "session cookies", Session.objects.filter(expire_date__lt=now)
    dead = Q(revoked_at__lt=before) | Q(last_seen_at__lt=before)
    yield "sessions and their tokens", AuthSession.objects.filter(dead)
    yield "API keys", ApiKey.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))
    yield "failed sign-ins", AccessAttempt.objects.filter(attempt_time__lt=before)
    yield "failures", AccessFailureLog.objects.filter(attempt_time__lt=before)
    verified = EmailAddress.objects.filter(verified=True).values("user")
    never = User.objects.filter(date_joined__lt=before, last_login=None, is_staff=False).exclude(
        pk__in=verified
    )
    yield "sign-ups that were never verified", never.filter(emailaddress__isnull=False)


class Command(BaseCommand):
    help = "Remove expired sessions, tokens, codes and failed sign-ins. The audit trail stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=KEPT_DAYS, help="keep what ended later than that")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, rows in expired(timezone.now(), timedelta(days=options["days"])):
            removed, _ = rows.delete()
            self.stdout.write(f"{name}: {removed}")
