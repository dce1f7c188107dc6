"""One mapping from what went wrong to what the caller sees: JSON for programs, a page for people."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psycopg_pool
import redis
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from accounts.rate_limits import LimitsUnavailable
from cryptotrade.logging import request_id

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
SENTENCES = {
    400: "The request was not understood.",
    401: "Sign in first.",
    403: "This is not yours to do.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "That is more than we take in one request.",
    415: "Send JSON, and say so: Content-Type: application/json.",
    429: "Too many requests.",
    500: "Something failed on our side. It has been logged under this request id.",
    503: "Not available at the moment. Try again in a few seconds.",
}
# A part of the house that does not answer, rather than a fault of ours: it passes.
OUTAGES = (
    OperationalError,
    InterfaceError,
    psycopg_pool.PoolTimeout,
    redis.ConnectionError,
    redis.TimeoutError,
    LimitsUnavailable,
)


def error_body(
    status: int, message: str | None = None, *, code: str | None = None, details: Any = None
) -> dict[str, Any]:
    """The one error shape: `{"error": {code, message, request_id, timestamp, details}}`."""
    return {
        "error": {
            "code": code or CODES.get(status, CODES[400] if status < 500 else CODES[500]),
            "message": message or SENTENCES.get(status, HTTPStatus(status).phrase),
            "request_id": request_id.get(),
            "timestamp": timezone.now().isoformat(),
            "details": details or {},
        }
    }


# --- the API -------------------------------------------------------------------------------------------
def api_exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler, in our shape. Unknown exceptions become a logged 500 that tells no internals.

    A domain code is an upper-case `default_code` of the exception (`REAUTH_REQUIRED`), or its `domain_code`
    (`order_limit`).
    """
    response = drf_exception_handler(exception, context)
    if response is None:
        return _failure(exception)
    details = getattr(exception, "details", None)
    message = _message_of(exception)
    if isinstance(exception, exceptions.ValidationError):
        details, message = response.data, "Some fields are not right; details say which."
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
    if named := getattr(exception, "domain_code", None):
        return str(named)
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


# --- pages, and whatever happens before a view is found ------------------------------------------------
def error_response(
    request: HttpRequest,
    status: int,
    message: str | None = None,
    *,
    code: str | None = None,
    details: Any = None,
) -> HttpResponse:
    """The same facts as JSON under `/api/` and for programs, as a page for browsers."""
    body = error_body(status, message, code=code, details=details)
    if wants_json(request):
        return JsonResponse(body, status=status)
    # Without the request: a page that says that the database is gone must not ask it who is reading.
    context = {"status": status, "theme_of": request.COOKIES.get("theme", ""), **body}
    return HttpResponse(render_to_string("error.html", context), status=status)


def wants_json(request: HttpRequest) -> bool:
    """True under `/api/` and for programs that do not ask for HTML."""
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
    message = "This form has expired. Load the page again and resend it."
    return error_response(request, 403, message, code="CSRF_FAILED")


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Any) -> HttpResponse:
    """After five failures of one account from one address: refused without a look at the password."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    sentence = (
        f"Five wrong passwords for this account from here. Wait {seconds // 60} minutes, or recover it."
    )
    answer = error_response(request, 429, sentence)
    answer["Retry-After"] = str(seconds)
    return answer


def too_many(request: HttpRequest) -> HttpResponse:
    """allauth's counts per mailbox and per second factor."""
    answer = error_response(request, 429, "Too many codes were asked for. Wait ten minutes.")
    answer["Retry-After"] = "600"
    return answer


class ErrorsMiddleware:
    """Gives the shape to errors that no view of ours wrote: outages, wrong methods, bodies too large."""

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
        shaped = error_response(request, response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                shaped[name] = response[name]
        shaped.cookies = response.cookies
        return shaped

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OUTAGES):
            return None
        logger.error("a service does not answer", exc_info=exception)
        return error_response(request, 503)


def _is_bare(request: HttpRequest, response: HttpResponse) -> bool:
    """True for an error that says nothing, or nothing that a program can read."""
    kind = response.get("Content-Type", "")
    return not response.content or (request.path.startswith("/api/") and "json" not in kind)


def is_too_large(request: HttpRequest) -> bool:
    """By what the caller announced, or by what `BodyLimit` counted."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    large = not announced.isdigit() or int(announced) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return large or bool(getattr(request, "scope", {}).get(TOO_LARGE))


# --- before Django reads a body ------------------------------------------------------------------------
TOO_LARGE = "cryptotrade.too_large"


class BodyLimit:
    """ASGI: stops reading a body at the limit, before it fills the disk. The answer is Django's: 413."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        left = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

        async def counted() -> dict[str, Any]:
            nonlocal left
            message: dict[str, Any] = await receive()
            while TOO_LARGE in scope and message["type"] == "http.request":
                message = await receive()  # the rest of the body, which nobody reads
            left -= len(message.get("body", b""))
            if left < 0 and message["type"] == "http.request":
                scope[TOO_LARGE] = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return message

        await self._application(scope, counted, send)
