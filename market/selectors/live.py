"""Live market data read from the hub's snapshots in Redis."""

import logging
import threading
import time
from typing import Any

import redis

from market import hub

logger = logging.getLogger(__name__)

SNAPSHOT_TIMEOUT = 3.0
POLL_INTERVAL = 0.1
MAX_AGE_MS = 5_000  # lag behind the venue's newest tick
MAX_QUIET_AGE_MS = 60_000


class LiveUnavailable(Exception):
    """Live market data is unavailable: Redis or the feed does not answer."""


def topic_snapshot(topic: str) -> hub.Snapshot | None:
    """The current value of a topic, or None when it was never written. Raises `LiveUnavailable`."""
    try:
        return hub.topic_read(topic)
    except redis.RedisError as error:
        raise LiveUnavailable("Redis does not answer.") from error


def ticks_of(venue: str) -> dict[str, dict[str, Any]]:
    """Symbol → tick; empty when there are none. Raises `LiveUnavailable`."""
    snapshot = topic_snapshot(f"ticks.{venue}")
    return snapshot.value if snapshot else {}


def ticks_or_none(venue: str) -> dict[str, dict[str, Any]]:
    """`ticks_of` for pages, which must render without Redis: the result is empty then."""
    try:
        return ticks_of(venue)
    except LiveUnavailable:
        logger.debug("ticks not read", extra={"venue": venue}, exc_info=True)
        return {}


def topic_or_none(topic: str) -> Any:
    """A topic's full value for the first rendering of a page; None when unknown. Marks it as watched."""
    try:
        hub.topic_watch(topic)
        snapshot = hub.topic_read(topic)
    except redis.RedisError:
        logger.debug("topic not read", extra={"topic": topic}, exc_info=True)
        return None
    return snapshot.value if snapshot else None


def topic_fresh(topic: str, venue: str, *, wait: float = SNAPSHOT_TIMEOUT) -> hub.Snapshot:
    """A current value of a topic that may not be watched yet: marks it as watched and waits for the feed.

    A value within 5 s of the venue's newest tick is returned at once. After `wait` seconds a value within
    one minute is accepted, because a quiet market sends no updates. Raises `LiveUnavailable`.
    """
    try:
        hub.topic_watch(topic)
    except redis.RedisError as error:
        raise LiveUnavailable("Redis does not answer.") from error
    lag_ms = None
    event = threading.Event()
    deadline = time.monotonic() + wait
    while True:
        snapshot = topic_snapshot(topic)
        lag_ms = _lag_ms(snapshot, venue)
        if snapshot and lag_ms is not None and lag_ms <= MAX_AGE_MS:
            return snapshot
        if time.monotonic() >= deadline:
            break
        event.wait(POLL_INTERVAL)
    if snapshot and lag_ms is not None and lag_ms <= MAX_QUIET_AGE_MS:
        return snapshot
    raise LiveUnavailable(f"The feed of {venue} did not answer in {wait:.0f} s.")


def _lag_ms(snapshot: hub.Snapshot | None, venue: str) -> int | None:
    """Lag of the value behind the venue's newest tick, ms; 0 for logs, None without a value."""
    if snapshot is None or not snapshot.value:
        return None
    if not isinstance(snapshot.value, dict):
        return 0
    return max(0, venue_time(ticks_of(venue), snapshot.value["t"]) - int(snapshot.value["t"]))


def venue_time(ticks: dict[str, dict[str, Any]], default: int) -> int:
    """The newest time in `ticks`, ms. The local clock is not usable, because replays have their own time."""
    return max((tick["t"] for tick in ticks.values() if tick.get("t")), default=default)
