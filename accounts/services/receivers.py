"""Signal receivers that open and revoke the session row when a browser signs in or out."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuthSession, User
from accounts.services.sessions import SID, SIGNED_OUT, session_open, session_revoke

# Session key under which allauth stores the authentication methods that were used.
_METHODS = "account_authentication_methods"


def signed_in(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Receiver of `user_logged_in`. A login by password or second factor counts as recent authentication."""
    methods = {entry.get("method") for entry in request.session.get(_METHODS) or ()}
    now = timezone.now()
    session_open(
        user=user,
        kind=AuthSession.Kind.WEB,
        request=request,
        second_factor_at=now if "mfa" in methods else None,
        step_up_at=now if methods & {"password", "mfa"} else None,
    )


def signed_out(*, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Receiver of `user_logged_out`, which is sent before the session is flushed."""
    if sid := request.session.get(SID):
        session_revoke(sid=sid, reason=SIGNED_OUT, actor=user, request=request)
