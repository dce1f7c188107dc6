"""The shell around `market.domain.session`: sockets, clocks and patience. Any venue, any codec."""

import asyncio
import contextlib
import ipaddress
import logging
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
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
from market.domain.subscriptions import Limits, Pace, Subscription, backoff, shard
from market.venues.base import Sink, Tap
from market.venues.rate_limiter import patiently

logger = logging.getLogger(__name__)

PULSE = 0.1
SEND_WITHIN = 5.0
HEALTHY_AFTER = 15.0
FRAME_LIMIT = 4 << 20
LOG_EVERY = 10.0
DOOR_PULSE = 0.25
FRAMES = Counter("cryptotrade_feed_frames_total", "Frames received.", ["venue"])
DECODE_ERRORS = Counter("cryptotrade_feed_decode_errors_total", "Frames not understood.", ["venue"])
REFUSALS = Counter("cryptotrade_feed_refusals_total", "Error frames from the venue.", ["venue"])
RECONNECTS = Counter("cryptotrade_feed_reconnects_total", "Connections lost.", ["venue"])


def is_loopback(url: str) -> bool:
    """True for an address on this machine, which no proxy should see."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Hearer(Protocol):
    """Whoever a connection tells: `market.venues.base.Sink`, or one like it for other events."""

    def connected(self) -> None: ...
    def disconnected(self, reason: str) -> None: ...
    def event(self, event: Any) -> None: ...


class Door:
    """Lets so many connections a minute be opened, of all lines that share it."""

    def __init__(self, per_minute: int) -> None:
        self._pace = Pace(Limits(messages_per_second=per_minute, messages_per_minute=per_minute))

    async def enter(self) -> None:
        await patiently(self._wait)

    async def _wait(self) -> float:
        return 0.0 if self._pace.take(asyncio.get_running_loop().time()) else DOOR_PULSE


class Stream:
    """All connections to one venue's stream. Subscriptions are spread over as many as they need."""

    def __init__(
        self,
        venue: str,
        url: str,
        codec: Codec,
        limits: Limits,
        *,
        tap: Tap | None = None,
        first: float = 0.5,
    ) -> None:
        self._limits = limits
        pace = Pace(limits)
        self._lines = [
            Line(venue, url, Session(codec, limits, pace), tap=tap, first=first)
            for _ in range(limits.connections)
        ]

    def desire(self, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Replace the set wanted. Returns those that do not fit."""
        shards, dropped = shard(subscriptions, [line.wanted for line in self._lines], self._limits)
        for line, wanted in zip(self._lines, shards, strict=True):
            line.desire(wanted)
        return dropped

    async def run(self, sink: Sink) -> None:
        """Keep every needed connection open until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(line.run(sink))


class Line:
    """One connection, again and again."""

    def __init__(
        self,
        venue: str,
        url: str,
        session: Session,
        *,
        tap: Tap | None = None,
        first: float,
        door: Door | None = None,
    ) -> None:
        self.wanted: list[Subscription] = []
        self._venue = venue
        self._url = url
        self._session = session
        self._tap = tap
        self._first = first
        self._door = door
        self._needed = asyncio.Event()
        self._quiet_until = 0.0
        self._reason = ""

    def desire(self, wanted: Sequence[Subscription]) -> None:
        self.wanted = list(wanted)
        self._session.desired(wanted)
        (self._needed.set if wanted else self._needed.clear)()

    async def run(self, sink: Hearer) -> None:
        pauses = backoff(random.random, first=self._first)
        while True:
            await self._needed.wait()
            if self._door:
                await self._door.enter()
            started = self._now()
            reason = await self._once(sink)
            # A venue that accepts and hangs up at once must not be called twice a second for ever.
            if self._now() - started > HEALTHY_AFTER:
                pauses = backoff(random.random, first=self._first)
            pause = next(pauses)
            RECONNECTS.labels(self._venue).inc()
            logger.warning(
                "stream lost", extra={"venue": self._venue, "reason": reason, "delay_s": round(pause, 2)}
            )
            await asyncio.sleep(pause)

    async def _once(self, sink: Hearer) -> str:
        """One connection from open to end. Returns why it ended."""
        try:
            async with self._socket() as socket:
                await self._converse(socket, sink)
        except (OSError, TimeoutError, WebSocketException) as problem:
            return self._reason or f"{type(problem).__name__}: {problem}"
        return self._reason or "closed"

    def _socket(self) -> connect:
        self._reason = ""
        return connect(
            self._url,
            compression=None,
            max_size=FRAME_LIMIT,
            ping_interval=None,  # the venue's own ping is the session's business
            open_timeout=10,
            close_timeout=1,
            proxy=None if is_loopback(self._url) else True,
        )

    async def _converse(self, socket: ClientConnection, sink: Hearer) -> None:
        self._session.connected(self._now())
        sink.connected()
        pulse = asyncio.create_task(self._pulse(socket))
        try:
            while True:
                self._take(await socket.recv(decode=False), sink)
        finally:
            pulse.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pulse
            self._session.disconnected()
            sink.disconnected(self._reason or "connection closed")

    def _take(self, frame: bytes, sink: Hearer) -> None:
        if self._tap:
            self._tap(frame, time.time_ns())
        FRAMES.labels(self._venue).inc()
        for received in self._session.receive(frame, self._now()):
            if isinstance(received, Undecodable | Refusal):
                self._complain(received)
            else:
                sink.event(received)

    async def _pulse(self, socket: ClientConnection) -> None:
        """Say what is due, and hang up on a connection that makes no progress."""
        while True:
            try:
                async with asyncio.timeout(SEND_WITHIN):
                    for frame in self._session.due(self._now()):
                        await socket.send(frame, text=True)
            except WebSocketException:
                return  # the reader sees the same end and says why
            except TimeoutError:
                self._reason = f"it took nothing for {SEND_WITHIN:g} s"
            self._reason = self._reason or self._session.is_stale(self._now()) or ""
            if self._reason:
                # Half-open lines never answer a closing handshake.
                socket.transport.abort()
                return
            await asyncio.sleep(PULSE)

    def _complain(self, received: Received) -> None:
        """Count each, log some: a venue gone mad must not fill the disk."""
        problem = received.error if isinstance(received, Undecodable) else received
        (DECODE_ERRORS if isinstance(problem, ParseError) else REFUSALS).labels(self._venue).inc()
        if self._now() >= self._quiet_until:
            self._quiet_until = self._now() + LOG_EVERY
            logger.warning("venue said something odd", extra={"venue": self._venue, "reason": str(problem)})

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
