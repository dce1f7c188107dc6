"""Admin pages of venues and instruments: staff may view, superusers may edit venues."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from core.admin import ReadOnlyAdmin
from market.models import Instrument, Venue


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

    list_display = ("symbol", "venue", "kind", "base", "quote", "status", "updated_at")
    list_filter = ("venue", "kind", "status")
    search_fields = ("symbol", "base", "quote")
