"""Sensitive acts want a fresh proof: a password or a second factor within the last ten minutes.

One table names the acts; pages use `@step_up_required(act)`, the API `StepUpRequired` with the view's
`step_up_act`, the admin `step_up_is_fresh`. What is not in the table cannot be gated: that is a bug.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import AuthSession
from accounts.selectors import session_find
from accounts.services import SID, step_up_is_fresh, step_up_pass

__all__ = ["GATED", "StepUpNeeded", "StepUpRequired", "request_session", "step_up_pass", "step_up_required"]

PAGE = "/account/step-up/"
# Act → what the person is told that it does. Later apps add their rows.
GATED: dict[str, str] = {
    "api_key.create": "Create an API key",
    "second_factor.change": "Change how you sign in",
    "password.change": "Change your password",
    "email.change": "Change your e-mail address",
    "account.export": "Download your data",
    "account.delete": "Delete your account",
    "admin.user": "Change somebody's account",
    "admin.session": "End somebody's sessions",
    "admin.audit_export": "Export the audit trail",
    "wallet.add": "Add a wallet",
    "wallet.replace_key": "Replace the key of a wallet",
    "wallet.archive": "Archive a wallet",
    "wallet.live": "Trade with real money",
    "wallet.limits": "Change what a wallet may do",
    "admin.trading_state": "Stop or resume somebody's trading",
}

View = Callable[..., HttpResponseBase]


class StepUpNeeded(APIException):
    """403 `REAUTH_REQUIRED`."""

    status_code = 403
    default_code = "REAUTH_REQUIRED"
    default_detail = "Confirm that it is you first: send your password or a code to /api/v1/auth/step-up."


def request_session(request: HttpRequest | Request) -> AuthSession | None:
    """The session behind a request of a page or of the API; None for visitors and API keys."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, AuthSession):
        return auth
    if auth is not None:
        return None
    session = session_find(request.session.get(SID)) if hasattr(request, "session") else None
    return session if session and session.user_id == request.user.pk else None


def step_up_required(act: str) -> Callable[[View], View]:
    """A page that only opens after a fresh proof; else it leads to the page that asks for one."""
    GATED[act]  # a KeyError while the module loads, not while somebody waits

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(_way_back(request))
            if step_up_is_fresh(request_session(request)):
                return view(request, *args, **kwargs)
            return step_up_redirect(request, act)

        return gated

    return decorate


def step_up_redirect(request: HttpRequest, act: str) -> HttpResponse:
    """To the page that asks for a proof, and from there back. htmx is told to load the whole page."""
    target = f"{PAGE}?{urlencode({'next': _way_back(request), 'act': act})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)


def _way_back(request: HttpRequest) -> str:
    """The page itself; for a form that was sent, the page that held it."""
    if request.method in ("GET", "HEAD") and not request.headers.get("HX-Request"):
        return request.get_full_path()
    held = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
    if held.netloc != request.get_host() or not held.path.startswith("/") or held.path.startswith("//"):
        return "/account/"
    return f"{held.path}?{held.query}" if held.query else held.path


class StepUpRequired(BasePermission):
    """Asks for a fresh proof where the view's `step_up_act` (one act, or one per method) says so."""

    def has_permission(self, request: Request, view: Any) -> bool:
        acts = getattr(view, "step_up_act", None)
        act = acts.get(request.method) if isinstance(acts, dict) else acts
        if act is None:
            return True
        GATED[act]
        if not step_up_is_fresh(request_session(request)):
            raise StepUpNeeded
        return True
