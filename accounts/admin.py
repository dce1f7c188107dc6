"""People, their sessions and keys, and the audit trail. Nothing is edited by hand: acts are services.

What opens something (hashes, seeds, token numbers) is in no list, field, search or filter.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold import decorators
from unfold.admin import ModelAdmin

from accounts import services
from accounts.audit import AuditAction, exported, record
from accounts.domain.permissions import Act, Role
from accounts.models import ApiKey, AuditEntry, AuthSession, User
from accounts.rate_limits import LimitClass, take
from accounts.selectors import role_of, user_may
from accounts.step_up import request_session, step_up_redirect

action: Callable[..., Callable[[Any], Any]] = decorators.action
display: Callable[..., Callable[[Any], Any]] = decorators.display
EXPORT_ROWS = 50_000
# What a spreadsheet takes for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
Rows = QuerySet[Any]


class HouseAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only; who may read or act is decided by `accounts.domain.permissions` for `kind`."""

    kind: ClassVar[str]
    actions_on_top = True
    list_filter_submit = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return user_may(user=request.user, act=Act.READ, kind=self.kind, owner=None)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return user_may(user=request.user, act=Act.CHANGE, kind=self.kind, owner=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def fresh(act: str) -> Callable[[Any], Any]:
    """An action that asks for a fresh proof first (accounts/step_up.py)."""

    def decorate(function: Any) -> Any:
        def gated(self: Any, request: HttpRequest, rows: Rows) -> HttpResponse | None:
            if not services.step_up_is_fresh(request_session(request)):
                return step_up_redirect(request, act)
            done: HttpResponse | None = function(self, request, rows)
            return done

        gated.__name__ = function.__name__
        return gated

    return decorate


@admin.register(User)
class UserAdmin(HouseAdmin):
    kind = "profile"
    list_display = ("email", "name", "role", "is_active", "second_factor", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "name", "id")
    fields = ("id", "email", "name", "role", "is_active", "second_factor", "last_login", "date_joined")
    readonly_fields = fields
    ordering = ("-date_joined",)
    actions = ("disable", "enable", "end_credentials", "make_trader", "make_support", "make_administrator")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        from allauth.mfa.models import Authenticator  # not before the apps are ready

        factors = Authenticator.objects.filter(user=OuterRef("pk"))
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.annotate(factor=Exists(factors)).prefetch_related("groups")

    @display(description="role")
    def role(self, user: User) -> str:
        return role_of(user).value

    @display(description="second factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        return bool(user.factor)

    @action(description="Disable: no sign-in, every credential ends", permissions=["act"])
    @fresh("admin.user")
    def disable(self, request: HttpRequest, rows: Rows) -> None:
        self._each(request, rows, lambda user: services.user_disable(user=user, **_by(request)))

    @action(description="Enable", permissions=["act"])
    @fresh("admin.user")
    def enable(self, request: HttpRequest, rows: Rows) -> None:
        self._each(request, rows, lambda user: services.user_enable(user=user, **_by(request)))

    @action(description="End every session and API key", permissions=["act"])
    @fresh("admin.session")
    def end_credentials(self, request: HttpRequest, rows: Rows) -> None:
        def end(user: User) -> bool:
            services.credentials_end_all(user=user, reason="ended by an administrator", **_by(request))
            return True

        self._each(request, rows, end)

    @action(description="Make trader", permissions=["act"])
    @fresh("admin.user")
    def make_trader(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.TRADER)

    @action(description="Make support: reads everything but secrets", permissions=["act"])
    @fresh("admin.user")
    def make_support(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.SUPPORT)

    @action(description="Make administrator", permissions=["act"])
    @fresh("admin.user")
    def make_administrator(self, request: HttpRequest, rows: Rows) -> None:
        self._set_role(request, rows, Role.ADMINISTRATOR)

    def _set_role(self, request: HttpRequest, rows: Rows, role: Role) -> None:
        self._each(request, rows, lambda user: services.role_set(user=user, role=role, **_by(request)))

    def _each(self, request: HttpRequest, rows: Rows, act: Callable[[User], bool]) -> None:
        """Oneself is left out: nobody locks the last administrator out by a slip."""
        changed = sum(act(user) for user in rows.exclude(pk=request.user.pk))
        self.message_user(request, f"Changed: {changed} of {rows.count()}.", messages.SUCCESS)


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.user, "request": request}


@admin.register(AuthSession)
class AuthSessionAdmin(HouseAdmin):
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

    @display(description="kind")
    def kind_of(self, session: AuthSession) -> str:
        return session.get_kind_display()

    @action(description="End", permissions=["act"])
    @fresh("admin.session")
    def end(self, request: HttpRequest, rows: Rows) -> None:
        reason = "ended by an administrator"
        for session in rows:
            services.session_revoke(sid=session.sid, reason=reason, **_by(request))


@admin.register(ApiKey)
class ApiKeyAdmin(HouseAdmin):
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

    @action(description="End", permissions=["act"])
    @fresh("admin.session")
    def end(self, request: HttpRequest, rows: Rows) -> None:
        for key in rows:
            services.api_key_revoke(key=key, **_by(request))


@admin.register(AuditEntry)
class AuditEntryAdmin(HouseAdmin):
    """Select, then export. A whole trail that can be verified: `manage.py audit export`."""

    kind = "audit"
    list_display = ("seq", "at", "who", "action", "subject", "address", "request_id")
    list_filter = ("action", "recorded_at")
    search_fields = ("subject", "actor", "address", "request_id")
    fields = (
        "seq", "recorded_at", "who", "action", "subject", "address", "request_id", "data", "previous_hash",
        "hash",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-seq",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("export_csv", "export_json")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        people = User.objects.filter(pk=OuterRef("actor")).values("email")[:1]
        rows: QuerySet[AuditEntry] = super().get_queryset(request)
        return rows.annotate(email=people)

    @display(description="at, UTC", ordering="recorded_at")
    def at(self, entry: AuditEntry) -> str:
        return f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}"

    @display(description="who")
    def who(self, entry: Any) -> str:
        return str(entry.email or entry.actor or "–")

    @action(description="Export as CSV", permissions=["view"])
    @fresh("admin.audit_export")
    def export_csv(self, request: HttpRequest, rows: Rows) -> HttpResponse | None:
        return self._export(request, rows, "csv", _csv, "text/csv; charset=utf-8")

    @action(description="Export as JSON lines", permissions=["view"])
    @fresh("admin.audit_export")
    def export_json(self, request: HttpRequest, rows: Rows) -> HttpResponse | None:
        return self._export(request, rows, "jsonl", _json_lines, "application/jsonl")

    def _export(
        self, request: HttpRequest, rows: Rows, kind: str, write: Callable[[Iterable[Any]], str], mime: str
    ) -> HttpResponse | None:
        verdict = take(LimitClass.EXPORT, user=str(request.user.pk))
        if not verdict.allowed:
            message = f"Too many exports. Try again in {verdict.retry_after_s} s."
            self.message_user(request, message, messages.ERROR)
            return None
        chosen = list(rows.order_by("seq")[:EXPORT_ROWS])
        data = {"format": kind, "entries": len(chosen)}
        record(
            action=AuditAction.AUDIT_EXPORTED,
            actor=_person(request),
            subject="audit:all",
            data=data,
            request=request,
        )
        named = {"Content-Disposition": f'attachment; filename="audit.{kind}"'}
        return HttpResponse(write(exported(chosen)), content_type=mime, headers=named)


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, sort_keys=True, ensure_ascii=False)}\n" for row in rows)


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer: Any = None
    for row in rows:
        writer = writer or csv.writer(out)
        if not out.tell():
            writer.writerow(row)
        writer.writerow([inert(value) for value in row.values()])
    return out.getvalue()


def inert(value: Any) -> str:
    """The cell as text that no spreadsheet runs as a formula."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, dict) else str(value)
    text = "" if value is None else text
    return f"'{text}" if text.startswith(FORMULA) else text
