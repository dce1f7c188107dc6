"""`manage.py check --deploy`: passes in production and names missing or invalid settings."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks

from cryptotrade import checks as own_checks

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PRODUCTION": "1",
    "ALLOWED_HOSTS": "trade.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://trade.example.org",
    "TRUSTED_PROXY_COUNT": "1",
    "DATABASE_URL": "postgresql://app@127.0.0.1/cryptotrade",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SENDGRID_API_KEY": "not-a-real-key",
    "MAIL_FROM": "trade@example.org",
}


def check(tmp_path, **changed):
    """Exit status and output of `check --deploy` with the environment of a production host."""
    generated = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "MFA_KEY")}
    environment = {
        "PATH": os.environ["PATH"],
        "CRYPTOTRADE_VAR": str(tmp_path),
        **PRODUCTION,
        **generated,
        **changed,
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_production_is_clean(tmp_path):
    status, output = check(tmp_path)
    assert "no issues" in output
    assert status == 0


def test_without_secrets_it_is_refused(tmp_path):
    status, output = check(tmp_path, JWT_SIGNING_KEY="")
    assert status == 1
    assert "cryptotrade.E002" in output


def found(*functions):
    return {message.id for function in functions for message in function(None)}


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("SIMPLE_JWT", {"SIGNING_KEY": ""}, "cryptotrade.E002"),
        ("SIMPLE_JWT", {"SIGNING_KEY": "short"}, "cryptotrade.E003"),
        ("SECRET_KEY", "short", "cryptotrade.E003"),
        ("RATE_LIMITS", {"auth": "many"}, "cryptotrade.E005"),
        ("TRUSTED_PROXY_COUNT", -1, "cryptotrade.E006"),
        ("PRODUCTION", False, "cryptotrade.E007"),
        ("ALLOWED_HOSTS", ["*"], "cryptotrade.E008"),
        ("PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"], "cryptotrade.E009"),
        ("CORS_ALLOWED_ORIGINS", ["http://app.example.org"], "cryptotrade.E010"),
        ("CSRF_TRUSTED_ORIGINS", ["https://*.example.org"], "cryptotrade.E010"),
    ],
)
def test_what_is_wrong_is_named(settings, setting, value, code):
    setattr(settings, setting, value)
    assert code in found(own_checks.check_secrets, own_checks.check_numbers, own_checks.check_production)


def test_equal_secrets_are_refused(settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": settings.SECRET_KEY}
    assert "cryptotrade.E004" in found(own_checks.check_secrets)


def test_checks_are_registered():
    registered = checks.registry.registry.get_checks(include_deployment_checks=True)
    assert {own_checks.check_secrets, own_checks.check_numbers, own_checks.check_production} <= set(
        registered
    )
