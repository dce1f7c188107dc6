"""Typed readers of environment variables, used for every setting that differs between hosts.

A secret may be in a file: `NAME_FILE=/run/secrets/name` is read when `NAME` is unset.
A missing required value raises `ImproperlyConfigured`; there are no default secrets.
"""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Secrets that `make run` generates for this clone.
GENERATED = ("SECRET_KEY", "JWT_SIGNING_KEY", "MFA_KEY", "SIMULATOR_TOKEN")
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str | None = None) -> str:
    """The value of `name`, else `default`. Raises `ImproperlyConfigured` when neither exists."""
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set; see .env.example")
    return value


def secret(name: str, *, folder: Path | None = None) -> str | None:
    """The value of `name`, else the content of the file `{name}_FILE`, else of `folder/name`, else None.

    `folder` contains the secrets that `make run` generated for this clone.
    """
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    if folder and (stored := folder / name.lower()).is_file():
        return stored.read_text(encoding="utf-8").strip()
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


def csv_list(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty items are dropped."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def var_dir() -> Path:
    """Folder with the state of this clone."""
    return Path(os.environ.get("CRYPTOTRADE_VAR") or Path(__file__).resolve().parent.parent / "var").resolve()


def secrets_make(folder: Path) -> None:
    """Generate the secrets that are in neither the environment nor `folder`, readable by this user only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in GENERATED:
        path = folder / name.lower()
        if secret(name) or path.exists():
            continue
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
