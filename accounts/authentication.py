"""Who calls the API: a bearer (access token or API key), a browser's token cookie, or a page's session.

`request.auth` is the `AuthSession` or the `ApiKey` behind the request: what scopes and step-up ask.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiKey, AuthSession, User
from accounts.selectors import KEY_PREFIX, api_key_find, session_find
from accounts.services import SID, access_read, api_key_used, session_seen

Answer = tuple[User, AuthSession | ApiKey] | None
CHALLENGE = 'Bearer realm="api"'
SAFE = ("GET", "HEAD", "OPTIONS")
REFUSED = "That credential is not valid."


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` with an access token or an API key (`ctk_…`)."""

    def authenticate(self, request: Request) -> Answer:
        kind, _, credential = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        credential = credential.strip()
        if credential.startswith(KEY_PREFIX):
            return _by_key(credential, request)
        return _by_token(credential, request)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class CookieAuthentication(BaseAuthentication):
    """An access token in an HttpOnly cookie. Browsers send cookies unasked, so CSRF is checked."""

    def authenticate(self, request: Request) -> Answer:
        token = request.COOKIES.get(settings.ACCESS_COOKIE)
        if not token:
            return None
        try:
            found = _by_token(token, request)
        except AuthenticationFailed:
            return None  # an old cookie is no credential: the page's session may still be one
        csrf_enforce(request)
        return found

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class PageAuthentication(SessionAuthentication):
    """The session of a page; `SessionMiddleware` of this app has refused those that were ended."""

    def authenticate(self, request: Request) -> Answer:
        found = super().authenticate(request)
        if found is None:
            return None
        session = session_find(request._request.session.get(SID))
        if session is None or session.user_id != found[0].pk:
            return None
        return session.user, session


def _by_token(token: str, request: Request) -> Answer:
    known = access_read(token)
    if known is None:
        raise AuthenticationFailed(REFUSED)
    session, _ = known
    session_seen(sid=session.sid, request=request._request)
    return session.user, session


def _by_key(secret: str, request: Request) -> Answer:
    key = api_key_find(secret)
    if key is None:
        raise AuthenticationFailed(REFUSED)
    api_key_used(key=key, request=request._request)
    return key.user, key


def csrf_enforce(request: Request | HttpRequest) -> None:
    """Django's own CSRF check (token and origin) for what a cookie vouches for. Raises `PermissionDenied`."""
    plain: Any = getattr(request, "_request", request)
    check: Any = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
    check.process_request(plain)
    if check.process_view(plain, None, (), {}):
        raise PermissionDenied("The CSRF token is missing or not right.")


class ScopePermission(BasePermission):
    """What an API key may do: safe methods with `read`; others only with the scope the view names.

    A view says `scopes = {"POST": "trade"}`; `scopes = None` keeps keys out altogether.
    """

    message = "This API key does not have the scope for that."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        scopes: dict[str, str] | None = getattr(view, "scopes", {})
        if scopes is None:
            return False
        wanted = scopes.get(str(request.method), ApiKey.Scope.READ if request.method in SAFE else None)
        return wanted in request.auth.scopes
