"""A faster wake: "look at this row now", through Redis, to whoever works on a channel.

PostgreSQL holds what is to be done and every worker looks once a second, so a lost nudge costs a second.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction

from market.hub.redis_breaker import redis_ask
from market.leases import task_goes_on

logger = logging.getLogger(__name__)

REDIS_AWAY = (redis.RedisError, OSError, TimeoutError)
LOOK_SECONDS = 1.0
PAUSE_WITHOUT_REDIS = 1.0


def nudge_channel(channel: str) -> str:
    """The Redis channel that carries a worker channel's nudges."""
    return f"ct:nudge:{channel}"


def nudge(channel: str, key: str) -> None:
    """Tell the workers of `channel` that the row `key` has work. Call it after the commit; never raises."""
    try:
        redis_ask(lambda client: client.publish(nudge_channel(channel), key))
    except REDIS_AWAY as problem:
        logger.debug("not nudged", extra={"channel": channel, "reason": str(problem)[:200]})


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
