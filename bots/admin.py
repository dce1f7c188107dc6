"""Bots, their runs and journals, to be read; and the switch that stops a bot, under a fresh proof."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import decorators

from accounts.admin import HouseAdmin, fresh
from accounts.domain.rules import Role
from accounts.selectors import role_of
from bots import models
from bots.services import bot_force_stop

action: Callable[..., Callable[[Any], Any]] = decorators.action


class ReadAdmin(HouseAdmin):
    """Support and administrators read everybody's."""

    kind = "bot"
    show_full_result_count = False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) is Role.ADMINISTRATOR

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.register(models.Bot)
class BotAdmin(ReadAdmin):
    list_display = ("name", "user", "strategy", "instrument", "status", "reason", "heartbeat_at")
    list_filter = ("status", "strategy", "desired")
    search_fields = ("name", "user__email", "id")
    list_select_related = ("user", "instrument")
    actions = ("force_stop",)

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
