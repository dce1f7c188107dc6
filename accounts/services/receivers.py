"""What happens when a browser signs in or out, whichever page did it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuthSession, User
from accounts.services.sessions import SID, SIGNED_OUT, session_open, session_revoke

# Where allauth notes how the person proved who they are.
_METHODS = "account_authentication_methods"


def signed_in(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Receiver of `user_logged_in`. A password or second factor just shown counts as a fresh proof."""
    shown = {entry.get("method") for entry in request.session.get(_METHODS) or ()}
    now = timezone.now()
    session_open(
        user=user,
        kind=AuthSession.Kind.WEB,
        request=request,
        second_factor_at=now if "mfa" in shown else None,
        step_up_at=now if shown & {"password", "mfa"} else None,
    )


def signed_out(*, request: HttpRequest, user: User | None, **_: Any) -> None:
    """Receiver of `user_logged_out`, which comes before the session is emptied."""
    if sid := request.session.get(SID):
        session_revoke(sid=sid, reason=SIGNED_OUT, actor=user, request=request)
