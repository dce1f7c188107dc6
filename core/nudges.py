"""Nudges: lossy wake-ups over Redis that make the workers of a channel poll a row at once.

PostgreSQL holds the pending work and every worker polls it once a second, so a lost nudge costs one second.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction

from core.errors import REDIS_ERRORS
from core.leases import task_is_running
from core.redis_breaker import redis_call

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RECONNECT_SECONDS = 1.0


def nudge_channel(channel: str) -> str:
    """The Redis channel that carries a worker channel's nudges."""
    return f"ct:nudge:{channel}"


def nudge(channel: str, key: str) -> None:
    """Nudge the workers of `channel`: the row `key` has work. Call it after the commit; never raises."""
    try:
        redis_call(lambda client: client.publish(nudge_channel(channel), key))
    except REDIS_ERRORS as problem:
        logger.debug("nudge not sent", extra={"channel": channel, "reason": str(problem)[:200]})


def nudge_on_commit(channel: str, key: str) -> None:
    """`nudge` once this transaction is committed; a lost nudge costs one second."""
    transaction.on_commit(partial(nudge, channel, key))


class NudgeSubscription:
    """Subscription to the nudges of a channel: `async for key in NudgeSubscription(channel)`.

    Every subscription receives every nudge. It reconnects to Redis; nudges sent meanwhile are lost.
    """

    def __init__(self, channel: str) -> None:
        self._channel = channel

    async def __aiter__(self) -> AsyncIterator[str]:
        while task_is_running():
            try:
                async with (
                    redis.asyncio.Redis.from_url(settings.REDIS_URL) as client,
                    client.pubsub() as pubsub,
                ):
                    await pubsub.subscribe(nudge_channel(self._channel))
                    while task_is_running():
                        message = await pubsub.get_message(
                            ignore_subscribe_messages=True, timeout=POLL_SECONDS
                        )
                        if message is not None:
                            yield message["data"].decode()
            except REDIS_ERRORS as problem:
                logger.info(
                    "nudges unavailable", extra={"channel": self._channel, "reason": str(problem)[:200]}
                )
                await asyncio.sleep(RECONNECT_SECONDS)
