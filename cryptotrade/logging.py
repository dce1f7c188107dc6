"""JSON logging with request and user ids, and redaction of secrets."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.core import RESERVED_ATTRS, LogData
from pythonjsonlogger.orjson import OrjsonFormatter

logger = logging.getLogger(__name__)
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_RENAMED = {"asctime": "timestamp", "levelname": "level", "name": "logger", "exc_info": "exception"}
_HEADER = ("timestamp", "level", "logger")
_FIELDS = (
    "message", "request_id",
    "user_id", "order_id", "bot", "duration_ms", "venue", "channel", "topic", "symbol", "worker", "epoch",
    "count", "reason", "delay_s", "service", "status", "path", "method",
    "seq", "hash", "action", "subject",
    "exception",
)  # fmt: skip
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_QUIET = ("/health", "/ready", "/metrics", "/static/")  # polled, or loaded by every page: logged as DEBUG

# --- redaction -----------------------------------------------------------------------------------------
REDACTED = "[redacted]"
NAMES = (
    r"pass(?:word|wd|phrase|code)\d?|secrets?|tokens?|api[_-]?keys?|private[_-]?keys?|signing[_-]?key|"
    r"authorization|cookies?|session(?:[_-]?(?:id|key))?|sid|csrf\w*|seed|mnemonic|otp|totp|"
    r"(?:recovery|backup|mfa|verification)[_-]?codes?|credentials?|signature|jwt|access|refresh"
)
_SECRET_NAME = re.compile(rf"(?:\w+[_-])?(?:{NAMES})", re.IGNORECASE)
_BY_VALUE = re.compile(
    r"(?:0x)?(?<![0-9a-fA-F])[0-9a-fA-F]{64,}"  # private keys, signatures
    r"|eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"  # JWT
    r"|ctk_[\w-]{6,}"  # API keys of this application
    r"|(?i:\bbearer\s+)[^\s\"',]+"
    r"|\$2[abxy]\$\d\d\$[./A-Za-z0-9]{20,}"  # bcrypt
    r"|otpauth://\S+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password@host
)
_BY_NAME = re.compile(
    rf"""(?P<name>\b(?:\w+[_-])?(?:{NAMES})["']?\s*[=:]\s*)"""
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&}})\]]+)""",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """`text` without values that look like secrets and without values of secret names (`password=…`)."""
    return _BY_NAME.sub(rf"\g<name>{REDACTED}", _BY_VALUE.sub(REDACTED, text))


def redact(value: object) -> Any:
    """`value` with every text in it redacted; values of secret names are replaced entirely."""
    match value:
        case str():
            return redact_text(value)
        case dict():
            return {name: REDACTED if _is_secret(name) else redact(item) for name, item in value.items()}
        case list() | tuple() | set():
            return [redact(item) for item in value]
        case None | bool() | int() | float():
            return value
    return redact_text(str(value))


def _is_secret(name: object) -> bool:
    return _SECRET_NAME.fullmatch(str(name)) is not None


class JsonFormatter(OrjsonFormatter):
    """Formatter: one JSON object per line with the fields of `_HEADER` and `_FIELDS` that have a value."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d+00:00"

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields=_RENAMED,
            reserved_attrs=[*RESERVED_ATTRS, *_RENAMED.values()],  # no `extra` replaces them
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict):  # the library would merge it into the fields, also into the header
            record = logging.makeLogRecord({**record.__dict__, "msg": str(record.msg)})
        return super().format(record)

    def process_log_record(self, log_data: LogData) -> LogData:
        """Keep the known fields, redacted: here, because every field passes through."""
        log_data["request_id"] = request_id.get()
        line: LogData = redact({name: value for name in _FIELDS if (value := log_data.get(name)) is not None})
        if "hash" in line and log_data["logger"] == "accounts.audit":
            line["hash"] = log_data["hash"]  # 64 hex digits like a private key, but a hash of the audit log
        return {name: log_data[name] for name in _HEADER} | line


class RequestIdMiddleware:
    """Assigns every request an id (the client's if well-formed), returns it in a header, logs one line."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        received = request.headers.get("X-Request-ID", "")
        current = received if _ACCEPTED_ID.fullmatch(received) else uuid.uuid4().hex
        request.META["REQUEST_ID"] = current  # for the apps, which must not import this module
        token = request_id.set(current)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            _log_request(request, response, time.perf_counter() - started)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = current
        return response


def _log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    user = user_of(request)
    extra = {
        "method": request.method,
        "path": request.path,  # without the query, which may contain personal data
        "status": response.status_code,
        "duration_ms": round(1000 * seconds, 1),
        "user_id": str(user.pk) if user else None,
    }
    level = logging.DEBUG if request.path.startswith(_QUIET) else logging.INFO
    logger.log(level, "request", extra=extra)


def user_of(request: HttpRequest) -> Any:
    """The signed-in user if the request has loaded it (loading it here would cost a query), else None."""
    user = request.__dict__.get("user")
    loaded = request.__dict__.get("_cached_user") if hasattr(user, "_wrapped") else user
    return loaded if loaded is not None and loaded.is_authenticated else None
