"""Versions of Redis and Valkey with known vulnerabilities: refused in production.

CVE-2025-49844 lets anyone who may run a script take over the server; the table holds the first fixed release of
each branch (Redis security advisory of 2025-10-03, Valkey release notes of the same day).
"""

import logging
from collections.abc import Mapping
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core import env
from core.errors import REDIS_ERRORS

logger = logging.getLogger(__name__)

FIXED = {
    "redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}


def server_name(info: Mapping[str, Any]) -> str:
    """ "valkey 9.1.2" from the answer of `INFO server`."""
    return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"


def is_vulnerable(name: str) -> bool:
    """True for a release of `FIXED` before the fix, and for a branch that never got one.

    `name` is that of `server_name`. An unknown product or an unreadable version counts as vulnerable.
    """
    product, _, version = name.partition(" ")
    try:
        major, minor, patch = (int(part) for part in version.split(".")[:3])
    except ValueError:
        return True
    branches = FIXED.get(product)
    if branches is None:
        return True
    if (major, minor) > max(branches):
        return False
    return (major, minor) not in branches or patch < branches[major, minor]


def refuse_vulnerable_redis() -> None:
    """Called at the start of a process. Raises `ImproperlyConfigured` in production for a vulnerable server.

    Distributions mend old releases without a new number: `REDIS_PATCHED=1` states that this was done.
    """
    if not settings.PRODUCTION or env.flag("REDIS_PATCHED", default=False):
        return
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
            name = server_name(client.info("server"))
    except REDIS_ERRORS as problem:
        logger.warning("Redis does not answer: its version is not verified", extra={"reason": str(problem)})
        return
    if is_vulnerable(name):
        raise ImproperlyConfigured(
            f"{name} has known vulnerabilities (CVE-2025-49844): use a newer release, or set REDIS_PATCHED=1 if your "
            "distribution has mended this release"
        )
