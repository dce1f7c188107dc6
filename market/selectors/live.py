"""Live values, as the hub keeps them in Redis."""

import logging
import threading
import time
from typing import Any

import redis

from market import hub

logger = logging.getLogger(__name__)

WAIT_SECONDS = 3.0
LOOK_EVERY = 0.1
FRESH_MS = 5_000  # behind the venue's newest tick
OLD_MS = 60_000


class LiveUnavailable(Exception):
    """Live values are not known now: Redis or the feed does not answer."""


def topic_snapshot(topic: str) -> hub.Snapshot | None:
    """The topic's value now, or None when nobody wrote it. Raises `LiveUnavailable`."""
    try:
        return hub.topic_read(topic)
    except redis.RedisError as error:
        raise LiveUnavailable("Redis does not answer.") from error


def ticks_of(venue: str) -> dict[str, dict[str, Any]]:
    """Symbol → tick; empty when nobody wrote any. Raises `LiveUnavailable`."""
    snapshot = topic_snapshot(f"ticks.{venue}")
    return snapshot.whole if snapshot else {}


def ticks_known(venue: str) -> dict[str, dict[str, Any]]:
    """`ticks_of` for pages, which must render without Redis: then empty."""
    try:
        return ticks_of(venue)
    except LiveUnavailable:
        logger.debug("prices are unknown", extra={"venue": venue}, exc_info=True)
        return {}


def topic_known(topic: str) -> Any:
    """A topic's whole value for a first paint, asking the feed to carry it; None when unknown."""
    try:
        hub.topic_watch(topic)
        snapshot = hub.topic_read(topic)
    except redis.RedisError:
        logger.debug("a topic is unknown", extra={"topic": topic}, exc_info=True)
        return None
    return snapshot.whole if snapshot else None


def topic_fresh(topic: str, venue: str, *, wait: float = WAIT_SECONDS) -> hub.Snapshot:
    """The value of a topic that perhaps nobody watched: asks the feed for it and waits for an answer.

    A value within 5 s of the venue's newest tick is returned at once. After `wait` seconds an older one
    is good enough when it is within a minute: a quiet market changes nothing. Raises `LiveUnavailable`.
    """
    try:
        hub.topic_watch(topic)
    except redis.RedisError as error:
        raise LiveUnavailable("Redis does not answer.") from error
    behind = None
    pause = threading.Event()
    deadline = time.monotonic() + wait
    while True:
        snapshot = topic_snapshot(topic)
        behind = _behind(snapshot, venue)
        if snapshot and behind is not None and behind <= FRESH_MS:
            return snapshot
        if time.monotonic() >= deadline:
            break
        pause.wait(LOOK_EVERY)
    if snapshot and behind is not None and behind <= OLD_MS:
        return snapshot
    raise LiveUnavailable(f"The feed of {venue} did not answer in {wait:.0f} s.")


def _behind(snapshot: hub.Snapshot | None, venue: str) -> int | None:
    """How many ms the value lies behind the venue's newest tick; 0 for logs, None for no value."""
    if snapshot is None or not snapshot.whole:
        return None
    if not isinstance(snapshot.whole, dict):
        return 0
    return max(0, venue_time(ticks_of(venue), snapshot.whole["t"]) - int(snapshot.whole["t"]))


def venue_time(ticks: dict[str, dict[str, Any]], default: int) -> int:
    """The newest time in `ticks`, ms. Replays live in their own time, so our clock will not do."""
    return max((tick["t"] for tick in ticks.values() if tick.get("t")), default=default)
