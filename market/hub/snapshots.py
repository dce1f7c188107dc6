"""Snapshots in Redis: the current value of every topic, so that a reader can start without PostgreSQL.

`ct:snap:<venue>` is a hash: topic → `[epoch, seq, value]`, and `_status` → the status reported by the feed.
`ct:log:<topic>` is a list of `[epoch, seq, item]` for LOG topics. `ct:interest:<venue>` is a sorted set:
topic → time until which it is watched. Redis is only a cache: after a loss of its data the values are back
with the feed's next full write, a few seconds later.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import redis
from django.conf import settings

from core.redis_breaker import redis_call
from market.domain.topics import TopicClass, topic_parse

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
    """Full value of a topic as of `seq` of `epoch`. For a LOG topic `value` is the list of stored items."""

    epoch: int
    seq: int
    value: Any


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """Status of a venue as last reported by its feed worker.

    `age_ms`: age of the venue's newest frame at the time of the report. `silent_ms`: time since the report.
    `status`: live, late or down.
    """

    status: str
    age_ms: int
    silent_ms: int
    simulated: bool
    problem: str = ""  # what of the venue's data is left out


def status_decode(raw: bytes, now_ms: int) -> VenueStatus:
    status = orjson.loads(raw)
    silent_ms = max(0, now_ms - status["at"])
    return VenueStatus(
        status["status"], status["age_ms"], silent_ms, status["simulated"], status.get("problem", "")
    )


def snapshot_decode(raw: bytes) -> Snapshot:
    epoch, seq, value = orjson.loads(raw)
    return Snapshot(epoch, seq, value)


def log_decode(rows: Iterable[bytes]) -> Snapshot | None:
    """Snapshot of the items of the newest epoch; None when the list is empty."""
    items = [orjson.loads(row) for row in rows]
    if not items:
        return None
    epoch, seq, _ = items[-1]
    return Snapshot(epoch, seq, [item for at, _, item in items if at == epoch])


# --- for pages, the API and services: synchronous ----------------------------------------------------
def topic_read(topic: str) -> Snapshot | None:
    """The current value of a topic, or None when it was not written recently. Raises `redis.RedisError`."""
    name = topic_parse(topic)
    if name.cls is TopicClass.LOG:
        return log_decode(redis_call(lambda client: client.lrange(log_key(topic), 0, -1)))
    raw = redis_call(lambda client: client.hget(snap_key(name.venue or ""), topic))
    return snapshot_decode(raw) if raw else None


def topic_watch(topic: str) -> None:
    """Mark a topic as watched for `INTEREST_SECONDS`, so that the feed publishes it.

    Raises `redis.RedisError`.
    """
    name = topic_parse(topic)
    until = time.time() + INTEREST_SECONDS
    redis_call(lambda client: client.zadd(interest_key(name.venue or ""), {topic: until}))


def venue_statuses(names: Iterable[str] | None = None) -> dict[str, VenueStatus]:
    """Status by venue name; venues without a report are absent. Raises `redis.RedisError`."""
    now = int(time.time() * 1000)
    venues = list(settings.VENUES if names is None else names)

    def fetch(client: redis.Redis) -> list[bytes | None]:
        with client.pipeline(transaction=False) as pipe:
            for name in venues:
                pipe.hget(snap_key(name), STATUS)
            return list(pipe.execute())

    rows = redis_call(fetch)
    return {name: status_decode(raw, now) for name, raw in zip(venues, rows, strict=True) if raw is not None}
