"""Redis for whoever may not wait for it: pages, the API, and services in threads."""

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

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
ANSWER_WITHIN = 1.0
AGAIN_AFTER = 1.0
AWAY = (redis.ConnectionError, redis.TimeoutError)


class Asking:
    """A Redis that did not answer is asked again by one caller a second; the others fail at once.

    A thread that waits for a Redis that hangs does nothing else meanwhile, and threads are few: so one
    waits, for `ANSWER_WITHIN`, and what is known without Redis goes on.
    """

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._again: float | None = None  # when the next one may ask; None while Redis answers

    def __call__(self, ask: Callable[[Any], Result]) -> Result:
        """What `ask(client)` returns. Raises `redis.RedisError`."""
        if not self._may_ask():
            raise redis.ConnectionError("Redis did not answer a moment ago.")
        try:
            answer = ask(self._client)
        except AWAY as problem:
            self._away(problem)
            raise
        self._answers()
        return answer

    def _may_ask(self) -> bool:
        with self._lock:
            if self._again is None:
                return True
            if self._clock() < self._again:
                return False
            # It is ours to ask; the next one's, if we never come back.
            self._again = self._clock() + ANSWER_WITHIN + AGAIN_AFTER
            return True

    def _away(self, problem: Exception) -> None:
        with self._lock:
            news, self._again = self._again is None, self._clock() + AGAIN_AFTER
        if news:
            logger.warning("Redis does not answer", extra={"reason": str(problem)[:200]})

    def _answers(self) -> None:
        with self._lock:
            news, self._again = self._again is not None, None
        if news:
            logger.info("Redis answers again")


@cache
def _asking(url: str) -> Asking:
    # Once more, on another connection: a pooled one may have died with the Redis before.
    once_more = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return Asking(
        redis.Redis.from_url(
            url, socket_timeout=ANSWER_WITHIN, socket_connect_timeout=ANSWER_WITHIN, retry=once_more
        )
    )


def redis_ask(ask: Callable[[Any], Result]) -> Result:
    """What `ask(client)` returns, from this process's one pool. Raises `redis.RedisError`."""
    return _asking(settings.REDIS_URL)(ask)
