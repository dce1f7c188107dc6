"""Hub: the read side of the stream, one per web process, with one channel-layer channel for all clients.

It holds the topics of its clients, applies the venues' flushes to them, resyncs every gap from the
snapshots in Redis, and writes the changes twenty times a second (docs/market-data-pipeline.md).
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter as Multiset
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings
from prometheus_client import Gauge, Histogram

from core.leases import task_is_running
from market.domain.commands import TOPICS_PER_CONNECTION, CommandError, Subscribe
from market.domain.fanout import TICKS_PER_SECOND, Delivery, Fanout, PendingSubscribe
from market.domain.topic_reader import TopicReader
from market.domain.topics import TopicClass, TopicName
from market.hub.client import FRAMES, GOING_AWAY, TRY_LATER, Client, Text
from market.hub.credential_monitor import CredentialMonitor
from market.hub.snapshots import INTEREST_SECONDS, interest_key
from market.hub.upstream import UpstreamSubscriber

logger = logging.getLogger(__name__)

HEARTBEAT_TICKS = 5 * TICKS_PER_SECOND
ANSWER_WITHOUT_VALUE_TICKS = 2 * TICKS_PER_SECOND
BLOCKED_SECONDS = 10.0
VENUES = "venues"
FEED_CHANNEL = "market-feed"

CLIENTS = Gauge("cryptotrade_hub_clients", "Connected websockets")
TICK_SECONDS = Histogram("cryptotrade_hub_tick_seconds", "Time to write one tick to all clients")


class Hub:
    """Hub of one web process: clients, topics and fan-out. Use `Hub.current()`."""

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Any]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.fanout: Fanout[Client] = Fanout()
        self.clients: set[Client] = set()
        self.guard = CredentialMonitor(self.clients)
        self.per_address: Multiset[str] = Multiset()
        self.per_user: Multiset[str] = Multiset()
        self.draining = False
        self._epoch = int(time.time() * 1000)  # epoch of `venues`, which this process writes itself
        self._redis = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        self.upstream = UpstreamSubscriber(self.fanout, self._redis)
        self._ticks = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()

    @classmethod
    def current(cls) -> "Hub":
        """The hub of the running event loop, started on first use."""
        loop = asyncio.get_running_loop()
        if loop not in cls._of_loop:
            cls._of_loop[loop] = hub = cls()
            hub.start()
        running: Hub = cls._of_loop[loop]
        return running

    def start(self) -> None:
        loops = (
            self.upstream.listen,
            self.upstream.resync,
            self._tick_forever,
            self._watch_venues,
            self._refresh,
            self.guard.watch,
        )
        for loop in loops:
            self._tasks.append(asyncio.create_task(self._run_forever(loop), name=f"hub {loop.__name__}"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._of_loop.pop(asyncio.get_running_loop(), None)
        await self._redis.aclose()

    async def _run_forever(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutine function `loop` until cancelled; after an error it restarts with backoff."""
        pause = 0.1
        while task_is_running():
            started = time.monotonic()
            try:
                await loop()
            except (redis.exceptions.RedisError, OSError) as error:
                logger.warning("hub: Redis is away", extra={"reason": str(error)[:200]})
            except Exception:
                logger.exception("hub: a task failed and is restarted")
            pause = 0.1 if time.monotonic() - started > 10 else min(pause * 2, 2.0)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    # --- clients -------------------------------------------------------------------------------
    def add(self, client: Client) -> None:
        self.clients.add(client)
        self.per_address[client.address] += 1
        CLIENTS.set(len(self.clients))

    def remove(self, client: Client) -> None:
        self.clients.discard(client)
        self.per_address[client.address] -= 1
        if client.user_id:
            self.per_user[client.user_id] -= 1
        for counts in (self.per_address, self.per_user):
            for key in [key for key, count in counts.items() if count <= 0]:
                del counts[key]
        self.fanout.remove(client)
        CLIENTS.set(len(self.clients))

    async def subscribe(self, client: Client, command: Subscribe) -> None:
        """Queue a subscription, answered at the next tick. Raises `CommandError`: unknown topic, or too many."""
        name = command.topic
        key = self._key(client, name)
        await self._check_exists(name)
        if not self.fanout.reads(client, key) and self.fanout.subscriptions(client) >= TOPICS_PER_CONNECTION:
            message = f"More than {TOPICS_PER_CONNECTION} topics on one connection."
            raise CommandError("too_many_topics", message, topic=name.text, fatal=True)
        topic = self._topic(client, key, name)
        deadline = self._ticks + ANSWER_WITHOUT_VALUE_TICKS
        self.fanout.subscribe(
            PendingSubscribe(client, topic, command.rate, command.epoch, command.seq, deadline)
        )

    def unsubscribe(self, client: Client, name: TopicName) -> int | None:
        """The topic's number, or None when it was not subscribed."""
        key = self._key(client, name)
        topic = self.fanout.topics.get(key)
        return topic.id if self.fanout.unsubscribe(client, key) and topic else None

    def _key(self, client: Client, name: TopicName) -> str:
        if name.kind != "me":
            return name.text
        if client.user_id is None:
            raise CommandError("unauthenticated", "Sign in to read your own events.", topic="me")
        return f"me.{client.user_id}"

    async def _check_exists(self, name: TopicName) -> None:
        if name.venue is None:
            return
        feed = self.upstream.venues.get(name.venue)
        if feed is None:
            raise CommandError("unknown_topic", "Unknown venue.", topic=name.text)
        if name.symbol is None or name.symbol in feed.symbols:
            return
        with contextlib.suppress(redis.exceptions.RedisError, OSError):  # keep the symbols read before
            await self.upstream.read_symbols_if_old(asyncio.get_running_loop().time(), empty=not feed.symbols)
        if not feed.symbols:
            message = "The venue has not reported its instruments yet; try again shortly."
            raise CommandError("unavailable", message, topic=name.text)
        if name.symbol not in feed.symbols:
            raise CommandError("unknown_topic", "Unknown instrument.", topic=name.text)

    def _topic(self, client: Client, key: str, name: TopicName) -> TopicReader:
        if key in self.fanout.topics:
            return self.fanout.topics[key]
        topic = self.fanout.topic(key, name.cls, name=name.text)
        if name.kind != VENUES:
            self.upstream.request_snapshot(key)
        if name.symbol is not None and name.venue:
            self._run_in_background(self._request_topic(name.venue, key))
        if name.kind == "me" and client.user_id:
            self._run_in_background(self.upstream.listen_to_user(client.user_id))
        return topic

    def _run_in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a best-effort task; when it fails, `_refresh` and `listen` repeat its effect."""
        task = asyncio.ensure_future(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background_done)

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("hub: a background task failed", extra={"reason": str(error)[:200]})

    # --- time ----------------------------------------------------------------------------------
    async def _tick_forever(self) -> None:
        loop = asyncio.get_running_loop()
        period = 1 / TICKS_PER_SECOND
        due = loop.time()
        while task_is_running():
            due = max(due + period, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
            with TICK_SECONDS.time():
                self._tick(loop.time())

    def _tick(self, now: float) -> None:
        self._ticks += 1
        for delivery in self.fanout.tick(self._ticks, blocked=_is_blocked):
            _deliver(delivery)
        if self._ticks % HEARTBEAT_TICKS == 0:
            for delivery in self.fanout.heartbeats():
                _deliver(delivery)
        for client in self.fanout.resume():
            if client.blocked_since is not None and now - client.blocked_since > BLOCKED_SECONDS:
                client.close(TRY_LATER)

    async def _watch_venues(self) -> None:
        """Write the topic `venues` once a second: readers use it as heartbeat of topics without changes."""
        topic = self.fanout.topic(VENUES, TopicClass.STATE)
        loop = asyncio.get_running_loop()
        while task_is_running():
            body = {name: feed.state(loop.time()) for name, feed in self.upstream.venues.items()}
            topic.update(epoch=self._epoch, first=topic.seq + 1, last=topic.seq + 1, body=body)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.upstream.status_changed.wait(), 1)
            self.upstream.status_changed.clear()

    async def _refresh(self) -> None:
        """Refresh the symbols, declare the watched topics to the feeds, drop topics without subscribers."""
        while task_is_running():
            all_known = await self.upstream.read_symbols()
            watched = self.fanout.watched()
            for venue in self.upstream.venues:
                keys = [key for key in watched if key.count(".") > 1 and key.split(".")[1] == venue]
                await self._declare_interest(venue, keys)
            for key in [key for key in self.fanout.topics if key not in watched and key != VENUES]:
                self.fanout.forget(key)
            await asyncio.sleep(INTEREST_SECONDS / 5 if all_known else 0.25)

    async def _declare_interest(self, venue: str, keys: list[str]) -> None:
        if keys:
            until = time.time() + INTEREST_SECONDS
            await self._redis.zadd(interest_key(venue), dict.fromkeys(keys, until))

    async def _request_topic(self, venue: str, key: str) -> None:
        """Declare a new topic and nudge the feed worker now instead of waiting for its next poll."""
        await self._declare_interest(venue, [key])
        nudge = {"type": "interest.changed", "venue": venue}
        await get_channel_layer().send(FEED_CHANNEL, nudge)

    async def drain(self, seconds: float) -> None:
        """Close every client with 1012, spread over `seconds` so that they do not reconnect all at once."""
        self.draining = True
        clients = list(self.clients)
        random.shuffle(clients)
        pause = seconds / max(1, len(clients))
        for client in clients:
            client.close(GOING_AWAY)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))


def _is_blocked(client: Client) -> bool:
    return client.blocked


def _deliver(delivery: Delivery[Client]) -> None:
    subscribers = list(delivery.subscribers)
    for text in map(Text, delivery.frames):
        for subscriber in subscribers:
            subscriber.client.write_shared(text)
    FRAMES.inc(len(subscribers) * len(delivery.frames))
