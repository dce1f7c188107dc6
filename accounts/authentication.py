"""API authentication: bearer credential (access token or API key), token cookie, or session cookie.

`request.auth` is the `AuthSession` or the `ApiKey` of the request; scopes (`accounts/api_scopes.py`) and step-up are
checked on it.
"""

from typing import Any, TypeGuard

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.models import ApiKey, AuthSession, User
from accounts.selectors import KEY_PREFIX, api_key_find, session_find
from accounts.services import SID, access_read, api_key_touch, session_touch
from core.requests import HtmxHttpRequest


class SignedInHttpRequest(HtmxHttpRequest):
    """Type of the request of a page behind `login_required`."""

    user: User


def is_signed_in(request: HttpRequest) -> TypeGuard[SignedInHttpRequest]:
    return request.user.is_authenticated


class SignedInRequest(Request):
    """Type of the request of an endpoint behind `IsAuthenticated`."""

    user: User


AuthResult = tuple[User, AuthSession | ApiKey] | None
CHALLENGE = 'Bearer realm="api"'
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
INVALID_CREDENTIALS = "Invalid credentials."


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` with an access token or an API key (`ctk_…`)."""

    def authenticate(self, request: Request) -> AuthResult:
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
    """An access token in an HttpOnly cookie. Browsers attach cookies automatically, so CSRF is checked."""

    def authenticate(self, request: Request) -> AuthResult:
        token = request.COOKIES.get(settings.ACCESS_COOKIE)
        if not token:
            return None
        try:
            result = _by_token(token, request)
        except AuthenticationFailed:
            return None  # an expired token cookie is ignored: the session cookie may still be valid
        csrf_enforce(request)
        return result

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionCookieAuthentication(SessionAuthentication):
    """The Django session of a page; `SessionMiddleware` of this app has already refused revoked sessions."""

    def authenticate(self, request: Request) -> AuthResult:
        result = super().authenticate(request)
        if result is None:
            return None
        session = session_find(request._request.session.get(SID))
        if session is None or session.user_id != result[0].pk:
            return None
        return session_user(session), session


def session_user(session: AuthSession) -> User:
    """The user of a login session; staff act as such only if the session has a verified second factor."""
    user: User = session.user
    user.second_factor_verified = session.second_factor_at is not None
    return user


def _by_token(token: str, request: Request) -> AuthResult:
    token_session = access_read(token)
    if token_session is None:
        raise AuthenticationFailed(INVALID_CREDENTIALS)
    session, _ = token_session
    session_touch(sid=session.sid, request=request._request)
    return session_user(session), session


def _by_key(secret: str, request: Request) -> AuthResult:
    key = api_key_find(secret)
    if key is None:
        raise AuthenticationFailed(INVALID_CREDENTIALS)
    api_key_touch(key=key, request=request._request)
    return key.user, key


def csrf_enforce(request: Request | HttpRequest) -> None:
    """Django's CSRF check (token, origin) for requests authenticated by cookie. Raises `PermissionDenied`."""
    django_request: Any = getattr(request, "_request", request)
    check: Any = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
    check.process_request(django_request)
    if check.process_view(django_request, None, (), {}):
        raise PermissionDenied("CSRF token missing or incorrect.")
