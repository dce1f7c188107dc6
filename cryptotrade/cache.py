"""Cache backend of Django sessions: a copy of rows in PostgreSQL, so an outage of Redis is tolerated."""

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class SessionCache(RedisCache):
    """Redis cache that behaves as empty while Redis does not answer.

    Not for data without another copy (used codes, rate limits): their look-ups must fail.
    """

    def get(self, key: str, default: object = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError:
            logger.warning("session cache: read failed, Redis does not answer", exc_info=True)
            return default

    def set(self, key: str, value: object, *args: Any, **options: Any) -> None:
        try:
            super().set(key, value, *args, **options)
        except RedisError:
            logger.warning("session cache: write failed, Redis does not answer", exc_info=True)

    def delete(self, key: str, version: int | None = None) -> bool:
        try:
            return bool(super().delete(key, version))
        except RedisError:
            logger.warning("session cache: delete failed, Redis does not answer", exc_info=True)
            return False

    def has_key(self, key: str, version: int | None = None) -> bool:
        try:
            return bool(super().has_key(key, version))
        except RedisError:
            return False  # Django then queries PostgreSQL
