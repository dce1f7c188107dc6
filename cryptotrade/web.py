"""The web server: uvicorn with the choices that were measured (docs/adr/0005-uvicorn-serves.md)."""

import socket
import warnings
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from market.domain.commands import FRAME_BYTES
from market.hub import Hub
from market.hub.client import WIRE

DRAIN_SECONDS = 2.0
# WhiteNoise hands whole files to Django as a synchronous iterator; they are small and cached by browsers.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, and a `market.hub.client.Wire`: frames that were made once for many sockets."""

    async def run_asgi(self) -> None:
        self.scope["extensions"][WIRE] = self  # type: ignore[assignment]
        await super().run_asgi()

    def write_frame(self, frame: bytes) -> bool:
        """As `send`, but without waiting, and without framing the same text again."""
        if self.close_sent or self.disconnected or not self.handshake_complete:
            return False
        if not self.writable.is_set() or self.transport.is_closing() or self.conn.extensions:
            return False
        self.transport.write(frame)
        return True


def web_config(application: Any, *, port: int, host: str = "127.0.0.1") -> uvicorn.Config:
    """uvloop, sans-I/O websockets, no per-message deflate (shared frames could not be shared)."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws=StreamProtocol,
        ws_per_message_deflate=False,
        ws_max_size=4 * FRAME_BYTES,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # client addresses are derived from TRUSTED_PROXY_COUNT by us
        timeout_graceful_shutdown=5,
    )


class WebServer(uvicorn.Server):
    """Starts the hub with the server and, on SIGTERM, drains it before the sockets are cut."""

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        Hub.current()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub = Hub.current()
        for server in self.servers:
            server.close()  # nobody new, while those who are here are told to go
        await hub.drain(self._drain_seconds)
        await super().shutdown(sockets)
        await hub.stop()


def serve(application: Any, *, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    WebServer(web_config(application, host=host, port=port)).run()
