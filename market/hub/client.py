"""One websocket, written to without ever being awaited by whoever writes.

The hub steps the ASGI `send` coroutine once. Nearly always it ends there: the bytes are with the
kernel. When it does not, the socket is full; the coroutine is finished by a task of its own, and the
client counts as blocked until then. What a blocked client may hold is bounded in frames and seconds.

Our own server offers a shorter way (`Wire`): a text that goes to many is framed once, and each socket is
given those same bytes. It refuses whenever `send` would wait, so that what is above stays true.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol

from prometheus_client import Counter

OUTBOX_FRAMES = 64
CLOSE_PATIENCE = 2.0

FRAMES = Counter("hub_frames_sent_total", "Frames handed to clients by the fan-out")
BEHIND = Counter("hub_clients_behind_total", "Times a client's socket did not take a frame at once")
SLOW_CLOSED = Counter("hub_clients_slow_closed_total", "Clients closed with 1013")

WIRE = "cryptotrade.wire"  # where an ASGI scope's extensions hold a `Wire`, if the server has one
Send = Callable[[dict[str, Any]], Awaitable[None]]
GOING_AWAY, TRY_LATER, POLICY, UNSUPPORTED, TOO_BIG = 1012, 1013, 1008, 1003, 1009


class Wire(Protocol):
    """A socket that takes frames as they go over the network, offered by `cryptotrade.web`."""

    def write_frame(self, frame: bytes) -> bool:
        """Take one whole websocket frame, or return False: closed, closing, or not free just now."""


class Text:
    """A text for many clients, and its frame, made once."""

    __slots__ = ("frame", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.frame = text_frame(text.encode())


def text_frame(payload: bytes) -> bytes:
    """One final, unmasked text frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return b"\x81" + length.to_bytes(1, "big") + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


class _Resumed:
    """A coroutine that has been stepped once already and waits for `waiting`; await it to finish it."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waiting: Any) -> None:
        self._coroutine = coroutine
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._waiting  # the running task now waits for what the coroutine waits for
        yield from self._coroutine.__await__()


class Client:
    """A connected websocket. `on_blocked` is called at the moment its socket stops taking frames."""

    __slots__ = (
        "__weakref__", "_finishing", "_outbox", "_send", "_wire", "address", "blocked_since", "closing",
        "credential", "on_blocked", "until", "user_id",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        *,
        address: str,
        on_blocked: Callable[["Client"], None],
        wire: Wire | None = None,
    ) -> None:
        self._send = send
        self._wire = wire
        self._outbox: deque[str] = deque()
        self._finishing: asyncio.Task[None] | None = None
        self.address = address
        self.on_blocked = on_blocked
        self.user_id: str | None = None
        self.credential: str | None = (
            None  # the handle of what it signed in with (market/hub/credential_monitor.py)
        )
        self.until: float | None = None  # Unix time at which that ends by itself
        self.blocked_since: float | None = None
        self.closing = False

    @property
    def blocked(self) -> bool:
        """True while a frame waits for the socket, and for good once the connection is closing."""
        return self._finishing is not None or self.closing

    def write(self, text: str) -> None:
        """Hand one text frame to the socket, or queue it behind the one that waits."""
        self.write_shared(Text(text))

    def write_shared(self, text: Text) -> None:
        """`write`, for a text that others are given too."""
        if self.closing:
            return
        if self._finishing is not None:
            self._queue(text.text)
        elif self._wire is None or not self._wire.write_frame(text.frame):
            self._step(text.text)

    def _queue(self, text: str) -> None:
        self._outbox.append(text)
        if len(self._outbox) > OUTBOX_FRAMES:
            self.close(TRY_LATER)

    def _step(self, text: str) -> None:
        coroutine: Any = self._send({"type": "websocket.send", "text": text})
        try:
            waiting = coroutine.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001  each server has its own "client is gone"; its receive() tells
            self.closing = True
            return
        self._block(coroutine, waiting)

    def _block(self, coroutine: Any, waiting: Any) -> None:
        loop = asyncio.get_running_loop()
        BEHIND.inc()
        self.blocked_since = loop.time()
        self._finishing = loop.create_task(self._drain(coroutine, waiting))
        self.on_blocked(self)

    async def _drain(self, coroutine: Any, waiting: Any) -> None:
        try:
            await _Resumed(coroutine, waiting)
            while self._outbox:
                await self._send({"type": "websocket.send", "text": self._outbox.popleft()})
        except Exception:  # noqa: BLE001  as above
            self.closing = True
        self._finishing = None
        self.blocked_since = None

    def close(self, code: int) -> None:
        """Say goodbye with this code; a socket that does not even take that is cut off."""
        if self.closing:
            return
        self.closing = True
        self._outbox.clear()
        if code == TRY_LATER:
            SLOW_CLOSED.inc()
        if self._finishing is not None:
            self._finishing.cancel()
        self._finishing = asyncio.get_running_loop().create_task(self._say_goodbye(code))

    async def _say_goodbye(self, code: int) -> None:
        try:
            await asyncio.wait_for(self._send({"type": "websocket.close", "code": code}), CLOSE_PATIENCE)
        except Exception:  # noqa: BLE001  gone already, or its buffer is full for good
            self._abort()

    def _abort(self) -> None:
        """Cut the connection. ASGI has no word for it; the servers' `send` is a method of the protocol."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
