"""Limits as a caller meets them: 429 with what is left, 503 when nobody can count, a place to hash in.

A visitor is counted by address, a signed-in user by user. A program shows its credential only to the
API's authentication, so it is counted after that (`Throttle`), and by address when its credential was
refused. Sign-in is counted first of all, before any hashing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.rate_limits import LimitClass, LimitsUnavailable, Verdict, address_of, take_async
from cryptotrade.errors import error_response
from cryptotrade.rate_limit_routes import SPENT, limit_class, spend

HASHING = frozenset({LimitClass.AUTH, LimitClass.MAIL_CODE, LimitClass.STEP_UP})
WAITING_SECONDS = 20.0


class LimitsMiddleware:
    """Counts, refuses with 429 (503 when it cannot count what must be), and tells what is left."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        cls = limit_class(request.method or "", request.path_info)
        if cls is None:
            return self.get_response(request)
        later = _is_program(request) and cls not in HASHING
        response = None if later else _refusal(request, cls)
        response = response or self._answer(request, cls)
        if later and SPENT not in request.META:  # nobody was recognised
            response = _refusal(request, cls) or response
        return _tell(response, request.META.get(SPENT))

    def _answer(self, request: HttpRequest, cls: LimitClass) -> HttpResponse:
        if cls not in HASHING:
            return self.get_response(request)
        with _hashing_place() as place:
            return self.get_response(request) if place else _busy(request)


def _is_program(request: HttpRequest) -> bool:
    shown = "HTTP_AUTHORIZATION" in request.META or settings.ACCESS_COOKIE in request.COOKIES
    return shown and request.path_info.startswith("/api/")


def _refusal(request: HttpRequest, cls: LimitClass) -> HttpResponse | None:
    try:
        verdict = spend(request, cls, _session_user(request))
    except LimitsUnavailable:
        return _busy(request)
    if verdict is None or verdict.allowed:
        return None
    message = f"Too many requests: {verdict.limit} are allowed. Try again in {verdict.retry_after_s} s."
    details = {"limit": verdict.limit, "retry_after_s": verdict.retry_after_s, "class": str(cls)}
    return error_response(request, 429, message, details=details)


def _session_user(request: HttpRequest) -> str | None:
    """Visitors without cookies cost no look-up."""
    return str(request.user.pk) if request.COOKIES and request.user.is_authenticated else None


def _tell(response: HttpResponse, verdict: Verdict | None) -> HttpResponse:
    if verdict is None:
        return response
    response["X-RateLimit-Limit"] = str(verdict.limit)
    response["X-RateLimit-Remaining"] = str(verdict.remaining)
    response["X-RateLimit-Reset"] = str(verdict.reset_s)
    if not verdict.allowed:  # a 429 of others (lockout, codes) brings its own
        response["Retry-After"] = str(verdict.retry_after_s)
    return response


def _busy(request: HttpRequest) -> HttpResponse:
    response = error_response(request, 503, "We cannot check this now. Try again in a few seconds.")
    response["Retry-After"] = "5"
    return response


# --- hashing is a weapon against our own processor ----------------------------------------------------
# Each sign-in costs a quarter of a second of CPU and, while it waits, a database connection. So only a
# few are inside at a time; the rest wait at the door, where they hold nothing but a thread.
_PLACES = threading.BoundedSemaphore(4)
_WAITING = threading.BoundedSemaphore(256)


@contextmanager
def _hashing_place() -> Iterator[bool]:
    """True when there was room within WAITING_SECONDS."""
    if not _WAITING.acquire(blocking=False):
        yield False
        return
    try:
        inside = _PLACES.acquire(timeout=WAITING_SECONDS)
    finally:
        _WAITING.release()
    try:
        yield inside
    finally:
        if inside:
            _PLACES.release()


# --- the websocket ------------------------------------------------------------------------------------
def stream_address(scope: dict[str, Any]) -> str:
    """Whose connection it is, by the same rule as for requests."""
    forwarded = b",".join(value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for")
    peer = str(scope["client"][0]) if scope.get("client") else "unknown"
    return address_of(peer, forwarded.decode("latin-1"))


async def stream_wait(scope: dict[str, Any]) -> int:
    """0 when this connection may begin, else the seconds until another may."""
    try:
        verdict = await take_async(LimitClass.STREAM_CONNECT, address=stream_address(scope))
    except LimitsUnavailable:
        return 0
    return verdict.retry_after_s
