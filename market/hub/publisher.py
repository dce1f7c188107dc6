"""The writing side: a feed worker offers what it learned, and flushes ten to twenty times a second.

One flush is one Redis pipeline (the new snapshots) and then one channel-layer message for the whole
venue. In that order: whoever sees the message can read the snapshot it belongs to. When Redis does
not answer, the flush fails, nothing is forgotten, and the next one that succeeds writes everything.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings

from market.domain.topics import LOG_KEPT, AnyTopic, TopicClass, book_delta, topic_parse, topic_state
from market.hub.snapshots import STATUS, SYMBOLS, interest_key, log_key, snap_key

LAYER = "stream"
KEYFRAME_SECONDS = 5.0
LOG_SECONDS = 300
USER_LOG_SECONDS = 24 * 3600

# A user's log has many writing processes; Redis makes them one. The epoch is the time at which the
# log began, so a log that was lost with its Redis is never mistaken for the old one.
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
    """Append one typed event to the user's `me` log and tell every web process.

    A nudge: PostgreSQL holds the fact already. Raises `redis.RedisError` when Redis is away.
    """
    key = log_key(f"me.{user}")
    raw = orjson.dumps(event)
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        now = int(time.time() * 1000)
        epoch, seq = await client.eval(
            _APPEND_USER_EVENT, 2, key, f"{key}:at", raw, now, LOG_KEPT, USER_LOG_SECONDS
        )
    message = {"type": "user.event", "user": user, "epoch": epoch, "first": seq, "last": seq}
    await get_channel_layer(LAYER).group_send(user_group(user), {**message, "body": b"[" + raw + b"]"})


@dataclass
class _Written:
    """One topic on the writing side."""

    cls: TopicClass
    state: AnyTopic
    seq: int = 0
    pending: Any = None
    unsaved: list[tuple[int, Any]] = field(default_factory=list)  # LOG items not yet in Redis


class Publisher:
    """The one writer of a venue's topics, under the epoch of its lease.

    `offer_*` are synchronous and cheap; `flush` sends. The caller decides how often.
    """

    def __init__(self, venue: str, epoch: int, *, simulated: bool) -> None:
        self.venue = venue
        self.epoch = epoch
        self.simulated = simulated
        self._topics: dict[str, _Written] = {}
        self._symbols: list[str] = []
        self._flushes = 0
        self._keyframe_due = 0.0
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        self._layer = get_channel_layer(LAYER)

    # --- what the feed learned -----------------------------------------------------------------
    def symbols(self, symbols: Iterable[str]) -> None:
        """Every symbol that may be subscribed; readers refuse others."""
        self._symbols = sorted(symbols)
        self._keyframe_due = 0.0

    def offer_ticks(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Changed symbols, each with its whole tick: bid, ask, last, mark, change24h, volume24h, t."""
        written = self._topic(f"ticks.{self.venue}")
        written.pending = {**(written.pending or {}), **changes}

    def offer_candle(self, symbol: str, interval: str, candle: list[Any]) -> None:
        """The open candle: [t, o, h, l, c, v]."""
        self._topic(f"candles.{self.venue}.{symbol}.{interval}").pending = candle

    def offer_book(self, symbol: str, book: Mapping[str, Any]) -> None:
        """The whole book as it is now: {"bids": [[px, sz]…], "asks": …, "t": ms}."""
        self._topic(f"book.{self.venue}.{symbol}").pending = book

    def offer_trades(self, symbol: str, items: Iterable[list[Any]]) -> None:
        """Trades, oldest first: [px, sz, side, t, id]."""
        written = self._topic(f"trades.{self.venue}.{symbol}")
        written.pending = [*(written.pending or []), *items]

    def forget(self, topic: str) -> None:
        """Nobody watches it any more: what was offered and not flushed is dropped.

        The counter stays, so that a later watcher sees `seq` go on rising within the epoch.
        """
        if written := self._topics.get(topic):
            written.pending = None

    def _topic(self, topic: str) -> _Written:
        if topic not in self._topics:
            cls = topic_parse(topic).cls
            self._topics[topic] = _Written(cls, topic_state(cls))
        return self._topics[topic]

    # --- sending -------------------------------------------------------------------------------
    async def flush(self, *, status: str, age_ms: int) -> int:
        """Write snapshots, then send one message. Returns the number of topics that changed.

        Raises `redis.RedisError` / `OSError` when Redis is away; call again later.
        """
        updates = [update for topic in self._topics if (update := self._take(topic)) is not None]
        self._flushes += 1
        now = time.time()
        said = {"status": status, "age_ms": age_ms, "at": int(now * 1000), "simulated": self.simulated}
        try:
            await self._save([topic for topic, *_ in updates], said, now)
        except BaseException:
            self._keyframe_due = 0.0  # whatever was lost is written again, whole
            raise
        message = {
            "type": "venue.flush",
            "venue": self.venue,
            "epoch": self.epoch,
            "n": self._flushes,
            "status": said,
            "updates": updates,
        }
        await self._layer.group_send(venue_group(self.venue), message)
        return len(updates)

    def _take(self, topic: str) -> tuple[str, int, int, bytes] | None:
        """(topic, seq_from, seq_to, JSON body) of what was offered since the last flush."""
        written = self._topics[topic]
        body, written.pending = written.pending, None
        if body is None:
            return None
        if written.cls is TopicClass.BOOK:
            body = book_delta(written.state.whole() if written.seq else None, body)
            if not body["bids"] and not body["asks"]:
                return None
        if written.cls is TopicClass.LOG and not body:
            return None
        first = written.seq + 1
        written.seq += len(body) if written.cls is TopicClass.LOG else 1
        written.state.apply(written.seq, body)
        if written.cls is TopicClass.LOG:
            written.unsaved.extend(enumerate(body, start=first))
            del written.unsaved[:-LOG_KEPT]
        return topic, first, written.seq, orjson.dumps(body)

    async def _save(self, changed: list[str], said: Mapping[str, Any], now: float) -> None:
        whole = now >= self._keyframe_due
        if whole:
            changed = list(self._topics)
        snaps: dict[Any, Any] = {STATUS: orjson.dumps(said)}
        async with self._redis.pipeline(transaction=False) as pipe:
            if whole:
                snaps[SYMBOLS] = orjson.dumps(self._symbols)
                pipe.delete(snap_key(self.venue))
            for topic in changed:
                written = self._topics[topic]
                if written.cls is TopicClass.LOG:
                    self._save_log(pipe, topic, written, whole=whole)
                elif written.seq:
                    snaps[topic] = orjson.dumps([self.epoch, written.seq, written.state.whole()])
            pipe.hset(snap_key(self.venue), mapping=snaps)
            await pipe.execute()
        for topic in changed:
            self._topics[topic].unsaved.clear()
        if whole:
            self._keyframe_due = now + KEYFRAME_SECONDS

    def _save_log(self, pipe: Any, topic: str, written: _Written, *, whole: bool) -> None:
        key = log_key(topic)
        rows = written.unsaved
        if whole:
            pipe.delete(key)
            kept = written.state.whole()
            rows = list(enumerate(kept, start=written.seq - len(kept) + 1))
        if rows:
            pipe.rpush(key, *(orjson.dumps([self.epoch, seq, item]) for seq, item in rows))
            pipe.ltrim(key, -LOG_KEPT, -1)
            pipe.expire(key, LOG_SECONDS)

    async def interest(self) -> set[str]:
        """Topics that somebody watches now. Raises `redis.RedisError` when Redis is away."""
        key = interest_key(self.venue)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(key, "-inf", time.time())
            pipe.zrange(key, 0, -1)
            _, names = await pipe.execute()
        return {name.decode() for name in names}

    async def close(self) -> None:
        """Give back the connections."""
        await self._redis.aclose()
