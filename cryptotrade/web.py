"""Web server: uvicorn with measured settings (docs/adr/0005-uvicorn-serves.md)."""

import gc
import socket
import warnings

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from core.asgi import Application
from market.domain.commands import FRAME_BYTES
from market.hub import Hub
from market.hub.client import WIRE

DRAIN_SECONDS = 2.0
# WhiteNoise returns files as synchronous iterators; they are small and cached by browsers.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol that implements `market.hub.client.Wire`: sends frames shared by many sockets."""

    async def run_asgi(self) -> None:
        self.scope["extensions"][WIRE] = self  # type: ignore[assignment]
        await super().run_asgi()

    def write_frame(self, frame: bytes) -> bool:
        """Send an encoded frame without waiting. False if the socket is closed, slow or uses extensions."""
        if self.close_sent or self.disconnected or not self.handshake_complete:
            return False
        if not self.writable.is_set() or self.transport.is_closing() or self.conn.extensions:
            return False
        self.transport.write(frame)
        return True


def web_config(application: Application, *, port: int, host: str = "127.0.0.1") -> uvicorn.Config:
    """uvicorn settings: uvloop, sans-I/O websockets, no per-message deflate (it prevents shared frames)."""
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
        proxy_headers=False,  # `core.rate_limits` derives client addresses from TRUSTED_PROXY_COUNT
        timeout_graceful_shutdown=5,
    )


class WebServer(uvicorn.Server):
    """uvicorn server that starts the hub and, on SIGTERM, drains it before the sockets are closed."""

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        Hub.current()
        # Objects loaded so far are permanent. Frozen, they no longer cost 30 to 40 ms per full collection.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub = Hub.current()
        for server in self.servers:
            server.close()  # no new connections while the hub drains the open ones
        await hub.drain(self._drain_seconds)
        await super().shutdown(sockets)
        await hub.stop()


def serve(application: Application, *, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    WebServer(web_config(application, host=host, port=port)).run()
