"""The project's web server on an ephemeral port, in its own thread."""

import asyncio
import contextlib
import threading

import uvicorn

from cryptotrade.asgi import application
from cryptotrade.web import WebServer, web_config
from market.hub import Hub


class ServerThread:
    """`with ServerThread() as server: connect to server.port`. Stopping it drains the hub."""

    def __init__(self, config: uvicorn.Config | None = None) -> None:
        self.server = WebServer(config or web_config(application, port=0), drain_seconds=0.1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        watcher = asyncio.create_task(self._watch())
        await self.server.serve()
        watcher.cancel()
        self._ready.set()

    async def _watch(self) -> None:
        while not self.server.started:
            await asyncio.sleep(0.01)
        self._ready.set()

    @property
    def port(self) -> int:
        return self.server.servers[0].sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/stream"

    @property
    def hub(self) -> Hub:
        return Hub._of_loop[self.loop]

    def call(self, coroutine):
        """Run a coroutine on the server's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def __enter__(self) -> "ServerThread":
        self._thread.start()
        assert self._ready.wait(60), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(60)
        with contextlib.suppress(RuntimeError):
            self.loop.close()
