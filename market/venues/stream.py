"""I/O layer of `market.domain.session`: websockets, reconnection and logging, for any venue and codec."""

import asyncio
import contextlib
import ipaddress
import logging
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from prometheus_client import Counter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from market.domain.errors import ParseError
from market.domain.session import (
    Codec,
    Received,
    Refusal,
    Session,
    Undecodable,
)
from market.domain.subscriptions import MessagePacer, StreamLimits, Subscription, backoff, shard
from market.venues.base import FeedListener, Tap
from market.venues.rate_limiter import retry_until_allowed

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
SEND_TIMEOUT = 5.0
HEALTHY_SECONDS = 15.0
MAX_FRAME_BYTES = 4 << 20
LOG_INTERVAL = 10.0
CONNECT_POLL_SECONDS = 0.25
FRAMES = Counter("cryptotrade_feed_frames_total", "Frames received.", ["venue"])
DECODE_ERRORS = Counter(
    "cryptotrade_feed_decode_errors_total", "Frames that could not be decoded.", ["venue"]
)
REFUSALS = Counter("cryptotrade_feed_refusals_total", "Error frames from the venue.", ["venue"])
RECONNECTS = Counter("cryptotrade_feed_reconnects_total", "Connections lost.", ["venue"])


def is_loopback(url: str) -> bool:
    """True for an address on this machine, which must not go through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


EventT = TypeVar("EventT", contravariant=True)


class StreamListener(Protocol[EventT]):
    """Callbacks of a connection: `market.venues.base.FeedListener`, or the same for other events."""

    def connected(self) -> None: ...
    def disconnected(self, reason: str) -> None: ...
    def event(self, event: EventT) -> None: ...


class ConnectLimiter:
    """Limits the connections opened per minute by all `StreamConnection`s that share it."""

    def __init__(self, per_minute: int) -> None:
        self._pace = MessagePacer(
            StreamLimits(messages_per_second=per_minute, messages_per_minute=per_minute)
        )

    async def acquire(self) -> None:
        await retry_until_allowed(self._wait)

    async def _wait(self) -> float:
        return 0.0 if self._pace.try_acquire(asyncio.get_running_loop().time()) else CONNECT_POLL_SECONDS


class StreamPool:
    """Pool of the connections to one venue's stream; subscriptions are distributed over them."""

    def __init__(
        self,
        venue: str,
        url: str,
        codec: Codec,
        limits: StreamLimits,
        *,
        tap: Tap | None = None,
        first: float = 0.5,
    ) -> None:
        self._limits = limits
        pace = MessagePacer(limits)
        self._connections = [
            StreamConnection(venue, url, Session(codec, limits, pace), tap=tap, first=first)
            for _ in range(limits.connections)
        ]

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Replace the desired subscriptions. Returns those that do not fit."""
        shards, dropped = shard(
            subscriptions, [connection.desired for connection in self._connections], self._limits
        )
        for connection, desired in zip(self._connections, shards, strict=True):
            connection.set_subscriptions(desired)
        return dropped

    async def run(self, listener: FeedListener) -> None:
        """Keep every needed connection open until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for connection in self._connections:
                tasks.create_task(connection.run(listener))


class StreamConnection:
    """One stream connection that reconnects with backoff."""

    def __init__(
        self,
        venue: str,
        url: str,
        session: Session,
        *,
        tap: Tap | None = None,
        first: float,
        connect_limiter: ConnectLimiter | None = None,
    ) -> None:
        self.desired: list[Subscription] = []
        self._venue = venue
        self._url = url
        self._session = session
        self._tap = tap
        self._first = first
        self._connect_limiter = connect_limiter
        self._has_subscriptions = asyncio.Event()
        self._next_log_at = 0.0
        self._close_reason = ""

    def set_subscriptions(self, desired: Sequence[Subscription]) -> None:
        self.desired = list(desired)
        self._session.desired(desired)
        (self._has_subscriptions.set if desired else self._has_subscriptions.clear)()

    async def run(self, listener: StreamListener[Any]) -> None:
        pauses = backoff(random.random, first=self._first)
        while True:
            await self._has_subscriptions.wait()
            if self._connect_limiter:
                await self._connect_limiter.acquire()
            started = self._now()
            reason = await self._connect_once(listener)
            # A venue that accepts and closes at once must not be called twice a second forever.
            if self._now() - started > HEALTHY_SECONDS:
                pauses = backoff(random.random, first=self._first)
            pause = next(pauses)
            RECONNECTS.labels(self._venue).inc()
            logger.warning(
                "stream lost", extra={"venue": self._venue, "reason": reason, "delay_s": round(pause, 2)}
            )
            await asyncio.sleep(pause)

    async def _connect_once(self, listener: StreamListener[Any]) -> str:
        """Run one connection from open to close. Returns the reason of the close."""
        try:
            async with self._socket() as socket:
                await self._read_frames(socket, listener)
        except (OSError, TimeoutError, WebSocketException) as problem:
            return self._close_reason or f"{type(problem).__name__}: {problem}"
        return self._close_reason or "closed"

    def _socket(self) -> connect:
        self._close_reason = ""
        return connect(
            self._url,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            ping_interval=None,  # the session sends the venue's own ping
            open_timeout=10,
            close_timeout=1,
            proxy=None if is_loopback(self._url) else True,
        )

    async def _read_frames(self, socket: ClientConnection, listener: StreamListener[Any]) -> None:
        self._session.connected(self._now())
        listener.connected()
        writer = asyncio.create_task(self._write_frames(socket))
        try:
            while True:
                self._on_frame(await socket.recv(decode=False), listener)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            self._session.disconnected()
            listener.disconnected(self._close_reason or "connection closed")

    def _on_frame(self, frame: bytes, listener: StreamListener[Any]) -> None:
        if self._tap:
            self._tap(frame, time.time_ns())
        FRAMES.labels(self._venue).inc()
        for received in self._session.receive(frame, self._now()):
            if isinstance(received, Undecodable | Refusal):
                self._log_error(received)
            else:
                listener.event(received)

    async def _write_frames(self, socket: ClientConnection) -> None:
        """Send due frames, and abort a connection that makes no progress."""
        while True:
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    for frame in self._session.due(self._now()):
                        await socket.send(frame, text=True)
            except WebSocketException:
                return  # the reading task gets the same error and reports it
            except TimeoutError:
                self._close_reason = f"send blocked for {SEND_TIMEOUT:g} s"
            self._close_reason = self._close_reason or self._session.is_stale(self._now()) or ""
            if self._close_reason:
                # A half-open connection never answers a closing handshake.
                socket.transport.abort()
                return
            await asyncio.sleep(POLL_SECONDS)

    def _log_error(self, received: Received) -> None:
        """Count every error but log at most one per interval, so that a faulty venue cannot fill the disk."""
        problem = received.error if isinstance(received, Undecodable) else received
        (DECODE_ERRORS if isinstance(problem, ParseError) else REFUSALS).labels(self._venue).inc()
        if self._now() >= self._next_log_at:
            self._next_log_at = self._now() + LOG_INTERVAL
            logger.warning(
                "invalid message from the venue", extra={"venue": self._venue, "reason": str(problem)}
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
