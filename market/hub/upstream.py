"""Upstream subscriber of a web process: receives venue flushes and user events, and resyncs every gap.

The channel layer delivers at most once, and Redis may restart. A gap is detected by its numbers (flushes of
a venue are counted, updates of a topic carry `seq`), and the missing data is read from the snapshots that
the writer stored before it sent its message.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import orjson
import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings
from prometheus_client import Counter

from core.leases import task_is_running
from market.domain.fanout import Fanout
from market.domain.topics import TopicClass
from market.hub.client import Client
from market.hub.publisher import LAYER, user_group, venue_group
from market.hub.snapshots import STATUS, SYMBOLS, log_decode, log_key, snap_key, snapshot_decode

logger = logging.getLogger(__name__)

LATE_MS, DOWN_MS = 3_000, 10_000
SILENT_SECONDS = 3.0

RESYNCS_TOTAL = Counter("cryptotrade_hub_resyncs_total", "Snapshot reads that closed a gap")


@dataclass
class UpstreamVenue:
    """State of one venue's feed as received by this process."""

    name: str
    epoch: int = 0
    flushes: int = 0
    status: str = "down"
    age_ms: int = 0
    received_at: float = float("-inf")  # time of the last flush, by the event loop's clock
    simulated: bool = False
    symbols: frozenset[str] = frozenset()

    def state(self, now: float) -> dict[str, Any]:
        """Body of the `venues` topic for this venue: a silent feed becomes late, then down."""
        silent = int(min(now - self.received_at, 10**6) * 1000)
        age = self.age_ms + silent
        status = "down" if silent >= DOWN_MS else "late" if silent >= LATE_MS else self.status
        return {"status": status, "age_ms": age, "simulated": self.simulated}


