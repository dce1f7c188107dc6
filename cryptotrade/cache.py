"""Caches in Redis: values as JSON, and the backend of Django sessions."""

import logging
from typing import Any

import orjson
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class JsonSerializer:
    """Values of the cache as JSON: reading one runs no code, unlike Django's default (pickle).

    Dates become texts, and tuples become lists; other objects are refused when they are written.
    """

    def dumps(self, value: object) -> bytes:
        """Raises `TypeError` for a value that JSON cannot hold."""
        return orjson.dumps(value)

    def loads(self, data: bytes) -> Any:
        """Raises `ValueError` for anything that is not JSON."""
        return orjson.loads(data)


class SessionCache(RedisCache):
    """Redis cache that behaves as empty while Redis does not answer.

    It holds a copy of rows in PostgreSQL, so an outage of Redis is tolerated. Not for data without another copy (used codes, rate limits): their look-ups must fail.
    """

    def get(self, key: str, default: object = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except (RedisError, ValueError):  # ValueError: not what this class wrote
            logger.warning("session cache: read failed", exc_info=True)
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
