"""Health endpoints: `/health` (this process responds) and `/ready` (all dependencies are available)."""

import logging
from collections.abc import Callable

import psutil
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from market.selectors import venue_ages, venue_problems

logger = logging.getLogger(__name__)

VENUE_STALE_MS = 10_000
MAX_MEMORY_PERCENT = 97.0
MAX_CPU_PERCENT = 400.0  # load average per core


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Liveness: always 200."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: 200 when every check passes, else 503 with the names of the failed checks.

    `warnings` has what is left out of a venue's data, because rows of it could not be decoded.
    """
    results = {name: check() for name, check in CHECKS.items()}
    failed = sorted(name for name, problem in results.items() if problem)
    body = {
        "status": "unavailable" if failed else "ok",
        "failed": failed,
        "checks": {name: problem or "ok" for name, problem in results.items()},
        "warnings": _warnings(),
    }
    return JsonResponse(body, status=503 if failed else 200)


def _database() -> str | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.warning("readiness: the database does not answer", exc_info=True)
        return "does not answer"
    return None


def _redis() -> str | None:
    try:
        cache.get("ready")
    except RedisError:
        logger.warning("readiness: Redis does not answer", exc_info=True)
        return "does not answer"
    return None


def _venues() -> str | None:
    try:
        ages = venue_ages()
    except (DatabaseError, RedisError):
        return "unknown"
    stale = [name for name in settings.VENUES if ages.get(name, VENUE_STALE_MS) >= VENUE_STALE_MS]
    return f"no data from {', '.join(stale)}" if stale else None


def _warnings() -> dict[str, str]:
    """What works only in part, by venue: it is no reason to take this process out of service."""
    try:
        return venue_problems()
    except RedisError:
        return {}


def _memory() -> str | None:
    used = psutil.virtual_memory().percent
    return f"{used:.0f} % used" if used >= MAX_MEMORY_PERCENT else None


def _cpu() -> str | None:
    load = 100 * psutil.getloadavg()[0] / (psutil.cpu_count() or 1)
    return f"load {load:.0f} % of the cores" if load >= MAX_CPU_PERCENT else None


CHECKS: dict[str, Callable[[], str | None]] = {
    "database": _database,
    "redis": _redis,
    "venues": _venues,
    "memory": _memory,
    "cpu": _cpu,
}
