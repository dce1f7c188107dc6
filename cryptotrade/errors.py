"""Error responses: one mapping of exceptions and statuses to JSON for API clients and pages for browsers."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import psycopg_pool
import redis
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from core.rate_limits import RateLimiterUnavailable
from cryptotrade.logging import request_id

if TYPE_CHECKING:
    from core.asgi import Receive

logger = logging.getLogger(__name__)

CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTHENTICATION_ERROR",
    403: "AUTHORIZATION_ERROR",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
MESSAGES = {
    400: _("The request is invalid."),
    401: _("Sign in first."),
    403: _("You do not have permission to do this."),
    404: _("Page or object not found."),
    405: _("Method not allowed."),
    413: _("The request is too large."),
    415: _("Send JSON with the header Content-Type: application/json."),
    429: _("Too many requests."),
    500: _("Server error. It has been logged under this request id."),
    503: _("Temporarily unavailable. Try again in a few seconds."),
}
# Temporary outages of PostgreSQL or Redis, answered with 503 instead of 500.
OUTAGES = (
    OperationalError,
    InterfaceError,
    psycopg_pool.PoolTimeout,
    redis.ConnectionError,
    redis.TimeoutError,
    RateLimiterUnavailable,
)


def error_body(
    status: int, message: str | None = None, *, code: str | None = None, details: object = None
) -> dict[str, Any]:
    """Error body of all responses: `{"error": {code, message, request_id, timestamp, details}}`."""
    return {
        "error": {
            "code": code or CODES.get(status, CODES[400] if status < 500 else CODES[500]),
            "message": message or str(MESSAGES.get(status, HTTPStatus(status).phrase)),
            "request_id": request_id.get(),
            "timestamp": timezone.now().isoformat(),
            "details": details or {},
        }
    }


# --- the API -------------------------------------------------------------------------------------------
def api_exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Exception handler of DRF with the common error body. Unknown exceptions become a logged, generic 500.

    The error code is an upper-case `default_code` of the exception (`REAUTH_REQUIRED`) or its `domain_code`
    (`order_limit`).
    """
    response = drf_exception_handler(exception, context)
    if response is None:
        return _failure(exception)
    details = getattr(exception, "details", None)
    message = _message_of(exception)
    if isinstance(exception, exceptions.ValidationError):
        details, message = response.data, gettext("Some fields are invalid; see details.")
    body = error_body(response.status_code, message, code=_code_of(exception), details=details)
    response.data = body
    return response


def _failure(exception: Exception) -> Response:
    if isinstance(exception, RequestDataTooBig):
        return Response(error_body(413), status=413)
    status = 503 if isinstance(exception, OUTAGES) else 500
    logger.error("unhandled error in the API", exc_info=exception)
    return Response(error_body(status), status=status)


def _code_of(exception: Exception) -> str | None:
    if domain_code := getattr(exception, "domain_code", None):
        return str(domain_code)
    codes = exception.get_codes() if isinstance(exception, exceptions.APIException) else None
    return codes if isinstance(codes, str) and codes.isupper() else None


def _message_of(exception: Exception) -> str | None:
    if isinstance(exception, exceptions.UnsupportedMediaType):
        return None
    if isinstance(exception, exceptions.APIException) and isinstance(exception.detail, str):
        return str(exception.detail)
    if isinstance(exception, Http404) and exception.args:
        return str(exception.args[0])
    return None


# --- pages, and errors before a view is resolved -------------------------------------------------------
def error_response(
    request: HttpRequest,
    status: int,
    message: str | None = None,
    *,
    code: str | None = None,
    details: object = None,
) -> HttpResponse:
    """The error as JSON under `/api/` and for API clients, as an HTML page for browsers."""
    body = error_body(status, message, code=code, details=details)
    if wants_json(request):
        return JsonResponse(body, status=status)
    # Rendered without the request: during a database outage the page must not query the user.
    context = {"status": status, "theme_of": request.COOKIES.get("theme", ""), **body}
    return HttpResponse(render_to_string("error.html", context), status=status)


def wants_json(request: HttpRequest) -> bool:
    """True under `/api/` and for clients that do not accept HTML."""
    return request.path.startswith("/api/") or not request.accepts("text/html")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return error_response(request, 403)


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    return error_response(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = gettext("This form has expired. Load the page again and resend it.")
    return error_response(request, 403, message, code="CSRF_FAILED")


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: Mapping[str, object] | None
) -> HttpResponse:
    """Response after five failed logins of one account from one address; the password is not checked."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    message = gettext("Too many wrong passwords. Wait %(minutes)d minutes, or reset your password.")
    refusal = error_response(request, 429, message % {"minutes": seconds // 60})
    refusal["Retry-After"] = str(seconds)
    return refusal


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Response of allauth's rate limits per mailbox and per second factor."""
    message = gettext("Too many codes requested. Wait ten minutes, then try again.")
    response = error_response(request, 429, message)
    response["Retry-After"] = "600"
    return response


class ErrorsMiddleware:
    """Applies the common error body to errors of no own view: outages, wrong methods, too large bodies."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_too_large(request):
            return error_response(request, 413)
        response = self.get_response(request)
        if response.status_code < 400 or response.streaming or not _is_bare(request, response):
            return response
        replacement = error_response(request, response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                replacement[name] = response[name]
        replacement.cookies = response.cookies
        return replacement

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OUTAGES):
            return None
        logger.error("PostgreSQL or Redis does not answer", exc_info=exception)
        return error_response(request, 503)


def _is_bare(request: HttpRequest, response: HttpResponse) -> bool:
    """True for an error response without a body, or without JSON under `/api/`."""
    kind = response.get("Content-Type", "")
    return not response.content or (request.path.startswith("/api/") and "json" not in kind)


def is_too_large(request: HttpRequest) -> bool:
    """Whether the body exceeds the limit, by its Content-Length or by the count of `BodyLimit`."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    large = not declared.isdigit() or int(declared) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return large or bool(getattr(request, "scope", {}).get(TOO_LARGE))


# --- limit of request bodies ---------------------------------------------------------------------------
TOO_LARGE = "cryptotrade.too_large"


class BodyLimit:
    """ASGI middleware: stops reading a body at the limit, before it fills the disk; Django answers 413."""

    def __init__(self, application: ASGIHandler) -> None:
        self._application = application

    async def __call__(
        self, scope: dict[str, Any], receive: "Receive", send: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> None:
        remaining = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

        async def receive_limited() -> dict[str, Any]:
            nonlocal remaining
            message: dict[str, Any] = await receive()
            while TOO_LARGE in scope and message["type"] == "http.request":
                message = await receive()  # discards the rest of the body
            remaining -= len(message.get("body", b""))
            if remaining < 0 and message["type"] == "http.request":
                scope[TOO_LARGE] = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return message

        await self._application(scope, receive_limited, send)
