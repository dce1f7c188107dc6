"""Session middleware: signs out revoked browser sessions, and sets whether staff have passed a second factor."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.selectors import session_find
from accounts.services import SID, session_is_active, session_touch


class SessionMiddleware:
    """Runs after `AuthenticationMiddleware`. Flushes a signed-in Django session without an active `sid`."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.get(SESSION_KEY):
            self._check(request)
        return self.get_response(request)

    def _check(self, request: HttpRequest) -> None:
        sid = request.session.get(SID)
        if sid and session_is_active(sid):
            session_touch(sid=sid, request=request)
            signed_in: Any = request.user
            request.user = SimpleLazyObject(lambda: _with_second_factor(signed_in, sid))  # type: ignore[assignment]
            return
        request.session.flush()
        request.user = AnonymousUser()


def _with_second_factor(user: User | AnonymousUser, sid: str) -> User | AnonymousUser:
    """The user of a page; for staff the session is read, because their role needs its second factor."""
    if isinstance(user, User) and user.is_staff:
        session = session_find(sid)
        user.second_factor_verified = session is not None and session.second_factor_at is not None
    return user
