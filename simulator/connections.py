"""Websocket connection of a client: queue of frames with their send times, and its writer task."""

import asyncio
import contextlib
import time
from collections import deque

from aiohttp import WSMsgType, web

from simulator.hyperliquid.streams import Session

BACKLOG_BYTES = 8 * 1024 * 1024
STOP_SECONDS = 1.0
ABNORMAL = 1006


class Connection:
    """Websocket connection; `session` is its state in the streams core."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        self._queue: deque[tuple[float, bytes]] = deque()
        self._waiting = asyncio.Event()
        self._bytes = 0
        self.delay = 0.0
        self.session: Session | None = None

    def send(self, frame: bytes) -> None:
        """Queue a frame. A slow consumer with a backlog above `BACKLOG_BYTES` is disconnected."""
        self._bytes += len(frame)
        if self._bytes > BACKLOG_BYTES:
            self.abort()
            return
        self._queue.append((time.monotonic() + self.delay if self.delay else 0.0, frame))
        self._waiting.set()

    async def write(self) -> None:
        """Send queued frames until the connection ends."""
        while True:
            await self._waiting.wait()
            while self._queue:
                due, frame = self._queue[0]
                if due and (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                await self._socket.send_frame(frame, WSMsgType.TEXT)
                self._queue.popleft()
                self._bytes -= len(frame)
            self._waiting.clear()
            if self.session:
                self.session.pending_posts = 0

    async def close(self, code: int) -> None:
        """Close with a close frame, or abort the TCP connection for code 1006."""
        if code == ABNORMAL:
            self.abort()
            return
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(self._socket.close(code=code), STOP_SECONDS)

    def abort(self) -> None:
        if (transport := self._request.transport) is not None:
            transport.abort()
