"""Circuit breaker around Redis for callers that may not wait for it: pages, the API, services in threads."""

import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import REDIS_CONNECTION_ERRORS

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
TIMEOUT_SECONDS = 1.0
RETRY_AFTER_SECONDS = 1.0


class RedisCircuitBreaker:
    """Circuit breaker: after a failure one caller per second retries Redis; all others fail at once.

    A thread that waits for a hanging Redis is blocked, and there are few threads: so only one waits, for
    `TIMEOUT_SECONDS`, and work that does not need Redis continues.
    """

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._retry_at: float | None = None  # clock time of the next allowed call; None while Redis answers

    def __call__(self, call: Callable[[Any], Result]) -> Result:
        """Returns `call(client)`. Raises `redis.RedisError`."""
        if not self._is_allowed():
            raise redis.ConnectionError("Redis did not answer a moment ago.")
        try:
            answer = call(self._client)
        except REDIS_CONNECTION_ERRORS as problem:
            self._record_failure(problem)
            raise
        self._record_success()
        return answer

    def _is_allowed(self) -> bool:
        with self._lock:
            if self._retry_at is None:
                return True
            if self._clock() < self._retry_at:
                return False
            # This caller is the one that retries; if it never returns, a later caller may.
            self._retry_at = self._clock() + TIMEOUT_SECONDS + RETRY_AFTER_SECONDS
            return True

    def _record_failure(self, problem: Exception) -> None:
        with self._lock:
            changed, self._retry_at = self._retry_at is None, self._clock() + RETRY_AFTER_SECONDS
        if changed:
            logger.warning("Redis does not answer", extra={"reason": str(problem)[:200]})

    def _record_success(self) -> None:
        with self._lock:
            changed, self._retry_at = self._retry_at is not None, None
        if changed:
            logger.info("Redis answers again")


@cache
def _breaker_for(url: str) -> RedisCircuitBreaker:
    # Retry once on another connection: a pooled one may have been closed by a restart of Redis.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return RedisCircuitBreaker(
        redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=retry
        )
    )


def redis_call(call: Callable[[Any], Result]) -> Result:
    """Returns `call(client)` with the connection pool of this process. Raises `redis.RedisError`."""
    return _breaker_for(settings.REDIS_URL)(call)
