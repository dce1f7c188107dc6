"""JSON log lines and request ids. A line carries who asked and for which request, never a secret."""

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson
from django.http import HttpRequest, HttpResponse

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
EXTRA = (
    "user_id", "order_id", "duration_ms", "venue", "channel", "topic", "symbol", "worker", "epoch",
    "count", "reason", "delay_s", "service", "status", "path", "method",
    "seq", "hash", "action", "subject",
)  # fmt: skip
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, logger, message, request_id and the known extras."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line |= {name: value for name in EXTRA if (value := record.__dict__.get(name)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class RequestIdMiddleware:
    """Gives every request an id: the caller's when it is well-formed, else a new one. Echoed back."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-ID", "")
        current = offered if _ACCEPTED_ID.fullmatch(offered) else uuid.uuid4().hex
        request.META["REQUEST_ID"] = current  # for those below the roof, who do not know this module
        token = request_id.set(current)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = current
        return response
