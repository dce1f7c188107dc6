"""Bots, their runs and journals, to be read; and the switch that stops a bot, under a fresh proof."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from unfold import decorators

from accounts.admin import HouseAdmin, fresh
from accounts.domain.permissions import Role
from accounts.selectors import role_of
from bots import models
from bots.domain.lifecycle import ENDED
from bots.selectors.cards import LATE
from bots.services import bot_force_stop
from market.domain.formatting import age

action: Callable[..., Callable[[Any], Any]] = decorators.action


class ReadAdmin(HouseAdmin):
    """Support and administrators read everybody's."""

    kind = "bot"
    show_full_result_count = False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) is Role.ADMINISTRATOR

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


class Silent(admin.SimpleListFilter):
    """Bots that should be driven and that nobody has been heard of."""

    title = "heartbeat"
    parameter_name = "heartbeat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("late", "late: over ten seconds")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[models.Bot]) -> QuerySet[models.Bot]:
        if self.value() != "late":
            return queryset
        heard = Q(heartbeat_at__gte=timezone.now() - LATE)
        return queryset.exclude(status__in=ENDED).exclude(heard)


@admin.register(models.Bot)
class BotAdmin(ReadAdmin):
    list_display = (
        "name", "user", "strategy", "instrument", "wallet", "status", "reason", "heard", "desired", "running_of",
    )  # fmt: skip
    list_filter = ("status", "strategy", "desired", Silent, "wallet__venue")
    search_fields = ("name", "user__email", "id")
    list_select_related = ("user", "instrument", "wallet")
    actions = ("force_stop",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.Bot]:
        mine = models.Run.objects.filter(bot__user=OuterRef("user"), ended_at=None).order_by()
        counted = mine.values("bot__user").annotate(count=Count("pk")).values("count")
        rows: QuerySet[models.Bot] = super().get_queryset(request)
        return rows.annotate(running=Subquery(counted))

    @admin.display(description="heard", ordering="heartbeat_at")
    def heard(self, bot: models.Bot) -> str:
        """How long ago its supervisor wrote."""
        if bot.heartbeat_at is None:
            return "never"
        elapsed = timezone.now() - bot.heartbeat_at
        return f"{age(int(elapsed.total_seconds() * 1000))} ago"

    @admin.display(description="running, of at most")
    def running_of(self, bot: Any) -> str:
        """Of its owner, and what the house allows one trader."""
        return f"{bot.running or 0} of {settings.BOTS_RUNNING_MOST}"

    @action(description="Stop and cancel their orders", permissions=["act"])
    @fresh("admin.trading_state")
    def force_stop(self, request: HttpRequest, rows: QuerySet[models.Bot]) -> None:
        for bot in rows:
            bot_force_stop(actor=request.user, bot_id=bot.pk, http=request)
        self.message_user(request, f"Stopped: {len(rows)}.", messages.SUCCESS)


@admin.register(models.Run)
class RunAdmin(ReadAdmin):
    list_display = ("bot", "started_at", "ended_at", "ended_why", "decisions", "inputs_version")
    search_fields = ("bot__name", "id")
    list_select_related = ("bot",)


@admin.register(models.BotEvent)
class BotEventAdmin(ReadAdmin):
    list_display = ("created_at", "bot", "kind", "number", "text")
    list_filter = ("kind",)
    search_fields = ("bot__name",)
    list_select_related = ("bot",)
