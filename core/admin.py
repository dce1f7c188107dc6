"""Base class of read-only admin pages, and the admin page of worker processes."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from core.models import Worker


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


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Read-only admin page of the running worker processes and their leases."""

    list_display = ("channel", "host", "pid", "started_at", "lease_until")
