"""One mapping from what went wrong to what the caller sees: JSON for programs, a page for people."""

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from cryptotrade.logging import request_id

logger = logging.getLogger(__name__)

CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTHENTICATION_ERROR",
    403: "AUTHORIZATION_ERROR",
    404: "NOT_FOUND",
    409: "CONFLICT",
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
    500: "Something failed on our side. It has been logged under this request id.",
}


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


def api_exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler, in our shape. Unknown exceptions become a logged 500 that tells no internals."""
    response = drf_exception_handler(exception, context)
    if response is None:
        logger.error("unhandled error in the API", exc_info=exception)
        return Response(error_body(500), status=500)
    details = response.data if isinstance(exception, exceptions.ValidationError) else None
    message = None if details is not None else _message_of(exception)
    if isinstance(exception, exceptions.ValidationError):
        message = "Some fields are not right; details say which."
    response.data = error_body(response.status_code, message, details=details)
    return response


def _message_of(exception: Exception) -> str | None:
    if isinstance(exception, exceptions.APIException) and isinstance(exception.detail, str):
        return str(exception.detail)
    if isinstance(exception, Http404) and exception.args:
        return str(exception.args[0])
    return None


def error_response(request: HttpRequest, status: int, message: str | None = None) -> HttpResponse:
    """The same facts as JSON under `/api/` and for programs, as a page for browsers."""
    body = error_body(status, message)
    if request.path.startswith("/api/") or not request.accepts("text/html"):
        return JsonResponse(body, status=status)
    return render(request, "error.html", {"status": status, **body}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, 400)


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return error_response(request, 403)


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    return error_response(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(request, 403, "This form has expired. Load the page again and resend it.")


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
