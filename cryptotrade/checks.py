"""System checks of secrets, rate limits and proxies; with `manage.py check --deploy` also of production."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from core.rate_limits import rule_parse

SECRET_BYTES = 32
MISSING_HINT = "`make run` generates it; in other deployments set it, or NAME_FILE."


@register(Tags.security)
def check_secrets(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [*_secrets()]


@register(Tags.security)
def check_numbers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [*_limits(), *_proxies()]


@register(Tags.security, deploy=True)
def check_production(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [*_mode(), *_origins()]


def _secrets() -> Iterator[CheckMessage]:
    jwt = str(settings.SIMPLE_JWT["SIGNING_KEY"])
    values: dict[str, str] = {"SECRET_KEY": settings.SECRET_KEY, "JWT_SIGNING_KEY": jwt}
    for number, (name, value) in enumerate(values.items(), 1):
        if not value:
            yield Error(f"{name} is not set.", hint=MISSING_HINT, id=f"cryptotrade.E00{number}")
        elif len(value.encode()) < SECRET_BYTES:
            hint = f"At least {SECRET_BYTES} random bytes."
            yield Error(f"{name} is too short.", hint=hint, id="cryptotrade.E003")
    if settings.SECRET_KEY and len(set(values.values())) < len(values):
        hint = "Use a different value for each: one leak would reveal both."
        yield Error("Two secrets are the same.", hint=hint, id="cryptotrade.E004")


def _limits() -> Iterator[CheckMessage]:
    for name, rule in settings.RATE_LIMITS.items():
        try:
            rule_parse(rule)
        except ValueError:
            yield Error(f"RATE_LIMIT_{name.upper()}={rule!r} is not n/seconds.", id="cryptotrade.E005")


def _proxies() -> Iterator[CheckMessage]:
    if settings.TRUSTED_PROXY_COUNT < 0:
        yield Error("TRUSTED_PROXY_COUNT is negative.", id="cryptotrade.E006")


def _mode() -> Iterator[CheckMessage]:
    if not settings.PRODUCTION:
        yield Error("PRODUCTION is not set: cookies would be sent without TLS.", id="cryptotrade.E007")
    if "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS:
        yield Error("ALLOWED_HOSTS is empty or allows any host.", id="cryptotrade.E008")
    if "bcrypt" not in settings.PASSWORD_HASHERS[0].lower():
        yield Error("Passwords are not hashed by bcrypt.", id="cryptotrade.E009")


def _origins() -> Iterator[CheckMessage]:
    for name in ("CSRF_TRUSTED_ORIGINS", "CORS_ALLOWED_ORIGINS"):
        for origin in getattr(settings, name):
            if urlsplit(origin).scheme != "https" or "*" in origin:
                yield Error(f"{name}: {origin} is not a single https origin.", id="cryptotrade.E010")
