"""Token cookies for browsers: HttpOnly, SameSite=Strict; the refresh cookie is sent to one route only."""

from django.conf import settings
from rest_framework.response import Response

from accounts.services import TokenPair

REFRESH_PATH = "/api/v1/auth/refresh"


def cookies_set(response: Response, pair: TokenPair) -> None:
    """Store both tokens in cookies."""
    _set(response, settings.ACCESS_COOKIE, pair.access, pair.access_seconds, "/")
    _set(response, settings.REFRESH_COOKIE, pair.refresh, pair.refresh_seconds, REFRESH_PATH)


def cookies_clear(response: Response) -> None:
    """Delete both cookies."""
    response.delete_cookie(settings.ACCESS_COOKIE, path="/", samesite="Strict")
    response.delete_cookie(settings.REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict")


def _set(response: Response, name: str, value: str, seconds: int, path: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
