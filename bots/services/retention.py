"""Retention of the bot journal."""

from datetime import datetime, timedelta

from django.conf import settings

from bots.models import BotJournalEntry, BotRun

MIN_DAYS = 7  # a database trigger rejects the deletion of anything younger (migration 0002)
BATCH_SIZE = 20_000  # rows of one statement, so that no lock is held for long


def journal_trim(*, now: datetime) -> int:
    """Delete decisions of runs that ended over `BOT_JOURNAL_DAYS` ago, the oldest first. Returns how many.

    At most `BATCH_SIZE` rows per call; the rest is deleted by the next call.
    """
    before = now - timedelta(days=max(settings.BOT_JOURNAL_DAYS, MIN_DAYS))
    ended = BotRun.objects.filter(ended_at__lt=before).values("pk")
    rows = BotJournalEntry.objects.filter(run__in=ended, kind=BotJournalEntry.Kind.DECISION).order_by("pk")
    deleted, _ = BotJournalEntry.objects.filter(pk__in=rows.values("pk")[:BATCH_SIZE]).delete()
    return deleted
