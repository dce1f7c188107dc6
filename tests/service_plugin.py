"""pytest plugin: provides PostgreSQL and Redis for the session, before Django reads its settings.

With `DATABASE_URL` / `REDIS_URL` those servers are used; otherwise embedded ones start in a temporary
folder and are stopped at the end. With xdist the main process starts them and the workers inherit
the addresses; each worker has its own test database and its own Redis database number.
"""

import os
import secrets
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

_running = []
# Test data need not survive a power failure.
WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("JWT_SIGNING_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("MFA_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("SIMULATOR_TOKEN", secrets.token_urlsafe(48))
# All tests share one client address; tests of rate limits set their own limits.
for _name in ("AUTH", "AUTH_ACCOUNT", "MAIL_CODE", "MAIL_CODE_ADDRESS", "STEP_UP", "READ", "WRITE", "ORDER"):
    os.environ.setdefault(f"RATE_LIMIT_{_name}", "100000/60")
os.environ.setdefault("RATE_LIMIT_EXPORT", "100000/60")
os.environ.setdefault("RATE_LIMIT_STREAM_CONNECT", "100000/60")


@pytest.hookimpl(wrapper=True)  # a wrapper runs before pytest-django's own hook loads the settings
def pytest_load_initial_conftests() -> Generator[None]:
    if "PYTEST_XDIST_WORKER" in os.environ:
        _own_redis_database()
    elif not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        _start_embedded(Path(tempfile.mkdtemp(prefix="cryptotrade-test-")))
    return (yield)


def _start_embedded(var: Path) -> None:
    from cryptotrade.embedded import EmbeddedPostgres, EmbeddedRedis, services_at

    services = services_at(var)
    if not os.environ.get("DATABASE_URL"):
        postgres = EmbeddedPostgres(var, options=WITHOUT_DURABILITY)
        postgres.start()
        _running.append(postgres)
        os.environ["DATABASE_URL"] = services.database_url
    if not os.environ.get("REDIS_URL"):
        redis = EmbeddedRedis(var)
        redis.start()
        _running.append(redis)
        os.environ["REDIS_URL"] = services.redis_url
    os.environ["CRYPTOTRADE_VAR"] = str(var)


def _own_redis_database() -> None:
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) + 1
    url = os.environ["REDIS_URL"]
    os.environ["REDIS_URL"] = (
        f"{url}?db={number}" if url.startswith("unix") else f"{url.rstrip('/')}/{number}"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    while _running:
        _running.pop().stop()
