"""How mail leaves: SendGrid, SMTP, or files on a developer's machine. Production never falls back."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend

PORTS = {"smtp": 587, "smtps": 465}
NOWHERE = "cryptotrade.mail.NowhereBackend"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def backend(sendgrid_key: str | None, url: str | None, *, production: bool) -> str:
    """The first transport that is configured."""
    if sendgrid_key:
        return "anymail.backends.sendgrid.EmailBackend"
    if url:
        return "django.core.mail.backends.smtp.EmailBackend"
    return NOWHERE if production else "django.core.mail.backends.filebased.EmailBackend"


def smtp_server(url: str) -> SmtpServer:
    """smtp://user:password@host:587 (STARTTLS once there is a password), smtps://…:465 (TLS at once)."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL must look like smtp://user:password@host:587")
    tls = parts.scheme == "smtps"
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=not tls and bool(parts.username),
        tls=tls,
    )


class NowhereBackend(BaseEmailBackend):
    """Production without a transport: sending fails aloud instead of losing codes in silence."""

    def send_messages(self, email_messages: Any) -> int:
        raise ImproperlyConfigured("No mail transport: set SENDGRID_API_KEY or EMAIL_URL")


@register()
def mail_check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Codes for sign-up and recovery travel by mail: without a transport nobody gets in."""
    if settings.EMAIL_BACKEND != NOWHERE:
        return []
    hint = "Set SENDGRID_API_KEY, or EMAIL_URL=smtp://user:password@host:587."
    return [Error("Production has no mail transport.", hint=hint, id="cryptotrade.E010")]
