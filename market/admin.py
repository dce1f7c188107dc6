"""Admin pages of venues, instruments and workers: staff may view, superusers may edit venues."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from market.models import Instrument, Venue, Worker


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only admin page for all active staff."""

    list_filter_submit = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Venue)
class VenueAdmin(ReadOnlyAdmin):
    """Admin page of venues. The feed worker creates the rows; a superuser may change title and `enabled`."""

    list_display = ("title", "name", "simulated", "enabled", "owner", "owner_epoch")
    readonly_fields = ("name", "simulated", "owner", "owner_epoch")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_active and request.user.is_superuser


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """Read-only admin page of instruments; their values are synchronised from the venue."""

    list_display = ("symbol", "venue", "kind", "base", "quote", "trading", "updated_at")
    list_filter = ("venue", "kind", "trading")
    search_fields = ("symbol", "base", "quote")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Read-only admin page of the running worker processes and their leases."""

    list_display = ("channel", "host", "pid", "started_at", "lease_until")
