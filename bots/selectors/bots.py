"""Bots, their journal entries, inputs and runs: lookups for pages, the API and services."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q, QuerySet

from bots.models import Bot, BotInputs, BotJournalEntry, BotRun

if TYPE_CHECKING:
    from accounts.models import User


def bots_of(user: "User", *, archived: bool = False) -> QuerySet[Bot]:
    """The user's bots, newest first."""
    rows = Bot.objects.filter(user=user, archived_at__isnull=not archived)
    return rows.select_related("wallet", "instrument").order_by("-created_at")


def bot_get(user: "User", pk: UUID) -> Bot | None:
    """The user's bot, archived or not; None for a bot of another user."""
    return Bot.objects.select_related("wallet", "instrument").filter(user=user, pk=pk).first()


def bot_find(pk: UUID) -> Bot | None:
    """A bot of any user: the caller must check whether it may be read."""
    return Bot.objects.select_related("wallet", "instrument").filter(pk=pk).first()


def events_of(bot: Bot, kind: str = "") -> QuerySet[BotJournalEntry]:
    """The bot's journal, newest first; of one kind or of all."""
    rows = BotJournalEntry.objects.filter(bot=bot).order_by("-pk")
    return rows.filter(kind=kind) if kind else rows


def visible_events(bot: Bot) -> QuerySet[BotJournalEntry]:
    """The bot's journal, newest first, without decisions that requested no orders.

    Do not count these rows: that would read the whole journal.
    """
    without_requests = Q(kind=BotJournalEntry.Kind.DECISION, body__requests=[])
    return events_of(bot).exclude(without_requests)


def inputs_of(bot: Bot) -> QuerySet[BotInputs]:
    """All versions of the bot's inputs, newest first."""
    return BotInputs.objects.filter(bot=bot).order_by("-version")


def run_active(bot: Bot) -> BotRun | None:
    """The bot's run that has not ended, if any."""
    return BotRun.objects.filter(bot=bot, ended_at=None).first()


def run_last(bot: Bot) -> BotRun | None:
    """The bot's newest run, ended or not."""
    return BotRun.objects.filter(bot=bot).order_by("-started_at", "-pk").first()
