"""How long the journal is kept."""

from datetime import datetime, timedelta

from django.conf import settings

from bots.models import BotEvent, Run

LEAST_DAYS = 7  # the database refuses to give up anything younger (migration 0004)
AT_ONCE = 20_000  # rows of one statement, so that no lock is held for long


def journal_trim(*, now: datetime) -> int:
    """Delete decisions of runs that ended over `BOT_JOURNAL_DAYS` ago, the oldest first. Returns how many.

    Where there are too many for once, the rest goes the next time.
    """
    before = now - timedelta(days=max(settings.BOT_JOURNAL_DAYS, LEAST_DAYS))
    ended = Run.objects.filter(ended_at__lt=before).values("pk")
    rows = BotEvent.objects.filter(run__in=ended, kind=BotEvent.Kind.DECISION).order_by("pk")
    gone, _ = BotEvent.objects.filter(pk__in=rows.values("pk")[:AT_ONCE]).delete()
    return gone
