"""Websocket client: non-blocking writes of one connection with a bounded outbox.

The hub steps the ASGI `send` coroutine once. Nearly always the coroutine completes: the bytes are in the
kernel's buffer. Otherwise the socket buffer is full; a separate task completes the coroutine, and the client
counts as blocked until then. The backlog of a blocked client is bounded in frames and seconds.

The project's own server offers a faster path (`Wire`): a text for many clients is encoded as a frame once,
and every socket is given the same bytes. It declines whenever `send` would wait, so the rules above hold.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from prometheus_client import Counter

from core.asgi import Send

OUTBOX_FRAMES = 64
CLOSE_TIMEOUT = 2.0

FRAMES = Counter("cryptotrade_hub_frames_sent_total", "Frames handed to clients by the fan-out")
CLIENTS_BEHIND = Counter(
    "cryptotrade_hub_clients_behind_total", "Times a client's socket did not take a frame at once"
)
SLOW_CLOSED = Counter("cryptotrade_hub_clients_slow_closed_total", "Clients closed with 1013")

WIRE = "cryptotrade.wire"  # key of the `Wire` in the extensions of an ASGI scope, if the server offers one
GOING_AWAY, TRY_LATER, POLICY, UNSUPPORTED, TOO_BIG = 1012, 1013, 1008, 1003, 1009


class Wire(Protocol):
    """A socket that accepts encoded websocket frames, offered by `cryptotrade.web`."""

    def write_frame(self, frame: bytes) -> bool:
        """Write one complete websocket frame; False when the socket is closed, closing or blocked."""


class Text:
    """A text for many clients together with its frame, which is encoded once."""

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
    """A coroutine that was stepped once and waits for `future`; await this object to complete it."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], future: asyncio.Future[Any] | None) -> None:
        self._coroutine = coroutine
        self._future = future

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._future  # the running task waits for the future of the coroutine
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
        self.credential: str | None = None  # handle of its credential (see `CredentialMonitor`)
        self.until: float | None = None  # Unix time at which the credential expires
        self.blocked_since: float | None = None
        self.closing = False

    @property
    def blocked(self) -> bool:
        """True while a frame waits for the socket, and permanently once the connection is closing."""
        return self._finishing is not None or self.closing

    def write(self, text: str) -> None:
        """Write one text frame to the socket, or queue it behind a waiting frame."""
        self.write_shared(Text(text))

    def write_shared(self, text: Text) -> None:
        """`write` for a text that is sent to several clients."""
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
            future = coroutine.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001  each server raises its own error for a closed connection
            self.closing = True
            return
        self._block(coroutine, future)

    def _block(self, coroutine: Coroutine[Any, Any, None], future: asyncio.Future[Any] | None) -> None:
        loop = asyncio.get_running_loop()
        CLIENTS_BEHIND.inc()
        self.blocked_since = loop.time()
        self._finishing = loop.create_task(self._drain(coroutine, future))
        self.on_blocked(self)

    async def _drain(self, coroutine: Coroutine[Any, Any, None], future: asyncio.Future[Any] | None) -> None:
        try:
            await _Resumed(coroutine, future)
            while self._outbox:
                await self._send({"type": "websocket.send", "text": self._outbox.popleft()})
        except Exception:  # noqa: BLE001  as above
            self.closing = True
        self._finishing = None
        self.blocked_since = None

    def close(self, code: int) -> None:
        """Close with this code; a socket that does not accept the close frame in time is aborted."""
        if self.closing:
            return
        self.closing = True
        self._outbox.clear()
        if code == TRY_LATER:
            SLOW_CLOSED.inc()
        if self._finishing is not None:
            self._finishing.cancel()
        self._finishing = asyncio.get_running_loop().create_task(self._send_close(code))

    async def _send_close(self, code: int) -> None:
        try:
            await asyncio.wait_for(self._send({"type": "websocket.close", "code": code}), CLOSE_TIMEOUT)
        except Exception:  # noqa: BLE001  closed already, or its buffer stays full
            self._abort()

    def _abort(self) -> None:
        """Abort the transport. ASGI has no such message; the servers' `send` is a method of the protocol."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
