"""Which limit each route falls under: one table for pages and the API. Counting is in `accounts.rate_limits`."""

import re
from typing import Any

import orjson
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.rate_limits import FAIL_CLOSED, LimitClass, LimitsUnavailable, Verdict, client_address, take

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANY = SAFE | UNSAFE
SPENT = "LIMIT_VERDICT"  # in request.META: what this request was counted as
ACCOUNT_FIELDS = ("login", "email", "username")

# First match wins. What is not here reads (GET, HEAD, OPTIONS) or writes.
ROUTES: tuple[tuple[re.Pattern[str], frozenset[str], LimitClass | None], ...] = tuple(
    (re.compile(pattern), methods, cls)
    for pattern, methods, cls in (
        (r"/(health|ready|metrics)$", ANY, None),
        (r"/account/step-up/|/api/v1/auth/step-up/?$", UNSAFE, LimitClass.STEP_UP),
        (r"/(account|api/v1/me)/export/?$|/api/v1/bots/[^/]+/export/", ANY, LimitClass.EXPORT),
        (r"/accounts/(signup|recover)/$|/account/email/$", UNSAFE, LimitClass.MAIL_CODE),
        (r"/api/v1/auth/signup/?$", UNSAFE, LimitClass.MAIL_CODE),
        (r"/accounts/logout/|/api/v1/auth/((logout|refresh)/?$|sessions)", UNSAFE, LimitClass.WRITE),
        (r"/(accounts|api/v1/auth)/|/account/(password|delete)/", UNSAFE, LimitClass.AUTH),
        (r"/(api/v1/)?orders(/|$)|/api/v1/wallets/[^/]+/leverage", UNSAFE, LimitClass.ORDER),
        # The live parts of a page read themselves again: while somebody types, and at each event.
        (
            r"/orders/(ticket|preview|share|desk)/|/wallets/[^/]+/(card|books|check)/"
            r"|/bots/(cards|of/[^/]+/attribution|new/[^/]+/preview|[^/]+/(live|records|equity))/",
            SAFE,
            LimitClass.FRAGMENT,
        ),
    )
)


def limit_class(method: str, path: str) -> LimitClass | None:
    """The class of a route; None: not counted."""
    for pattern, methods, cls in ROUTES:
        if method in methods and pattern.match(path):
            return cls
    return LimitClass.READ if method in SAFE else LimitClass.WRITE


def spend(request: HttpRequest, cls: LimitClass, user: str | None) -> Verdict | None:
    """None: Redis is down, and this class goes on without. Raises `LimitsUnavailable` for the others."""
    account = _account(request) if cls in (LimitClass.AUTH, LimitClass.MAIL_CODE) else None
    try:
        verdict = take(cls, address=client_address(request), user=user, account=account)
    except LimitsUnavailable:
        if cls in FAIL_CLOSED:
            raise
        return None
    request.META[SPENT] = verdict
    return verdict


def _account(request: HttpRequest) -> str | None:
    """The account that a sign-in names: in a form, or in JSON for the API."""
    given: Any = request.POST if not request.path_info.startswith("/api/") else _json(request)
    if not hasattr(given, "get"):
        return None
    return next(
        (name for field in ACCOUNT_FIELDS if isinstance(name := given.get(field), str) and name), None
    )


def _json(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None


class Throttle(BaseThrottle):
    """Counts what the middleware left: a program, by the user behind its credential or by its address."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        cls = limit_class(request.method or "", request.path_info)
        if cls is None or SPENT in request.META:
            return True
        user = str(request.user.pk) if request.user.is_authenticated else None
        self.verdict = spend(request._request, cls, user)
        return self.verdict is None or self.verdict.allowed

    def wait(self) -> float | None:
        return self.verdict.retry_after_s if self.verdict else None
