"""The shell: a clock, two HTTP servers and the sockets. Everything it says, the core decided."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from market.simulator import info
from market.simulator.control import control_app
from market.simulator.faults import Faults
from market.simulator.limits import LENIENT, Account, Limits, info_weight
from market.simulator.state import state_encode, state_write
from market.simulator.streams import Session, Streams
from market.simulator.world import World

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
BLOCK = 0.1
SAVE_EVERY = 10.0
BODY_MOST = 64 * 1024
BACKLOG_BYTES = 8 * 1024 * 1024
STOP_SECONDS = 1.0
ABNORMAL = 1006
SLOW_REQUESTS = ("candleSnapshot",)


def wall_clock() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Config:
    """Where to listen, and how. Port 0 takes a free one. The control plane never leaves the loopback."""

    host: str = LOOPBACK
    port: int = 8010
    control_port: int = 8011
    limits: Limits = LENIENT
    state: Path | None = None
    clock: Callable[[], int] = wall_clock


class Connection:
    """One websocket: a queue of frames with the time at which they may leave, and its writer."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        self._queue: deque[tuple[float, bytes]] = deque()
        self._waiting = asyncio.Event()
        self._bytes = 0
        self.delay = 0.0
        self.session: Session | None = None

    def send(self, frame: bytes) -> None:
        """Queue a frame. A reader that lets too much pile up is dropped."""
        self._bytes += len(frame)
        if self._bytes > BACKLOG_BYTES:
            self.abort()
            return
        self._queue.append((time.monotonic() + self.delay if self.delay else 0.0, frame))
        self._waiting.set()

    async def write(self) -> None:
        """Send what is queued, for as long as the connection lives."""
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
        """Close properly, or with 1006 just cut the line."""
        if code == ABNORMAL:
            self.abort()
            return
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(self._socket.close(code=code), STOP_SECONDS)

    def abort(self) -> None:
        if (transport := self._request.transport) is not None:
            transport.abort()


