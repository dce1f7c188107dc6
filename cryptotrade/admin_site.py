"""Admin site: access control, registered models, audit entries, and the relaxed CSP that its front end needs."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.admin.actions import delete_selected
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from unfold.sites import UnfoldAdminSite

from accounts.audit import AuditAction, record
from accounts.step_up import StepUpRedirect, request_session
from cryptotrade.errors import error_response

APP_LABELS = frozenset({"accounts", "core", "market", "wallets", "bots"})
# Unfold's front end evaluates expressions (Alpine) and sets inline styles. No other page has this policy.
POLICY = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}
# Rows that the entry of an action names; it counts all of them.
NAMED_ROWS = 100
# Comparisons of the filters; none of them tests a part of a text.
FILTER_COMPARISONS = frozenset({"exact", "in", "isnull", "gte", "gt", "lte", "lt", "year", "month", "day"})
Action = Callable[[Any, HttpRequest, QuerySet[Model]], HttpResponse | None]
if TYPE_CHECKING:
    Base = ModelAdmin[Model]
else:
    Base = object


class AuditedAdmin(Base):
    """Mixed into every model admin of the site: look-ups by an allow-list, and `ADMIN_CHANGED` for each change and action.

    Entries hold names of fields, never their values. Additions, changes and deletions are recorded in their
    own transaction; an action is recorded after it ended, because the services that it calls lock rows.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """True for the fields of the filters of the list and for no other.

        Django allows look-ups of every column: `?password__startswith=…` would tell a hit from a miss.
        """
        filters = (each[0] if isinstance(each, list | tuple) else each for each in self.list_filter)
        names = (getattr(each, "parameter_name", each) for each in (*filters, self.date_hierarchy))
        fields = {name for name in names if isinstance(name, str)}
        field, _, comparison = lookup.rpartition("__")
        return lookup in fields or (field in fields and comparison in FILTER_COMPARISONS)

    def save_related(
        self,
        request: HttpRequest,
        form: "ModelForm[Model]",
        formsets: "list[BaseFormSet[Any]]",
        change: bool,  # noqa: FBT001
    ) -> None:
        """The last step of adding and changing a row, in the list of rows too."""
        super().save_related(request, form, formsets, change)
        related = {name for formset in formsets for row in formset.forms for name in row.changed_data}
        fields = sorted({*form.changed_data, *related})
        if fields or not change:
            data = {"change": "changed" if change else "added", "fields": fields}
            _record(request, _subject(form.instance), data)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        subject = _subject(obj)  # after the deletion it has no key
        with transaction.atomic():
            super().delete_model(request, obj)
            _record(request, subject, {"change": "deleted"})

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        subjects = [_subject(row) for row in queryset]
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            for subject in subjects:
                _record(request, subject, {"change": "deleted"})

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        return {
            name: (function if function is delete_selected else _recorded(function, name), name, text)
            for name, (function, _, text) in actions.items()
        }


def _recorded(function: Action, name: str) -> Action:
    @wraps(function)
    def run(admin: "ModelAdmin[Model]", request: HttpRequest, rows: QuerySet[Model]) -> HttpResponse | None:
        chosen, count = [str(pk) for pk in rows.values_list("pk", flat=True)[:NAMED_ROWS]], rows.count()
        response = function(admin, request, rows)
        if not isinstance(response, StepUpRedirect):
            label = rows.model._meta.label_lower
            data = {"change": "action", "action": name, "count": count, "rows": chosen}
            _record(request, f"{label}:{chosen[0] if count == 1 else 'several'}", data)
        return response

    return run


def _subject(row: Model) -> str:
    return f"{row._meta.label_lower}:{row.pk}"


def _record(request: HttpRequest, subject: str, data: Mapping[str, object]) -> None:
    actor = request.user if request.user.is_authenticated else None
    record(action=AuditAction.ADMIN_CHANGED, actor=actor, subject=subject, data=data, request=request)


class CryptoTradeAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    """Admin site for staff with a second factor in the current session. It has no login form of its own."""

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register models of the project's apps only: those of libraries would show seeds and tokens."""
        models: Iterable[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        )
        if own_models := [model for model in models if model._meta.app_label in APP_LABELS]:
            base = admin_class or ModelAdmin
            audited = type(base.__name__, (AuditedAdmin, base), {})
            super().register(own_models, audited, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        if not (request.user.is_active and request.user.is_staff):
            return False
        session = request_session(request)
        return session is not None and session.second_factor_at is not None

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        return csp_update(POLICY)(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Response to refused users: redirect to the login page, or 403 with the reason."""
        if not request.user.is_authenticated:
            target = request.GET.get("next") or request.get_full_path()
            return redirect_to_login(target, settings.LOGIN_URL)
        if self.has_permission(request):
            return redirect("admin:index")
        if not request.user.is_staff:
            return error_response(request, 403)
        message = gettext("The admin site requires a second factor: set one up, then sign in with it.")
        return error_response(request, 403, message, code="SECOND_FACTOR_REQUIRED")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")

    def password_change_done(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("admin:index")
