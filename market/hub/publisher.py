"""Publisher: the write side of the stream. A feed worker queues changes and flushes up to 20 times a second.

One flush is one Redis pipeline (the new snapshots), then one channel-layer message for the whole venue, in
that order: a reader that receives the message can read the snapshot it belongs to. When Redis does not
answer, the flush fails, all changes stay queued, and the next successful flush writes everything.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings
from redis.asyncio.client import Pipeline

from core.errors import REDIS_ERRORS
from core.leases import task_is_running
from market.domain.topics import MAX_LOG_ITEMS, AnyTopic, TopicClass, book_delta, topic_parse, topic_state
from market.hub.snapshots import STATUS, SYMBOLS, interest_key, log_key, snap_key

LAYER = "stream"
KEYFRAME_SECONDS = 5.0
LOG_SECONDS = 300
USER_LOG_SECONDS = 24 * 3600

# Several processes write a user's log; this script serialises them in Redis. The epoch is the time at which
# the log was created, so a new log after a loss of Redis is never mistaken for the old one.
_APPEND_USER_EVENT = """
local at = redis.call('HMGET', KEYS[2], 'epoch', 'seq')
local epoch, seq = tonumber(at[1]), tonumber(at[2])
if not epoch then epoch, seq = tonumber(ARGV[2]), 0 end
seq = seq + 1
redis.call('HSET', KEYS[2], 'epoch', epoch, 'seq', seq)
redis.call('RPUSH', KEYS[1], '[' .. epoch .. ',' .. seq .. ',' .. ARGV[1] .. ']')
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return {epoch, seq}
"""


def venue_group(venue: str) -> str:
    """The channel-layer group that carries one venue's flushes."""
    return f"venue.{venue}"


def user_group(user: str) -> str:
    """The channel-layer group that carries one user's private events."""
    return f"user.{user}"


async def user_event_publish(user: str, event: Mapping[str, Any]) -> None:
    """Append one typed event to the user's `me` log and send it to every web process.

    Best effort: PostgreSQL holds the data already. Raises `redis.RedisError` when Redis is unavailable.
    """
    key = log_key(f"me.{user}")
    raw = orjson.dumps(event)
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        now = int(time.time() * 1000)
        epoch, seq = await client.eval(
            _APPEND_USER_EVENT, 2, key, f"{key}:at", raw, now, MAX_LOG_ITEMS, USER_LOG_SECONDS
        )
    message = {"type": "user.event", "user": user, "epoch": epoch, "first": seq, "last": seq}
    await get_channel_layer(LAYER).group_send(user_group(user), {**message, "body": b"[" + raw + b"]"})


@dataclass
class _PublishedTopic:
    """Write-side state of one topic."""

    cls: TopicClass
    state: AnyTopic
    seq: int = 0
    pending: Any = None
    unsaved: list[tuple[int, Any]] = field(default_factory=list)  # LOG items not yet in Redis


