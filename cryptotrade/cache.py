"""The cache of sessions: a copy of what PostgreSQL holds, so its loss is no failure."""

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class SessionCache(RedisCache):
    """As Redis' cache, but without Redis nothing is found and nothing is kept.

    Not for what has no other copy (codes that were used, limits): those must fail.
    """

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError:
            logger.warning("sessions are read without Redis", exc_info=True)
            return default

    def set(self, key: Any, value: Any, *args: Any, **options: Any) -> None:
        try:
            super().set(key, value, *args, **options)
        except RedisError:
            logger.warning("a session is kept without Redis", exc_info=True)

    def delete(self, key: Any, version: int | None = None) -> bool:
        try:
            return bool(super().delete(key, version))
        except RedisError:
            logger.warning("a session is ended without Redis", exc_info=True)
            return False

    def has_key(self, key: Any, version: int | None = None) -> bool:
        try:
            return bool(super().has_key(key, version))
        except RedisError:
            return False  # then PostgreSQL is asked
