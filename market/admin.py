from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from market.models import Instrument, Venue, Worker


@admin.register(Venue)
class VenueAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Venues are made by the feed; a person may only rename them and switch them off."""

    list_display = ("title", "name", "simulated", "enabled", "owner", "owner_epoch")
    readonly_fields = ("name", "simulated", "owner", "owner_epoch")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read from the venue; nothing here is for editing."""

    list_display = ("symbol", "venue", "kind", "base", "quote", "trading", "updated_at")
    list_filter = ("venue", "kind", "trading")
    search_fields = ("symbol", "base", "quote")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The running worker processes."""

    list_display = ("channel", "host", "pid", "started_at", "lease_until")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
