"""Where the current value of every topic lies in Redis, so that a reader can start without PostgreSQL.

`ct:snap:<venue>` is a hash: topic → `[epoch, seq, whole]`, and `_status` → the feed's own account of
itself. `ct:log:<topic>` is a list of `[epoch, seq, item]` for LOG topics. `ct:interest:<venue>` is a
sorted set: topic → time until which somebody watches it. Nothing here is truth: a lost Redis costs
the seconds until the feed's next full write.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import redis
from django.conf import settings

from market.domain.topics import TopicClass, topic_parse
from market.hub.redis_breaker import redis_ask

STATUS = "_status"
SYMBOLS = "_symbols"
INTEREST_SECONDS = 15.0


def snap_key(venue: str) -> str:
    return f"ct:snap:{venue}"


def log_key(topic: str) -> str:
    return f"ct:log:{topic}"


def interest_key(venue: str) -> str:
    return f"ct:interest:{venue}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole value of a topic as of `seq` of `epoch`. For a LOG topic `whole` is its kept items."""

    epoch: int
    seq: int
    whole: Any


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """What a feed worker last said of its venue.

    `age_ms`: age of the newest frame from the venue when it said so. `silent_ms`: since it said so.
    `status`: live, late or down.
    """

    status: str
    age_ms: int
    silent_ms: int
    simulated: bool


def status_decode(raw: bytes, now_ms: int) -> VenueStatus:
    said = orjson.loads(raw)
    return VenueStatus(said["status"], said["age_ms"], max(0, now_ms - said["at"]), said["simulated"])


def snapshot_decode(raw: bytes) -> Snapshot:
    epoch, seq, whole = orjson.loads(raw)
    return Snapshot(epoch, seq, whole)


def log_decode(rows: Iterable[bytes]) -> Snapshot | None:
    """The run of items of the newest epoch; None when the list is empty."""
    items = [orjson.loads(row) for row in rows]
    if not items:
        return None
    epoch, seq, _ = items[-1]
    return Snapshot(epoch, seq, [item for at, _, item in items if at == epoch])


# --- for pages, the API and services: synchronous ----------------------------------------------------
def topic_read(topic: str) -> Snapshot | None:
    """The current value of a topic, or None when nobody wrote it lately. Raises `redis.RedisError`."""
    name = topic_parse(topic)
    if name.cls is TopicClass.LOG:
        return log_decode(redis_ask(lambda client: client.lrange(log_key(topic), 0, -1)))
    raw = redis_ask(lambda client: client.hget(snap_key(name.venue or ""), topic))
    return snapshot_decode(raw) if raw else None


def topic_watch(topic: str) -> None:
    """Ask the feed to carry this topic for the next seconds. Raises `redis.RedisError`."""
    name = topic_parse(topic)
    until = time.time() + INTEREST_SECONDS
    redis_ask(lambda client: client.zadd(interest_key(name.venue or ""), {topic: until}))


def venue_statuses(names: Iterable[str] | None = None) -> dict[str, VenueStatus]:
    """By venue name; a venue whose feed never spoke is absent. Raises `redis.RedisError`."""
    now = int(time.time() * 1000)
    wanted = list(settings.VENUES if names is None else names)

    def ask(client: redis.Redis) -> list[bytes | None]:
        with client.pipeline(transaction=False) as pipe:
            for name in wanted:
                pipe.hget(snap_key(name), STATUS)
            said: list[bytes | None] = pipe.execute()
        return said

    answers = redis_ask(ask)
    return {
        name: status_decode(raw, now) for name, raw in zip(wanted, answers, strict=True) if raw is not None
    }
