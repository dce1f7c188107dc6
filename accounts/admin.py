"""Admin pages of users, sessions, API keys and the audit log: read-only, changed only through services.

Secrets (password hashes, TOTP seeds, token ids) appear in no list, field, search or filter.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, Protocol
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold import decorators
from unfold.admin import ModelAdmin

from accounts import services
from accounts.audit import AuditAction, exported, record
from accounts.authentication import SignedInHttpRequest
from accounts.domain.permissions import Action, Role
from accounts.models import ApiKey, AuditEntry, AuthSession, User
from accounts.selectors import role_of, user_is_allowed
from accounts.step_up import request_session, step_up_redirect
from core.rate_limits import RateLimitClass, consume

action: Callable[..., Callable[[Any], Any]] = decorators.action
display: Callable[..., Callable[[Any], Any]] = decorators.display
EXPORT_ROWS = 50_000
# Leading characters that make a spreadsheet evaluate a cell as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
Rows = QuerySet[Any]
AdminAction = Callable[[Any, SignedInHttpRequest, Rows], HttpResponse | None]


class ListedUser(Protocol):
    """A user with the annotation of the list."""

    factor: bool


class ListedEntry(Protocol):
    """An audit entry with the annotation of the list."""

    actor: UUID | None
    email: str | None


class RoleModelAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only model admin; `accounts.domain.permissions` decides by `kind` on viewing and actions."""

    kind: ClassVar[str]
    actions_on_top = True
    list_filter_submit = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return user_is_allowed(user=request.user, act=Action.READ, kind=self.kind, owner=None)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return user_is_allowed(user=request.user, act=Action.CHANGE, kind=self.kind, owner=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def requires_step_up(act: str) -> Callable[[AdminAction], AdminAction]:
    """Decorator of an admin action that requires recent authentication (accounts/step_up.py)."""

    def decorate(function: AdminAction) -> AdminAction:
        @wraps(function)
        def gated(self: RoleModelAdmin, request: SignedInHttpRequest, rows: Rows) -> HttpResponse | None:
            if not services.step_up_is_fresh(request_session(request)):
                return step_up_redirect(request, act)
            return function(self, request, rows)

        return gated

    return decorate


@admin.register(User)
class UserAdmin(RoleModelAdmin):
    kind = "profile"
    list_display = ("email", "name", "role", "is_active", "second_factor", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "name", "id")
    fields = ("id", "email", "name", "role", "is_active", "second_factor", "last_login", "date_joined")
    readonly_fields = fields
    ordering = ("-date_joined",)
    actions = ("disable", "enable", "end_credentials", "make_trader", "make_support", "make_administrator")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        from allauth.mfa.models import Authenticator  # importable only once the apps are loaded

        factors = Authenticator.objects.filter(user=OuterRef("pk"))
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.annotate(factor=Exists(factors)).prefetch_related("groups")

    @display(description=_("role"))
    def role(self, user: User) -> str:
        return role_of(user).value

    @display(description=_("second factor"), boolean=True)
    def second_factor(self, user: ListedUser) -> bool:
        return bool(user.factor)

    @action(description=_("Disable: block sign-in and revoke all credentials"), permissions=["act"])
    @requires_step_up("admin.user")
    def disable(self, request: HttpRequest, rows: Rows) -> None:
        self._each(request, rows, lambda user: services.user_disable(user=user, **_by(request)))

    @action(description=_("Enable"), permissions=["act"])
    @requires_step_up("admin.user")
    def enable(self, request: HttpRequest, rows: Rows) -> None:
        self._each(request, rows, lambda user: services.user_enable(user=user, **_by(request)))

    @action(description=_("Revoke all sessions and API keys"), permissions=["act"])
    @requires_step_up("admin.session")
    def end_credentials(self, request: HttpRequest, rows: Rows) -> None:
        def end(user: User) -> bool:
            services.credentials_end_all(user=user, reason="ended by an administrator", **_by(request))
            return True

        self._each(request, rows, end)

    @action(description=_("Set role: trader"), permissions=["act"])
    @requires_step_up("admin.user")
    def make_trader(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.TRADER)

    @action(description=_("Set role: support (reads everything but secrets)"), permissions=["act"])
    @requires_step_up("admin.user")
    def make_support(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.SUPPORT)

    @action(description=_("Set role: administrator"), permissions=["act"])
    @requires_step_up("admin.user")
    def make_administrator(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.ADMINISTRATOR)

    def _set_role(self, request: HttpRequest, rows: Rows, role: Role) -> None:
        self._each(request, rows, lambda user: services.role_set(user=user, role=role, **_by(request)))

    def _each(self, request: HttpRequest, rows: Rows, act: Callable[[User], bool]) -> None:
        """Apply `act` to each user but the acting one: the last administrator cannot lock itself out."""
        changed = sum(act(user) for user in rows.exclude(pk=request.user.pk))
        message = gettext("Changed: %(changed)d of %(total)d.") % {"changed": changed, "total": rows.count()}
        self.message_user(request, message, messages.SUCCESS)


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.user, "request": request}


