"""Rate limit middleware: 429 with limit headers, 503 without Redis, bounded concurrency of password hashing.

An anonymous visitor is counted by address, a signed-in user by user. The credential of an API client is
read only by the API's authentication, so the request is counted after that (`Throttle`), and by address
if the credential was refused. Login requests are counted before any hashing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.rate_limits import RateLimitClass, RateLimiterUnavailable, RateLimitResult, aconsume, address_of
from cryptotrade.errors import error_response
from cryptotrade.rate_limit_routes import COUNTED, count_request, limit_class

HASHING = frozenset({RateLimitClass.AUTH, RateLimitClass.MAIL_CODE, RateLimitClass.STEP_UP})
WAITING_SECONDS = 20.0


class LimitsMiddleware:
    """Counts requests, refuses them with 429 (503 if a mandatory count is impossible), adds limit headers."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        cls = limit_class(request.method or "", request.path_info)
        if cls is None:
            return self.get_response(request)
        counted_later = _is_api_client(request) and cls not in HASHING
        response = None if counted_later else _refusal(request, cls)
        response = response or self._respond(request, cls)
        if counted_later and COUNTED not in request.META:  # the credential was refused
            response = _refusal(request, cls) or response
        return _add_headers(response, request.META.get(COUNTED))

    def _respond(self, request: HttpRequest, cls: RateLimitClass) -> HttpResponse:
        if cls not in HASHING:
            return self.get_response(request)
        with _hashing_slot() as acquired:
            return self.get_response(request) if acquired else _busy(request)


def _is_api_client(request: HttpRequest) -> bool:
    has_credential = "HTTP_AUTHORIZATION" in request.META or settings.ACCESS_COOKIE in request.COOKIES
    return has_credential and request.path_info.startswith("/api/")


def _refusal(request: HttpRequest, cls: RateLimitClass) -> HttpResponse | None:
    try:
        result = count_request(request, cls, _session_user(request))
    except RateLimiterUnavailable:
        return _busy(request)
    if result is None or result.allowed:
        return None
    message = gettext("Too many requests: the limit is %(limit)d. Try again in %(seconds)d s.")
    message %= {"limit": result.limit, "seconds": result.retry_after_s}
    details = {"limit": result.limit, "retry_after_s": result.retry_after_s, "class": str(cls)}
    return error_response(request, 429, message, details=details)


def _session_user(request: HttpRequest) -> str | None:
    """Id of the signed-in user; a request without cookies costs no query."""
    return str(request.user.pk) if request.COOKIES and request.user.is_authenticated else None


def _add_headers(response: HttpResponse, result: RateLimitResult | None) -> HttpResponse:
    if result is None:
        return response
    response["X-RateLimit-Limit"] = str(result.limit)
    response["X-RateLimit-Remaining"] = str(result.remaining)
    response["X-RateLimit-Reset"] = str(result.reset_s)
    if not result.allowed:  # other 429 responses (lockout, codes) set their own Retry-After
        response["Retry-After"] = str(result.retry_after_s)
    return response


def _busy(request: HttpRequest) -> HttpResponse:
    message = gettext("The server is busy. Try again in a few seconds.")
    response = error_response(request, 503, message)
    response["Retry-After"] = "5"
    return response


# --- bounded concurrency of password hashing ----------------------------------------------------------
# Each login costs a quarter of a second of CPU and, while it waits, a database connection. So only a few
# requests hash at a time; the others wait before they reach Django and occupy only a thread.
_HASHING = threading.BoundedSemaphore(4)
_WAITING = threading.BoundedSemaphore(256)


@contextmanager
def _hashing_slot() -> Iterator[bool]:
    """Yields True if a slot became free within WAITING_SECONDS, else False."""
    if not _WAITING.acquire(blocking=False):
        yield False
        return
    try:
        acquired = _HASHING.acquire(timeout=WAITING_SECONDS)
    finally:
        _WAITING.release()
    try:
        yield acquired
    finally:
        if acquired:
            _HASHING.release()


# --- the websocket ------------------------------------------------------------------------------------
def stream_address(scope: dict[str, Any]) -> str:
    """Client address of a websocket, by the same rule as for requests."""
    forwarded = b",".join(value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for")
    peer = str(scope["client"][0]) if scope.get("client") else "unknown"
    return address_of(peer, forwarded.decode("latin-1"))


async def stream_rate_limit_wait(scope: dict[str, Any]) -> int:
    """0 if this connection is allowed, else the seconds until the next one is."""
    try:
        result = await aconsume(RateLimitClass.STREAM_CONNECT, address=stream_address(scope))
    except RateLimiterUnavailable:
        return 0
    return result.retry_after_s
