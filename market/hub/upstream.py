"""What a web process hears: the venues' flushes and its users' events, with every gap healed.

The channel layer delivers at most once, and Redis may restart. A gap is seen by its numbers (flushes
of a venue are counted, updates of a topic carry `seq`), and what is missing is read from the
snapshots that the writer stored before it sent its message.
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

from market.domain.fanout import Fanout
from market.domain.topics import TopicClass
from market.hub.publisher import LAYER, user_group, venue_group
from market.hub.snapshots import STATUS, SYMBOLS, log_decode, log_key, snap_key, snapshot_decode
from market.leases import task_goes_on

logger = logging.getLogger(__name__)

LATE_MS, DOWN_MS = 3_000, 10_000
SILENT_SECONDS = 3.0

RESYNCS = Counter("hub_resyncs_total", "Snapshot reads that healed a gap")


@dataclass
class VenueFeed:
    """What this process knows of one venue's feed."""

    name: str
    epoch: int = 0
    flushes: int = 0
    status: str = "down"
    age_ms: int = 0
    heard_at: float = float("-inf")  # of the loop's clock
    simulated: bool = False
    symbols: frozenset[str] = frozenset()

    def state(self, now: float) -> dict[str, Any]:
        """The body of the `venues` topic for this venue: a feed that fell silent is late, then down."""
        silent = int(min(now - self.heard_at, 10**6) * 1000)
        age = self.age_ms + silent
        status = "down" if silent >= DOWN_MS else "late" if silent >= LATE_MS else self.status
        return {"status": status, "age_ms": age, "simulated": self.simulated}


class Source:
    """Keeps the topics of a fan-out equal to what their writers wrote."""

    def __init__(self, fanout: Fanout, client: "redis.asyncio.Redis") -> None:
        self.venues = {name: VenueFeed(name) for name in settings.VENUES}
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
        """One channel for everything; ends (and is started again) when it has gone deaf."""
        await self._layer.flush()  # a layer that lost its connections half-way is begun anew
        channel = self._channel = await self._layer.new_channel("hub")
        for group in [*map(venue_group, self.venues), *map(user_group, self._users)]:
            await self._layer.group_add(group, channel)
        self._need_everything()
        await self._read_statuses()
        # Never `wait_for(receive)`: a cancelled receive deletes the channel.
        receiving = asyncio.ensure_future(self._layer.receive(channel))
        try:
            while task_goes_on():
                done, _ = await asyncio.wait({receiving}, timeout=SILENT_SECONDS)
                if not done and await self._is_deaf():
                    logger.warning("hub: no flush arrives although the feed writes; subscribing anew")
                    return
                if done:
                    self._received(receiving.result())
                    receiving = asyncio.ensure_future(self._layer.receive(channel))
        finally:
            receiving.cancel()

    def _received(self, message: dict[str, Any]) -> None:
        if message["type"] == "venue.flush":
            self._flushed(message)
        else:
            self._update(f"me.{message['user']}", message)

    async def listen_to_user(self, user: str) -> None:
        """Hear this user's events from now on."""
        self._users.add(user)
        if self._channel:
            await self._layer.group_add(user_group(user), self._channel)

    async def _is_deaf(self) -> bool:
        """Somebody writes newer snapshots than we were told of."""
        now_ms = time.time() * 1000
        for venue in self.venues:
            raw = await self._redis.hget(snap_key(venue), STATUS)
            if raw and now_ms - orjson.loads(raw)["at"] < SILENT_SECONDS * 1000 / 2:
                return True
        return False

    def _flushed(self, message: dict[str, Any]) -> None:
        feed = self.venues.get(message["venue"])
        if feed is None or message["epoch"] < feed.epoch:
            return  # a feed worker that lost its lease and does not know it yet
        gap = message["epoch"] != feed.epoch or message["n"] != feed.flushes + 1
        feed.epoch, feed.flushes = message["epoch"], message["n"]
        self._heard(feed, message["status"], asyncio.get_running_loop().time())
        for key, first, last, raw in message["updates"]:
            self._update(key, {"epoch": feed.epoch, "first": first, "last": last, "body": raw})
        if gap:
            self._need_everything(feed.name)

    def _update(self, key: str, said: dict[str, Any]) -> None:
        topic = self._fanout.topics.get(key)
        if topic is None:
            return
        epoch, first, last = said["epoch"], said["first"], said["last"]
        if not topic.update(epoch=epoch, first=first, last=last, body=orjson.loads(said["body"])):
            self.need(key, (epoch, last))

    def _heard(self, feed: VenueFeed, said: dict[str, Any], now: float) -> None:
        if (feed.status, feed.simulated) != (said["status"], said["simulated"]):
            self.status_changed.set()
        feed.status, feed.age_ms, feed.simulated = said["status"], said["age_ms"], said["simulated"]
        feed.heard_at = now

    async def _read_statuses(self) -> None:
        """What the feeds said before this process was there to hear it."""
        now, now_ms = asyncio.get_running_loop().time(), time.time() * 1000
        for feed in self.venues.values():
            if raw := await self._redis.hget(snap_key(feed.name), STATUS):
                said = orjson.loads(raw)
                self._heard(feed, said, now - max(0, now_ms - said["at"]) / 1000)

    # --- healing from snapshots ----------------------------------------------------------------
    def need(self, key: str, at_least: tuple[int, int] = (0, 0)) -> None:
        """Read the snapshot of this topic until it reaches `at_least` (epoch, seq)."""
        self._missing[key] = max(at_least, self._missing.get(key, (0, 0)))
        self._missing_found.set()

    def _need_everything(self, venue: str | None = None) -> None:
        for key in self._fanout.topics:
            if "." in key and (venue is None or key.split(".")[1] == venue):
                self.need(key)

    async def heal(self) -> None:
        while task_goes_on():
            await self._missing_found.wait()
            self._missing_found.clear()
            while self._missing and task_goes_on():
                wanted = dict(self._missing)
                await self._load(wanted)
                RESYNCS.inc()
                for key, reach in wanted.items():
                    topic = self._fanout.topics.get(key)
                    reached = topic is None or (topic.epoch, topic.seq) >= reach
                    if reached and self._missing.get(key) == reach:
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
            answers = await pipe.execute()
        for topic, raw in zip(topics, answers, strict=True):
            if not raw:
                continue
            snapshot = log_decode(raw) if topic.cls is TopicClass.LOG else snapshot_decode(raw)
            if snapshot:
                topic.replace(epoch=snapshot.epoch, seq=snapshot.seq, whole=snapshot.whole)

    async def read_symbols(self) -> bool:
        """Refresh what may be subscribed. True when every venue has said."""
        for feed in self.venues.values():
            raw = await self._redis.hget(snap_key(feed.name), SYMBOLS)
            feed.symbols = frozenset(orjson.loads(raw)) if raw else feed.symbols
        return all(feed.symbols for feed in self.venues.values())

    async def read_symbols_if_old(self, now: float, *, empty: bool) -> None:
        """For a symbol that we do not know: it may be new. At most four looks a second, unless we know none."""
        if empty or now - self._symbols_read_at > 0.25:
            self._symbols_read_at = now
            await self.read_symbols()
