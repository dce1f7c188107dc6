"""A faster wake: "look at this row now", through Redis, to whoever works on a channel.

PostgreSQL holds what is to be done and every worker looks once a second, so a lost nudge costs a second.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from functools import cache, partial
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from market.leases import task_goes_on

logger = logging.getLogger(__name__)

REDIS_AWAY = (redis.RedisError, OSError, TimeoutError)
ANSWER_WITHIN = 1.0  # a request waits for this when Redis hangs
LOOK_SECONDS = 1.0
PAUSE_WITHOUT_REDIS = 1.0
SILENT_SECONDS = 3.0


def nudge_channel(channel: str) -> str:
    """The Redis channel that carries a worker channel's nudges."""
    return f"ct:nudge:{channel}"


@cache
def _client() -> Any:
    # Once more: a pooled connection may have died with the Redis before. Then the nudge is let go.
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=ANSWER_WITHIN,
        socket_connect_timeout=ANSWER_WITHIN,
        retry=Retry(NoBackoff(), 1),
    )


class _Silence:
    """After a nudge that Redis did not take, the next ones are let go at once: whoever waits for a Redis
    that hangs keeps a thread, and what a nudge saves is a second."""

    def __init__(self) -> None:
        self._until = float("-inf")

    def begin(self) -> None:
        self._until = time.monotonic() + SILENT_SECONDS

    def __bool__(self) -> bool:
        return time.monotonic() < self._until


_silence = _Silence()


def nudge(channel: str, key: str) -> None:
    """Tell the workers of `channel` that the row `key` has work. Call it after the commit; never raises."""
    if _silence:
        return
    try:
        _client().publish(nudge_channel(channel), key)
    except REDIS_AWAY as problem:
        _silence.begin()
        logger.info("not nudged", extra={"channel": channel, "reason": str(problem)[:200]})


def nudge_on_commit(channel: str, key: str) -> None:
    """The same once this transaction is committed; a nudge that is lost costs a second."""
    transaction.on_commit(partial(nudge, channel, key))


class Nudges:
    """The keys that are nudged on a channel, from now on: `async for key in Nudges(channel)`.

    Every listener hears every nudge. Outlives Redis: what was nudged while it was away is lost.
    """

    def __init__(self, channel: str) -> None:
        self._channel = channel

    async def __aiter__(self) -> AsyncIterator[str]:
        while task_goes_on():
            try:
                async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as ear:
                    await ear.subscribe(nudge_channel(self._channel))
                    while task_goes_on():
                        said = await ear.get_message(ignore_subscribe_messages=True, timeout=LOOK_SECONDS)
                        if said is not None:
                            yield said["data"].decode()
            except REDIS_AWAY as problem:
                logger.info("no nudges", extra={"channel": self._channel, "reason": str(problem)[:200]})
                await asyncio.sleep(PAUSE_WITHOUT_REDIS)