@admin.register(AuthSession)
class AuthSessionAdmin(RoleModelAdmin):
    kind = "session"
    list_display = (
        "user",
        "kind_of",
        "created_at",
        "last_seen_at",
        "address",
        "second_factor_at",
        "revoked_at",
    )
    list_filter = ("kind", "revoked_at", "last_seen_at")
    search_fields = ("user__email", "address", "sid")
    fields = (
        "sid", "user", "kind", "created_at", "last_seen_at", "address", "user_agent", "second_factor_at",
        "step_up_at", "revoked_at", "revoked_reason",
    )  # fmt: skip
    readonly_fields = fields
    list_select_related = ("user",)
    actions = ("end",)

    @display(description=_("kind"))
    def kind_of(self, session: AuthSession) -> str:
        return session.get_kind_display()

    @action(description=_("Revoke"), permissions=["act"])
    @requires_step_up("admin.session")
    def end(self, request: HttpRequest, rows: Rows) -> None:
        reason = "ended by an administrator"
        for session in rows:
            services.session_revoke(sid=session.sid, reason=reason, **_by(request))


@admin.register(ApiKey)
class ApiKeyAdmin(RoleModelAdmin):
    kind = "api_key"
    list_display = ("name", "user", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("revoked_at", "expires_at")
    search_fields = ("user__email", "name", "id")
    fields = (
        "id", "user", "name", "scopes", "created_at", "expires_at", "last_used_at", "last_used_address",
        "revoked_at",
    )  # fmt: skip
    readonly_fields = fields
    list_select_related = ("user",)
    actions = ("end",)

    @action(description=_("Revoke"), permissions=["act"])
    @requires_step_up("admin.session")
    def end(self, request: HttpRequest, rows: Rows) -> None:
        for key in rows:
            services.api_key_revoke(key=key, **_by(request))


@admin.register(AuditEntry)
class AuditEntryAdmin(RoleModelAdmin):
    """Audit log with export of selected entries; `manage.py audit export` writes the complete log."""

    kind = "audit"
    list_display = ("seq", "at", "actor_text", "action", "subject", "address", "request_id")
    list_filter = ("action", "recorded_at")
    search_fields = ("subject", "actor", "address", "request_id")
    fields = (
        "seq", "recorded_at", "actor_text", "action", "subject", "address", "request_id", "data",
        "previous_hash", "hash",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-seq",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("export_csv", "export_json")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        emails = User.objects.filter(pk=OuterRef("actor")).values("email")[:1]
        rows: QuerySet[AuditEntry] = super().get_queryset(request)
        return rows.annotate(email=emails)

    @display(description=_("time, UTC"), ordering="recorded_at")
    def at(self, entry: AuditEntry) -> str:
        return f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("actor"))
    def actor_text(self, entry: ListedEntry) -> str:
        return str(entry.email or entry.actor or "–")

    @action(description=_("Export as CSV"), permissions=["view"])
    @requires_step_up("admin.audit_export")
    def export_csv(self, request: HttpRequest, rows: Rows) -> HttpResponse | None:
        return self._export(request, rows, "csv", _csv, "text/csv; charset=utf-8")

    @action(description=_("Export as JSON lines"), permissions=["view"])
    @requires_step_up("admin.audit_export")
    def export_json(self, request: HttpRequest, rows: Rows) -> HttpResponse | None:
        return self._export(request, rows, "jsonl", _json_lines, "application/jsonl")

    def _export(
        self, request: HttpRequest, rows: Rows, kind: str, write: Callable[[Iterable[Any]], str], mime: str
    ) -> HttpResponse | None:
        limit = consume(RateLimitClass.EXPORT, user=str(request.user.pk))
        if not limit.allowed:
            message = gettext("Too many exports. Try again in %(seconds)d s.")
            self.message_user(request, message % {"seconds": limit.retry_after_s}, messages.ERROR)
            return None
        chosen = list(rows.order_by("seq")[:EXPORT_ROWS])
        data = {"format": kind, "entries": len(chosen)}
        record(
            action=AuditAction.AUDIT_EXPORTED,
            actor=_signed_in_user(request),
            subject="audit:all",
            data=data,
            request=request,
        )
        headers = {"Content-Disposition": f'attachment; filename="audit.{kind}"'}
        return HttpResponse(write(exported(chosen)), content_type=mime, headers=headers)


def _signed_in_user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, sort_keys=True, ensure_ascii=False)}\n" for row in rows)


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer: Any = None
    for row in rows:
        writer = writer or csv.writer(out)
        if not out.tell():  # nothing written yet
            writer.writerow(row)
        writer.writerow([escape_formula(value) for value in row.values()])
    return out.getvalue()


def escape_formula(value: object) -> str:
    """The cell as text that a spreadsheet does not evaluate as a formula."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, dict) else str(value)
    text = "" if value is None else text
    return f"'{text}" if text.startswith(FORMULA) else text
