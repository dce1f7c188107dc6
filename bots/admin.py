"""Admin of bots, runs and journals: read-only, plus an action that stops bots after recent authentication."""

from collections.abc import Callable
from typing import Any, Protocol

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold import decorators

from accounts.admin import RoleModelAdmin, requires_step_up
from accounts.authentication import SignedInHttpRequest
from accounts.domain.permissions import Role
from accounts.selectors import acting_role
from bots import models
from bots.domain.lifecycle import TERMINAL
from bots.selectors.cards import HEARTBEAT_TIMEOUT
from bots.services import bot_force_stop
from core.formatting import age

action: Callable[..., Callable[[Any], Any]] = decorators.action


class ListedBot(Protocol):
    """A bot with the annotation of the list."""

    running: int | None


class ReadOnlyBotAdmin(RoleModelAdmin):
    """Read-only admin: support and administrators may read the bots of all users."""

    kind = "bot"
    show_full_result_count = False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return acting_role(request.user) is Role.ADMINISTRATOR

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


class StaleHeartbeatFilter(admin.SimpleListFilter):
    """Filter: bots that should run and have no current heartbeat."""

    title = _("heartbeat")
    parameter_name = "heartbeat"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[models.Bot]"
    ) -> list[tuple[str, str]]:
        return [("late", _t("not responding for 10 s"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[models.Bot]) -> QuerySet[models.Bot]:
        if self.value() != "late":
            return queryset
        current = Q(heartbeat_at__gte=timezone.now() - HEARTBEAT_TIMEOUT)
        return queryset.exclude(status__in=TERMINAL).exclude(current)


@admin.register(models.Bot)
class BotAdmin(ReadOnlyBotAdmin):
    """Admin of bots, with the action that stops them."""

    list_display = (
        "name", "user", "strategy", "instrument", "wallet", "status", "reason", "last_heartbeat", "desired", "running_of",
    )  # fmt: skip
    list_filter = ("status", "strategy", "desired", StaleHeartbeatFilter, "wallet__venue")
    search_fields = ("name", "user__email", "id")
    list_select_related = ("user", "instrument", "wallet")
    actions = ("force_stop",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.Bot]:
        active_runs = models.BotRun.objects.filter(bot__user=OuterRef("user"), ended_at=None).order_by()
        counts = active_runs.values("bot__user").annotate(count=Count("pk")).values("count")
        rows: QuerySet[models.Bot] = super().get_queryset(request)
        return rows.annotate(running=Subquery(counts))

    @admin.display(description=_("last heartbeat"), ordering="heartbeat_at")
    def last_heartbeat(self, bot: models.Bot) -> str:
        """Age of the last heartbeat."""
        if bot.heartbeat_at is None:
            return _t("never")
        elapsed = timezone.now() - bot.heartbeat_at
        return _t("%(age)s ago") % {"age": age(int(elapsed.total_seconds() * 1000))}

    @admin.display(description=_("running (max)"))
    def running_of(self, bot: ListedBot) -> str:
        """Number of running bots of the owner, and the limit per user."""
        return _t("%(count)s of %(limit)s") % {
            "count": bot.running or 0,
            "limit": settings.MAX_RUNNING_BOTS_PER_USER,
        }

    @action(description=_("Stop and cancel their orders"), permissions=["act"])
    @requires_step_up("admin.trading_state")
    def force_stop(self, request: SignedInHttpRequest, rows: QuerySet[models.Bot]) -> None:
        for bot in rows:
            bot_force_stop(actor=request.user, bot_id=bot.pk, http=request)
        self.message_user(request, _t("Stopped: %(count)s.") % {"count": len(rows)}, messages.SUCCESS)


@admin.register(models.BotRun)
class RunAdmin(ReadOnlyBotAdmin):
    """Admin of bot runs."""

    list_display = ("bot", "started_at", "ended_at", "end_reason", "last_decision", "inputs_version")
    search_fields = ("bot__name", "id")
    list_select_related = ("bot",)


@admin.register(models.BotJournalEntry)
class BotEventAdmin(ReadOnlyBotAdmin):
    """Admin of journal entries."""

    list_display = ("created_at", "bot", "kind", "number", "text")
    list_filter = ("kind",)
    search_fields = ("bot__name",)
    list_select_related = ("bot",)
