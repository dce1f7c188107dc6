"""Typed readers of environment variables; every setting that can differ between hosts comes through here.

A secret may come from a file: `NAME_FILE=/run/secrets/name` is read when `NAME` is unset.
A missing required value raises `ImproperlyConfigured`; there are no default secrets.
"""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

GENERATED = ("SECRET_KEY", "JWT_SIGNING_KEY", "MFA_KEY")  # what `make run` makes for this clone
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str | None = None) -> str:
    """The value of `name`, else `default`. Raises `ImproperlyConfigured` when neither exists."""
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set; see .env.example")
    return value


def secret(name: str, *, folder: Path | None = None) -> str | None:
    """The value of `name`, or what the file `{name}_FILE` holds, or what `folder/name` holds, or None.

    `folder` is where `make run` keeps the secrets that it generated for this clone.
    """
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    if folder and (kept := folder / name.lower()).is_file():
        return kept.read_text(encoding="utf-8").strip()
    return None


def flag(name: str, *, default: bool) -> bool:
    """A boolean written as 1/0, true/false, yes/no, on/off."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name}={value!r} is not a boolean; write 1 or 0")


def number(name: str, default: int) -> int:
    """A whole number."""
    value = os.environ.get(name, "").strip()
    try:
        return int(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from None


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks are dropped."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def var_dir() -> Path:
    """Where this clone keeps its state."""
    return Path(os.environ.get("CRYPTOTRADE_VAR") or Path(__file__).resolve().parent.parent / "var").resolve()


def secrets_make(folder: Path) -> None:
    """Generate what is in neither the environment nor `folder`; readable by us alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in GENERATED:
        path = folder / name.lower()
        if secret(name) or path.exists():
            continue
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