class Publisher:
    """Publisher: the only writer of a venue's topics, under the epoch of its lease.

    `queue_*` are synchronous and cheap; `flush` sends. The caller decides how often.
    """

    def __init__(self, venue: str, epoch: int, *, simulated: bool) -> None:
        self.venue = venue
        self.epoch = epoch
        self.simulated = simulated
        self.problem = ""  # what of the venue's data is left out; published with the status
        self._topics: dict[str, _PublishedTopic] = {}
        self._symbols: list[str] = []
        self._flushes = 0
        self._keyframe_due = 0.0
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        self._layer = get_channel_layer(LAYER)

    # --- queueing ------------------------------------------------------------------------------
    def symbols(self, symbols: Iterable[str]) -> None:
        """Set the symbols that may be subscribed; readers reject all others."""
        self._symbols = sorted(symbols)
        self._keyframe_due = 0.0

    def queue_ticks(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Queue changed symbols, each with its full tick: bid, ask, last, mark, change24h, volume24h, t."""
        published = self._topic(f"ticks.{self.venue}")
        published.pending = {**(published.pending or {}), **changes}

    def queue_candle(self, symbol: str, interval: str, candle: list[Any]) -> None:
        """Queue the open candle: [t, o, h, l, c, v]."""
        self._topic(f"candles.{self.venue}.{symbol}.{interval}").pending = candle

    def queue_book(self, symbol: str, book: Mapping[str, Any]) -> None:
        """Queue the current full book: {"bids": [[px, sz]…], "asks": …, "t": ms}."""
        self._topic(f"book.{self.venue}.{symbol}").pending = book

    def queue_trades(self, symbol: str, items: Iterable[list[Any]]) -> None:
        """Queue trades, oldest first: [px, sz, side, t, id]."""
        published = self._topic(f"trades.{self.venue}.{symbol}")
        published.pending = [*(published.pending or []), *items]

    def forget(self, topic: str) -> None:
        """Drop queued changes of a topic that is no longer watched.

        Its counter is kept, so that `seq` continues to increase within the epoch for later subscribers.
        """
        if published := self._topics.get(topic):
            published.pending = None

    def _topic(self, topic: str) -> _PublishedTopic:
        if topic not in self._topics:
            cls = topic_parse(topic).cls
            self._topics[topic] = _PublishedTopic(cls, topic_state(cls))
        return self._topics[topic]

    # --- sending -------------------------------------------------------------------------------
    async def flush(self, *, status: str, age_ms: int) -> int:
        """Write snapshots, then send one message. Returns the number of topics that changed.

        Raises `redis.RedisError` / `OSError` when Redis is unavailable; call again later.
        """
        updates = [update for topic in self._topics if (update := self._pop_update(topic)) is not None]
        self._flushes += 1
        now = time.time()
        status_body = {"status": status, "age_ms": age_ms, "at": int(now * 1000), "simulated": self.simulated}
        if self.problem:
            status_body["problem"] = self.problem
        try:
            await self._save([topic for topic, *_ in updates], status_body, now)
        except BaseException:
            self._keyframe_due = 0.0  # the next flush rewrites all snapshots in full
            raise
        message = {
            "type": "venue.flush",
            "venue": self.venue,
            "epoch": self.epoch,
            "n": self._flushes,
            "status": status_body,
            "updates": updates,
        }
        await self._layer.group_send(venue_group(self.venue), message)
        return len(updates)

    def _pop_update(self, topic: str) -> tuple[str, int, int, bytes] | None:
        """(topic, seq_from, seq_to, JSON body) of the changes queued since the last flush."""
        published = self._topics[topic]
        body, published.pending = published.pending, None
        if body is None:
            return None
        if published.cls is TopicClass.BOOK:
            body = book_delta(published.state.full_value() if published.seq else None, body)
            if not body["bids"] and not body["asks"]:
                return None
        if published.cls is TopicClass.LOG and not body:
            return None
        first = published.seq + 1
        published.seq += len(body) if published.cls is TopicClass.LOG else 1
        published.state.apply(published.seq, body)
        if published.cls is TopicClass.LOG:
            published.unsaved.extend(enumerate(body, start=first))
            del published.unsaved[:-MAX_LOG_ITEMS]
        return topic, first, published.seq, orjson.dumps(body)

    async def _save(self, changed: list[str], status_body: Mapping[str, Any], now: float) -> None:
        whole = now >= self._keyframe_due
        if whole:
            changed = list(self._topics)
        snaps: dict[Any, Any] = {STATUS: orjson.dumps(status_body)}
        async with self._redis.pipeline(transaction=False) as pipe:
            if whole:
                snaps[SYMBOLS] = orjson.dumps(self._symbols)
                pipe.delete(snap_key(self.venue))
            for topic in changed:
                published = self._topics[topic]
                if published.cls is TopicClass.LOG:
                    self._save_log(pipe, topic, published, whole=whole)
                elif published.seq:
                    snaps[topic] = orjson.dumps([self.epoch, published.seq, published.state.full_value()])
            pipe.hset(snap_key(self.venue), mapping=snaps)
            await pipe.execute()
        for topic in changed:
            self._topics[topic].unsaved.clear()
        if whole:
            self._keyframe_due = now + KEYFRAME_SECONDS

    def _save_log(self, pipe: Pipeline, topic: str, published: _PublishedTopic, *, whole: bool) -> None:
        key = log_key(topic)
        rows = published.unsaved
        if whole:
            pipe.delete(key)
            stored_items = published.state.full_value()
            rows = list(enumerate(stored_items, start=published.seq - len(stored_items) + 1))
        if rows:
            pipe.rpush(key, *(orjson.dumps([self.epoch, seq, item]) for seq, item in rows))
            pipe.ltrim(key, -MAX_LOG_ITEMS, -1)
            pipe.expire(key, LOG_SECONDS)

    async def interest(self) -> set[str]:
        """Topics that are watched now. Raises `redis.RedisError` when Redis is unavailable."""
        key = interest_key(self.venue)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(key, "-inf", time.time())
            pipe.zrange(key, 0, -1)
            _, names = await pipe.execute()
        return {name.decode() for name in names}

    async def close(self) -> None:
        """Close the Redis connections."""
        await self._redis.aclose()


logger = logging.getLogger(__name__)

MAX_QUEUED = 2_000


class UserEventPublisher:
    """User event publisher. `publish` never waits or fails; events that Redis rejects are logged and lost."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(MAX_QUEUED)

    def publish(self, user: str, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait((user, event))

    async def run(self) -> None:
        while task_is_running():
            user, event = await self._queue.get()
            try:
                await user_event_publish(user, event)
            except REDIS_ERRORS as problem:
                logger.info("user event not published", extra={"user_id": user, "reason": str(problem)[:200]})
