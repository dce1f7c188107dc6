"""Rate limit class of each route, for pages and the API. `core.rate_limits` does the counting."""

import re
from typing import TYPE_CHECKING, Any

import orjson
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.rate_limits import (
    FAIL_CLOSED,
    RateLimitClass,
    RateLimiterUnavailable,
    RateLimitResult,
    client_address,
    consume,
)

if TYPE_CHECKING:
    from rest_framework.views import APIView

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANY = SAFE | UNSAFE
COUNTED = "RATE_LIMIT_RESULT"  # key in request.META: the result of counting this request
ACCOUNT_FIELDS = ("login", "email", "username")

# The first match wins. Other routes are READ (GET, HEAD, OPTIONS) or WRITE.
ROUTES: tuple[tuple[re.Pattern[str], frozenset[str], RateLimitClass | None], ...] = tuple(
    (re.compile(pattern), methods, cls)
    for pattern, methods, cls in (
        (r"/(health|ready|metrics)$", ANY, None),
        (r"/account/step-up/|/api/v1/auth/step-up/?$", UNSAFE, RateLimitClass.STEP_UP),
        (r"/(account|api/v1/me)/export/?$|/api/v1/bots/[^/]+/export/", ANY, RateLimitClass.EXPORT),
        (r"/accounts/(signup|recover)/$|/account/email/$", UNSAFE, RateLimitClass.MAIL_CODE),
        (r"/api/v1/auth/signup/?$", UNSAFE, RateLimitClass.MAIL_CODE),
        (r"/accounts/logout/|/api/v1/auth/((logout|refresh)/?$|sessions)", UNSAFE, RateLimitClass.WRITE),
        (r"/(accounts|api/v1/auth)/|/account/(password|delete)/", UNSAFE, RateLimitClass.AUTH),
        (r"/(api/v1/)?orders(/|$)|/api/v1/wallets/[^/]+/leverage", UNSAFE, RateLimitClass.ORDER),
        # Live fragments of pages, reloaded while the user types and at each event.
        (
            r"/orders/(ticket|preview|share|tables)/|/wallets/[^/]+/(card|account|check)/"
            r"|/bots/(cards|of/[^/]+/attribution|new/[^/]+/preview|[^/]+/(live|records|equity))/",
            SAFE,
            RateLimitClass.FRAGMENT,
        ),
    )
)


def limit_class(method: str, path: str) -> RateLimitClass | None:
    """The rate limit class of a route; None if it is not limited."""
    for pattern, methods, cls in ROUTES:
        if method in methods and pattern.match(path):
            return cls
    return RateLimitClass.READ if method in SAFE else RateLimitClass.WRITE


def count_request(request: HttpRequest, cls: RateLimitClass, user: str | None) -> RateLimitResult | None:
    """Count the request. Without Redis: None if the class passes uncounted, else `RateLimiterUnavailable`."""
    account = _account(request) if cls in (RateLimitClass.AUTH, RateLimitClass.MAIL_CODE) else None
    try:
        result = consume(cls, address=client_address(request), user=user, account=account)
    except RateLimiterUnavailable:
        if cls in FAIL_CLOSED:
            raise
        return None
    request.META[COUNTED] = result
    return result


def _account(request: HttpRequest) -> str | None:
    """The account named in a login request: in a form, or in the JSON body for the API."""
    data: Any = request.POST if not request.path_info.startswith("/api/") else _json(request)
    if not hasattr(data, "get"):
        return None
    return next((name for field in ACCOUNT_FIELDS if isinstance(name := data.get(field), str) and name), None)


def _json(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None


class Throttle(BaseThrottle):
    """Throttle of DRF: counts API clients, which the middleware skips, by user or else by address."""

    def __init__(self) -> None:
        self.result: RateLimitResult | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        cls = limit_class(request.method or "", request.path_info)
        if cls is None or COUNTED in request.META:
            return True
        user = str(request.user.pk) if request.user.is_authenticated else None
        self.result = count_request(request._request, cls, user)
        return self.result is None or self.result.allowed

    def wait(self) -> float | None:
        return self.result.retry_after_s if self.result else None