class Simulator:
    """The running venue. `start`, then `stop`; or `serve` until told to stop."""

    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.config = config
        self.faults = Faults(world)
        self.faults.disconnect = self._disconnect
        self.streams = Streams(world, config.limits, self.faults)
        self.port = self.control_port = 0
        self._accounts: dict[str, Account] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runners: list[web.AppRunner] = []
        # Long candle histories must not hold up the blocks; one at a time is enough.
        self._historian = ThreadPoolExecutor(1, thread_name_prefix="historian")

    # --- life ----------------------------------------------------------------------------------
    async def start(self) -> None:
        app = web.Application(client_max_size=BODY_MOST)
        app.add_routes([web.post("/info", self._info), web.get("/ws", self._ws)])
        self.port = await self._listen(app, self.config.host, self.config.port)
        control = control_app(self)
        self.control_port = await self._listen(control, LOOPBACK, self.config.control_port)
        self._spawn(self._live())
        if self.config.state is not None:
            self._spawn(self._save_now_and_then(self.config.state))
        logger.info("simulator at http://%s:%d", self.config.host, self.port)

    async def _listen(self, app: web.Application, host: str, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        return int(runner.addresses[0][1])

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            logger.error("a task of the simulator failed", exc_info=problem)

    async def stop(self) -> None:
        """Close the sockets with 1001, save, and give the ports back."""
        await asyncio.gather(*(line.close(WSCloseCode.GOING_AWAY) for line in list(self._connections)))
        for task in list(self._tasks):
            task.cancel()
        for runner in self._runners:
            await runner.cleanup()
        self._historian.shutdown(wait=False, cancel_futures=True)
        if self.config.state is not None:
            state_write(self.config.state, state_encode(self.world.dump()))

    async def serve(self, until: asyncio.Event) -> None:
        """Run until `until` is set."""
        await self.start()
        try:
            await until.wait()
        finally:
            await self.stop()

    # --- time ----------------------------------------------------------------------------------
    async def _live(self) -> None:
        while True:
            began = time.monotonic()
            self.block()
            await asyncio.sleep(max(0.0, BLOCK - (time.monotonic() - began)))

    def block(self) -> None:
        """One block: the world moves, the streams tell, the idle are hung up on."""
        now = self.config.clock()
        slow = self.faults.active("delay", now)
        for line in self._connections:
            line.delay = slow.ms / 1000 if slow else 0.0
        try:
            self.streams.publish(self.world.step(now), now)
        except Exception:  # a bad block must not stop the clock
            logger.exception("a block failed")
        idle = set(self.streams.idle(now))
        for line in [line for line in self._connections if line.session in idle]:
            self._spawn(line.close(WSCloseCode.OK))

    async def _save_now_and_then(self, folder: Path) -> None:
        while True:
            encoded = state_encode(self.world.dump())
            try:
                await asyncio.to_thread(state_write, folder, encoded)
            except OSError:
                logger.exception("the world could not be saved")
            await asyncio.sleep(SAVE_EVERY)

    # --- /info ---------------------------------------------------------------------------------
    def _account(self, request: web.Request) -> Account:
        return self._accounts.setdefault(request.remote or "", Account())

    async def _info(self, request: web.Request) -> web.Response:
        now = self.config.clock()
        account = self._account(request)
        if slow := self.faults.active("delay", now):
            await asyncio.sleep(slow.ms / 1000)
        if self.faults.active("http_500", now):
            return _response(500, None)
        if self.faults.active("http_429", now) or not account.weight.allows(
            self.config.limits.weight_per_minute, now
        ):
            return _response(429, None)
        body = await request.read()
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _response(422, info.UNPROCESSABLE)
        reply = await self._answer(asked)
        kind = asked.get("type") if isinstance(asked, dict) else None
        account.weight.spend(info_weight(str(kind), reply.body), now)
        return _response(*reply)

    async def _answer(self, asked: Any) -> info.Reply:
        if isinstance(asked, dict) and asked.get("type") in SLOW_REQUESTS:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._historian, info.answer, self.world, asked)
        return info.answer(self.world, asked)

    # --- /ws -----------------------------------------------------------------------------------
    def _welcome(self, account: Account, now: int) -> bool:
        limits = self.config.limits
        if limits.connections is not None and account.connections >= limits.connections:
            return False
        return account.arrivals.allows(limits.new_connections_per_minute, now)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        now = self.config.clock()
        account = self._account(request)
        if not self._welcome(account, now):
            return _response(429, None)
        account.arrivals.spend(1, now)
        socket = web.WebSocketResponse(compress=False, max_msg_size=BODY_MOST)
        await socket.prepare(request)
        line = Connection(request, socket)
        line.session = Session(line.send, account, now)
        account.connections += 1
        self._connections.add(line)
        self.streams.open(line.session)
        try:
            await self._converse(line, line.session, socket)
        finally:
            account.connections -= 1
            self._connections.discard(line)
            self.streams.close(line.session)
        return socket

    async def _converse(self, line: Connection, session: Session, socket: web.WebSocketResponse) -> None:
        writer = asyncio.create_task(line.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.streams.receive(session, message.data, self.config.clock())
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer

    def _disconnect(self, code: int) -> None:
        for line in list(self._connections):
            self._spawn(line.close(code))

    # --- for the control plane -----------------------------------------------------------------
    def counters(self) -> dict[str, int]:
        return {
            "connections": len(self._connections),
            "subscriptions": sum(len(session.topics) for session in self.streams.sessions),
            "blocks": self.world.steps,
            "trades": self.world.trades,
            "quotes": self.world.quotes,
            "frames": self.streams.frames,
        }


def _response(status: int, body: Any) -> web.Response:
    if isinstance(body, str) and status != 200:
        return web.Response(status=status, text=body)
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
