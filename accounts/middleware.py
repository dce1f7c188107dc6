"""Session middleware: signs out browser sessions that were revoked, before any view reads the user."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

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
            return
        request.session.flush()
        request.user = AnonymousUser()
