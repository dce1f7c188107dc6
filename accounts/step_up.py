"""Step-up requirement of sensitive actions: a password or second factor within the last ten minutes.

`STEP_UP_ACTIONS` lists the actions. Pages use `@step_up_required(act)`, the API `StepUpRequired` with
the view's `step_up_act`, the admin `step_up_is_fresh`. An action outside the table raises `KeyError`.
"""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import AuthSession
from accounts.selectors import session_find
from accounts.services import SID, step_up_is_fresh, step_up_pass
from core.requests import HtmxHttpRequest

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports this module

__all__ = [
    "STEP_UP_ACTIONS",
    "StepUpRedirect",
    "StepUpRequired",
    "StepUpRequiredError",
    "request_session",
    "step_up_check",
    "step_up_pass",
    "step_up_required",
]

PAGE = "/account/step-up/"
# Action → description shown on the step-up page.
STEP_UP_ACTIONS: dict[str, Any] = {
    "api_key.create": _("Create an API key"),
    "second_factor.change": _("Change the second factor"),
    "password.change": _("Change your password"),
    "email.change": _("Change your e-mail address"),
    "account.export": _("Download your data"),
    "account.delete": _("Delete your account"),
    "admin.user": _("Change a user's account"),
    "admin.session": _("Revoke a user's credentials"),
    "admin.audit_export": _("Export the audit log"),
    "wallet.add": _("Add a wallet"),
    "wallet.replace_key": _("Replace the key of a wallet"),
    "wallet.archive": _("Archive a wallet"),
    "wallet.live": _("Trade with real money"),
    "wallet.limits": _("Change the limits of a wallet"),
    "admin.trading_state": _("Halt or resume a user's trading"),
}

View = Callable[..., HttpResponseBase]


class StepUpRequiredError(APIException):
    """403 `REAUTH_REQUIRED`: the session needs recent authentication."""

    status_code = 403
    default_code = "REAUTH_REQUIRED"
    default_detail = "Confirm your identity first: send your password or a code to /api/v1/auth/step-up."


def request_session(request: HttpRequest | Request) -> AuthSession | None:
    """The login session of a page or API request; None for anonymous requests and API keys."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, AuthSession):
        return auth
    if auth is not None:
        return None
    session = session_find(request.session.get(SID)) if hasattr(request, "session") else None
    return session if session and session.user_id == request.user.pk else None


def step_up_check(request: HttpRequest | Request, act: str) -> None:
    """Raises `StepUpRequiredError` without recent authentication, `KeyError` for an act outside the table."""
    STEP_UP_ACTIONS[act]
    if not step_up_is_fresh(request_session(request)):
        raise StepUpRequiredError


def step_up_required(act: str) -> Callable[[View], View]:
    """Decorator of a page that requires recent authentication; otherwise redirects to the step-up page."""
    STEP_UP_ACTIONS[act]  # raises KeyError at import, not at the first request

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HtmxHttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(_return_url(request))
            if step_up_is_fresh(request_session(request)):
                return view(request, *args, **kwargs)
            return step_up_redirect(request, act)

        return gated

    return decorate


class StepUpRedirect(HttpResponseRedirect):
    """Answer of an action that was not performed: its user must authenticate again first."""


def step_up_redirect(request: HtmxHttpRequest, act: str) -> HttpResponse:
    """Redirect to the step-up page, which returns to this page. An htmx request loads it as a full page."""
    target = f"{PAGE}?{urlencode({'next': _return_url(request), 'act': act})}"
    if request.htmx:
        return HttpResponseClientRedirect(target)
    return StepUpRedirect(target)


def _return_url(request: HtmxHttpRequest) -> str:
    """The requested page; for a submitted form the page that contains it."""
    if request.method in ("GET", "HEAD") and not request.htmx:
        return request.get_full_path()
    page = urlsplit(request.htmx.current_url or request.headers.get("Referer") or "")
    if page.netloc != request.get_host() or not page.path.startswith("/") or page.path.startswith("//"):
        return "/account/"
    return f"{page.path}?{page.query}" if page.query else page.path


class StepUpRequired(BasePermission):
    """Permission that requires recent authentication for the view's `step_up_act`, or one per method."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        acts = getattr(view, "step_up_act", None)
        act = acts.get(request.method) if isinstance(acts, dict) else acts
        if act is None:
            return True
        step_up_check(request, act)
        return True
