"""Venues, instruments and workers. The site lets staff in; support reads, administrators change."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from market.models import Instrument, Venue, Worker


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """All staff read; nothing is for editing."""

    list_filter_submit = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Venue)
class VenueAdmin(ReadOnlyAdmin):
    """Venues are made by the feed; a person may only rename them and switch them off."""

    list_display = ("title", "name", "simulated", "enabled", "owner", "owner_epoch")
    readonly_fields = ("name", "simulated", "owner", "owner_epoch")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """Read from the venue."""

    list_display = ("symbol", "venue", "kind", "base", "quote", "trading", "updated_at")
    list_filter = ("venue", "kind", "trading")
    search_fields = ("symbol", "base", "quote")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """The running worker processes and their leases."""

    list_display = ("channel", "host", "pid", "started_at", "lease_until")
