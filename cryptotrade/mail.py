"""Mail transport: SendGrid, SMTP, or (never in production) files on a developer's machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

PORTS = {"smtp": 587, "smtps": 465}
UNCONFIGURED = "cryptotrade.mail.UnconfiguredBackend"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Connection parameters of an SMTP server."""

    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def backend(sendgrid_key: str | None, url: str | None, *, production: bool) -> str:
    """Dotted path of the mail backend: the first transport that is configured."""
    if sendgrid_key:
        return "anymail.backends.sendgrid.EmailBackend"
    if url:
        return "django.core.mail.backends.smtp.EmailBackend"
    return UNCONFIGURED if production else "django.core.mail.backends.filebased.EmailBackend"


def smtp_server(url: str) -> SmtpServer:
    """Parse smtp://user:password@host:587 (STARTTLS if there is a user) or smtps://…:465 (implicit TLS)."""
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


class UnconfiguredBackend(BaseEmailBackend):
    """Backend of production without a transport: sending raises an error instead of losing codes silently."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise ImproperlyConfigured("No mail transport: set SENDGRID_API_KEY or EMAIL_URL")


@register()
def mail_check(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Error without a mail transport in production: sign-up and recovery codes could not be sent."""
    if settings.EMAIL_BACKEND != UNCONFIGURED:
        return []
    hint = "Set SENDGRID_API_KEY, or EMAIL_URL=smtp://user:password@host:587."
    return [Error("Production has no mail transport.", hint=hint, id="cryptotrade.E010")]
