"""Refuses browser sessions that were ended elsewhere, before any view sees who is signed in."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from accounts.services import SID, session_is_live, session_seen


class SessionMiddleware:
    """After `AuthenticationMiddleware`. A signed-in session without an open `sid` is emptied."""

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
        if sid and session_is_live(sid):
            session_seen(sid=sid, request=request)
            return
        request.session.flush()
        request.user = AnonymousUser()
