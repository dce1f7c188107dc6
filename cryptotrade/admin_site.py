"""Admin site: access control, registered models, and the relaxed CSP that its front end needs."""

from collections.abc import Callable, Iterable
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from unfold.sites import UnfoldAdminSite

from accounts.step_up import request_session
from cryptotrade.errors import error_response

APP_LABELS = frozenset({"accounts", "core", "market", "wallets", "bots"})
# Unfold's front end evaluates expressions (Alpine) and sets inline styles. No other page has this policy.
POLICY = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class CryptoTradeAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    """Admin site for staff with a second factor in the current session. It has no login form of its own."""

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models of the project's apps only: those of libraries would show seeds and tokens."""
        models: Iterable[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        )
        if own_models := [model for model in models if model._meta.app_label in APP_LABELS]:
            super().register(own_models, admin_class, **options)

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

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("account_change_password")

    def password_change_done(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:index")
