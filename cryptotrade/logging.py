"""JSON log lines and request ids. A line carries who asked and for which request, never a secret."""

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
_QUIET = ("/health", "/ready", "/metrics", "/static/")  # asked every few seconds, and by every page

# --- what never reaches a log --------------------------------------------------------------------------
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
    r"|ctk_[\w-]{6,}"  # our own API keys
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
    """`text` without what looks like a secret, and without what is called one (`password=…`)."""
    return _BY_NAME.sub(rf"\g<name>{REDACTED}", _BY_VALUE.sub(REDACTED, text))


def redact(value: Any) -> Any:
    """`value` with every text in it redacted, and whole values whose name says that they are secret."""
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


def _is_secret(name: Any) -> bool:
    return _SECRET_NAME.fullmatch(str(name)) is not None


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, logger, message, request_id and the known extras."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"message": record.getMessage()}
        if current := request_id.get():
            line["request_id"] = current
        line |= {name: value for name in EXTRA if (value := record.__dict__.get(name)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        chained = line.pop("hash", None) if record.name == "accounts.audit" else None
        told = redact(line)  # last: whatever was put in above goes through it
        if chained:
            told["hash"] = chained  # 64 hex digits like a key, but the audit trail's own
        return orjson.dumps({**_heading(record), **told}, default=str).decode()


def _heading(record: logging.LogRecord) -> dict[str, str]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"timestamp": when, "level": record.levelname, "logger": record.name}


class RequestIdMiddleware:
    """Gives every request an id (the caller's when it is well-formed), echoes it, logs one line."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-ID", "")
        current = offered if _ACCEPTED_ID.fullmatch(offered) else uuid.uuid4().hex
        request.META["REQUEST_ID"] = current  # for those below the roof, who do not know this module
        token = request_id.set(current)
        began = time.perf_counter()
        try:
            response = self.get_response(request)
            _tell(request, response, time.perf_counter() - began)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = current
        return response


def _tell(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    user = user_of(request)
    extra = {
        "method": request.method,
        "path": request.path,  # never the query: people put things there
        "status": response.status_code,
        "duration_ms": round(1000 * seconds, 1),
        "user_id": str(user.pk) if user else None,
    }
    level = logging.DEBUG if request.path.startswith(_QUIET) else logging.INFO
    logger.log(level, "request", extra=extra)


def user_of(request: HttpRequest) -> Any:
    """The signed-in user, if this request has looked; looking now would cost a query. Else None."""
    user = request.__dict__.get("user")
    known = request.__dict__.get("_cached_user") if hasattr(user, "_wrapped") else user
    return known if known is not None and known.is_authenticated else None