class UpstreamSubscriber:
    """Upstream subscriber: keeps the topics of a fan-out in sync with their writers."""

    def __init__(self, fanout: Fanout[Client], client: "redis.asyncio.Redis") -> None:
        self.venues = {name: UpstreamVenue(name) for name in settings.VENUES}
        self._fanout = fanout
        self._redis = client
        self._layer = get_channel_layer(LAYER)
        self._channel: str | None = None
        self._users: set[str] = set()
        self.status_changed = asyncio.Event()
        self._symbols_read_at = float("-inf")
        self._missing: dict[str, tuple[int, int]] = {}  # topic → (epoch, seq) that its snapshot must reach
        self._missing_found = asyncio.Event()

    # --- listening -----------------------------------------------------------------------------
    async def listen(self) -> None:
        """Receive all messages on one channel; returns (and is restarted) when messages stop arriving."""
        await self._layer.flush()  # reset a layer that lost its connections
        channel = self._channel = await self._layer.new_channel("hub")
        for group in [*map(venue_group, self.venues), *map(user_group, self._users)]:
            await self._layer.group_add(group, channel)
        self._request_all_snapshots()
        await self._read_statuses()
        # Do not use `wait_for(receive)`: a cancelled receive deletes the channel.
        receiving = asyncio.ensure_future(self._layer.receive(channel))
        try:
            while task_is_running():
                done, _ = await asyncio.wait({receiving}, timeout=SILENT_SECONDS)
                if not done and await self._missed_flushes():
                    logger.warning("hub: no flush arrives although the feed writes; resubscribing")
                    return
                if done:
                    self._on_message(receiving.result())
                    receiving = asyncio.ensure_future(self._layer.receive(channel))
        finally:
            receiving.cancel()

    def _on_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "venue.flush":
            self._on_flush(message)
        elif message["type"] == "user.event":
            self._update(f"me.{message['user']}", message)

    async def listen_to_user(self, user: str) -> None:
        """Subscribe to this user's events."""
        self._users.add(user)
        if self._channel:
            await self._layer.group_add(user_group(user), self._channel)

    async def _missed_flushes(self) -> bool:
        """True when a feed wrote a recent snapshot although no flush was received."""
        now_ms = time.time() * 1000
        for venue in self.venues:
            raw = await self._redis.hget(snap_key(venue), STATUS)
            if raw and now_ms - orjson.loads(raw)["at"] < SILENT_SECONDS * 1000 / 2:
                return True
        return False

    def _on_flush(self, message: dict[str, Any]) -> None:
        venue = self.venues.get(message["venue"])
        if venue is None or message["epoch"] < venue.epoch:
            return  # from a feed worker that lost its lease and has not noticed yet
        gap = message["epoch"] != venue.epoch or message["n"] != venue.flushes + 1
        venue.epoch, venue.flushes = message["epoch"], message["n"]
        self._update_status(venue, message["status"], asyncio.get_running_loop().time())
        for key, first, last, raw in message["updates"]:
            self._update(key, {"epoch": venue.epoch, "first": first, "last": last, "body": raw})
        if gap:
            self._request_all_snapshots(venue.name)

    def _update(self, key: str, body: dict[str, Any]) -> None:
        topic = self._fanout.topics.get(key)
        if topic is None:
            return
        epoch, first, last = body["epoch"], body["first"], body["last"]
        if not topic.update(epoch=epoch, first=first, last=last, body=orjson.loads(body["body"])):
            self.request_snapshot(key, (epoch, last))

    def _update_status(self, venue: UpstreamVenue, body: dict[str, Any], now: float) -> None:
        if (venue.status, venue.simulated) != (body["status"], body["simulated"]):
            self.status_changed.set()
        venue.status, venue.age_ms, venue.simulated = body["status"], body["age_ms"], body["simulated"]
        venue.received_at = now

    async def _read_statuses(self) -> None:
        """Read the statuses that the feeds published before this process subscribed."""
        now, now_ms = asyncio.get_running_loop().time(), time.time() * 1000
        for venue in self.venues.values():
            if raw := await self._redis.hget(snap_key(venue.name), STATUS):
                body = orjson.loads(raw)
                self._update_status(venue, body, now - max(0, now_ms - body["at"]) / 1000)

    # --- resync from snapshots -----------------------------------------------------------------
    def request_snapshot(self, key: str, at_least: tuple[int, int] = (0, 0)) -> None:
        """Read the snapshot of this topic until it reaches `at_least` (epoch, seq)."""
        self._missing[key] = max(at_least, self._missing.get(key, (0, 0)))
        self._missing_found.set()

    def _request_all_snapshots(self, venue: str | None = None) -> None:
        for key in self._fanout.topics:
            if "." in key and (venue is None or key.split(".")[1] == venue):
                self.request_snapshot(key)

    async def resync(self) -> None:
        while task_is_running():
            await self._missing_found.wait()
            self._missing_found.clear()
            while self._missing and task_is_running():
                requested = dict(self._missing)
                await self._load(requested)
                RESYNCS_TOTAL.inc()
                for key, position in requested.items():
                    topic = self._fanout.topics.get(key)
                    is_current = topic is None or (topic.epoch, topic.seq) >= position
                    if is_current and self._missing.get(key) == position:
                        del self._missing[key]
                await asyncio.sleep(0.05)

    async def _load(self, keys: dict[str, tuple[int, int]]) -> None:
        topics = [topic for key in keys if (topic := self._fanout.topics.get(key))]
        async with self._redis.pipeline(transaction=False) as pipe:
            for topic in topics:
                if topic.cls is TopicClass.LOG:
                    pipe.lrange(log_key(topic.key), 0, -1)
                else:
                    pipe.hget(snap_key(topic.key.split(".")[1]), topic.key)
            rows = await pipe.execute()
        for topic, raw in zip(topics, rows, strict=True):
            if not raw:
                continue
            snapshot = log_decode(raw) if topic.cls is TopicClass.LOG else snapshot_decode(raw)
            if snapshot:
                topic.replace(epoch=snapshot.epoch, seq=snapshot.seq, whole=snapshot.value)

    async def read_symbols(self) -> bool:
        """Refresh the symbols that may be subscribed. True when every venue has reported its symbols."""
        for venue in self.venues.values():
            raw = await self._redis.hget(snap_key(venue.name), SYMBOLS)
            venue.symbols = frozenset(orjson.loads(raw)) if raw else venue.symbols
        return all(venue.symbols for venue in self.venues.values())

    async def read_symbols_if_old(self, now: float, *, empty: bool) -> None:
        """`read_symbols` for an unknown symbol, at most four times a second unless no symbols are known."""
        if empty or now - self._symbols_read_at > 0.25:
            self._symbols_read_at = now
            await self.read_symbols()
