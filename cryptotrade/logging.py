"""JSON logging with request and user ids, and redaction of secrets."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
EXTRA = (
    "user_id", "order_id", "bot", "duration_ms", "venue", "channel", "topic", "symbol", "worker", "epoch",
    "count", "reason", "delay_s", "service", "status", "path", "method",
    "seq", "hash", "action", "subject",
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


class JsonFormatter(logging.Formatter):
    """Formatter: one JSON object per line with timestamp, level, logger, message, request_id and `EXTRA`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"message": record.getMessage()}
        if current := request_id.get():
            line["request_id"] = current
        line |= {name: value for name in EXTRA if (value := record.__dict__.get(name)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        audit_hash = line.pop("hash", None) if record.name == "accounts.audit" else None
        redacted = redact(line)  # last, so that every field above passes through it
        if audit_hash:
            redacted["hash"] = audit_hash  # 64 hex digits like a private key, but a hash of the audit log
        return orjson.dumps({**_header(record), **redacted}, default=str).decode()


def _header(record: logging.LogRecord) -> dict[str, str]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"timestamp": when, "level": record.levelname, "logger": record.name}


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
