"""Bots as pages, the API and services read them."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from bots.models import Bot, BotEvent, BotInputs, Run


def bots_of(user: Any, *, archived: bool = False) -> QuerySet[Bot]:
    """The user's bots, newest first."""
    rows = Bot.objects.filter(user=user, archived_at__isnull=not archived)
    return rows.select_related("wallet", "instrument").order_by("-created_at")


def bot_get(user: Any, pk: UUID) -> Bot | None:
    """The user's bot, archived or not; None for everybody else's."""
    return Bot.objects.select_related("wallet", "instrument").filter(user=user, pk=pk).first()


def bot_find(pk: UUID) -> Bot | None:
    """Anybody's bot: whoever asks judges whether it may be seen."""
    return Bot.objects.select_related("wallet", "instrument").filter(pk=pk).first()


def events_of(bot: Bot, kind: str = "") -> QuerySet[BotEvent]:
    """Its journal, newest first; of one kind or of all."""
    rows = BotEvent.objects.filter(bot=bot).order_by("-pk")
    return rows.filter(kind=kind) if kind else rows


def events_told(bot: Bot) -> QuerySet[BotEvent]:
    """Its journal without decisions that asked for nothing, newest first. Never count these: that reads all."""
    silent = Q(kind=BotEvent.Kind.DECISION, body__requests=[])
    return events_of(bot).exclude(silent)


def inputs_of(bot: Bot) -> QuerySet[BotInputs]:
    """All versions, newest first."""
    return BotInputs.objects.filter(bot=bot).order_by("-version")


def run_active(bot: Bot) -> Run | None:
    return Run.objects.filter(bot=bot, ended_at=None).first()


def run_last(bot: Bot) -> Run | None:
    return Run.objects.filter(bot=bot).order_by("-started_at", "-pk").first()
