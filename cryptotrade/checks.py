"""What has to be right before anybody may sign in. `manage.py check` runs these, `check --deploy` all."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from accounts.rate_limits import rule_parse

SECRET_BYTES = 32
MADE_BY = "`make run` generates it; elsewhere set it, or NAME_FILE."


@register(Tags.security)
def secrets_are_there(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [*_secrets()]


@register(Tags.security)
def numbers_are_right(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [*_limits(), *_proxies()]


@register(Tags.security, deploy=True)
def production_is_shut(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [*_mode(), *_origins()]


def _secrets() -> Iterator[CheckMessage]:
    jwt = str(settings.SIMPLE_JWT["SIGNING_KEY"])
    known: dict[str, str] = {"SECRET_KEY": settings.SECRET_KEY, "JWT_SIGNING_KEY": jwt}
    for number, (name, value) in enumerate(known.items(), 1):
        if not value:
            yield Error(f"{name} is not set.", hint=MADE_BY, id=f"cryptotrade.E00{number}")
        elif len(value.encode()) < SECRET_BYTES:
            hint = f"At least {SECRET_BYTES} random bytes."
            yield Error(f"{name} is too short.", hint=hint, id="cryptotrade.E003")
    if settings.SECRET_KEY and len(set(known.values())) < len(known):
        yield Error("Two secrets are the same.", hint="One leak would be two.", id="cryptotrade.E004")


def _limits() -> Iterator[CheckMessage]:
    for name, rule in settings.LIMITS.items():
        try:
            rule_parse(rule)
        except ValueError:
            yield Error(f"LIMIT_{name.upper()}={rule!r} is not n/seconds.", id="cryptotrade.E005")


def _proxies() -> Iterator[CheckMessage]:
    if settings.TRUSTED_PROXY_COUNT < 0:
        yield Error("TRUSTED_PROXY_COUNT is negative.", id="cryptotrade.E006")


def _mode() -> Iterator[CheckMessage]:
    if not settings.PRODUCTION:
        yield Error("PRODUCTION is not set: cookies would travel in clear.", id="cryptotrade.E007")
    if "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS:
        yield Error("ALLOWED_HOSTS lets any host in.", id="cryptotrade.E008")
    if "bcrypt" not in settings.PASSWORD_HASHERS[0].lower():
        yield Error("Passwords are not hashed by bcrypt.", id="cryptotrade.E009")


def _origins() -> Iterator[CheckMessage]:
    for name in ("CSRF_TRUSTED_ORIGINS", "CORS_ALLOWED_ORIGINS"):
        for origin in getattr(settings, name):
            if urlsplit(origin).scheme != "https" or "*" in origin:
                yield Error(f"{name}: {origin} is not one https origin.", id="cryptotrade.E010")
