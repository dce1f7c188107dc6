"""Server of the simulated venue: clock, HTTP and control servers, websockets. The logic is in the core modules."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from simulator.connections import STOP_SECONDS, Connection
from simulator.hyperliquid.control import control_app
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.fees import LENIENT_RULES, Rules
from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.http_api import HttpApi, response
from simulator.hyperliquid.limits import LENIENT, ClientLimits, VenueLimits
from simulator.hyperliquid.streams import Session, Streams
from simulator.markets.world import World
from simulator.markets.world_loader import state_encode, state_write

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
BLOCK = 0.1
SAVE_EVERY = 10.0
MAX_BODY = 64 * 1024


def wall_clock() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Config:
    """Server configuration. Port 0 selects a free port. The control plane always listens on the loopback only."""

    host: str = LOOPBACK
    port: int = 8010
    control_port: int = 8011
    control_token: str = ""  # empty: the control plane refuses every request
    limits: VenueLimits = LENIENT
    rules: Rules = LENIENT_RULES
    state: Path | None = None
    clock: Callable[[], int] = wall_clock


class Simulator:
    """The running venue: call `start`, then `stop`; or `serve` until an event is set."""

    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.config = config
        self.faults = Faults(world)
        self.faults.disconnect = self._disconnect
        self.account_engine = AccountEngine(world, config.rules)
        if config.state is not None:
            self.account_engine.restore(config.state)
        self.streams = Streams(world, config.limits, self.faults, self.account_engine)
        self.http_api = HttpApi(self)
        self.port = self.control_port = 0
        self._accounts: dict[str, ClientLimits] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runners: list[web.AppRunner] = []
        # A single thread, so that saves are written in sequence and the newest state wins.
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="saver")

    # --- lifecycle -----------------------------------------------------------------------------
    async def start(self) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.post("/info", self.http_api.answer_info),
                web.post("/exchange", self.http_api.answer_exchange),
                web.get("/ws", self._ws),
            ]
        )
        self.port = await self._listen(app, self.config.host, self.config.port)
        control = control_app(self, self.config.control_token)
        self.control_port = await self._listen(control, LOOPBACK, self.config.control_port)
        self._spawn(self._run_blocks())
        if self.config.state is not None:
            self._spawn(self._save_periodically(self.config.state))
        logger.info("control plane at http://%s:%d", LOOPBACK, self.control_port)
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
        """Close the websockets with 1001, stop the servers, and save the state."""
        await asyncio.gather(
            *(connection.close(WSCloseCode.GOING_AWAY) for connection in list(self._connections))
        )
        for task in list(self._tasks):
            task.cancel()
        for runner in self._runners:
            await runner.cleanup()
        self.http_api.close()
        self.account_engine.close()
        if self.config.state is not None:
            await self._save(self.config.state)
        self._saver.shutdown()

    async def serve(self, until: asyncio.Event) -> None:
        """Run until `until` is set."""
        await self.start()
        try:
            await until.wait()
        finally:
            await self.stop()

    # --- blocks --------------------------------------------------------------------------------
    async def _run_blocks(self) -> None:
        while True:
            began = time.monotonic()
            self.block()
            await asyncio.sleep(max(0.0, BLOCK - (time.monotonic() - began)))

    def block(self) -> None:
        """Run one block: step the world, process accounts, publish streams, close idle connections."""
        now = self.config.clock()
        slow = self.faults.active("delay", now)
        for connection in self._connections:
            connection.delay = slow.ms / 1000 if slow else 0.0
        try:
            events = self.world.step(now)
            self._apply_faults(now)
            self.account_engine.block(now)
            self.streams.publish(events, now)
        except Exception:  # a failed block must not stop the block loop
            logger.exception("a block failed")
        idle = set(self.streams.idle(now))
        for connection in [connection for connection in self._connections if connection.session in idle]:
            self._spawn(connection.close(WSCloseCode.OK))

    def _apply_faults(self, now: int) -> None:
        """Pass on the faults that the account engine implements itself."""
        exchange, partial = self.account_engine.exchange, self.faults.active("partial_fills", now)
        exchange.parts = partial.parts if partial else 1
        exchange.post_only = self.faults.active("post_only", now) is not None
        cap = self.faults.active("interest_cap", now)
        perps = {coin for coin, market in self.world.markets.items() if not market.listing.is_spot}
        exchange.capped = {coin for coin in perps if cap and cap.coin in (None, coin)}

    async def _save_periodically(self, folder: Path) -> None:
        while True:
            try:
                await self._save(folder)
            except OSError:
                logger.exception("the world could not be saved")
            await asyncio.sleep(SAVE_EVERY)

    async def _save(self, folder: Path) -> None:
        encoded = state_encode(self.world.dump())
        await asyncio.get_running_loop().run_in_executor(self._saver, state_write, folder, encoded)

    # --- /ws -----------------------------------------------------------------------------------
    def account(self, request: web.Request) -> ClientLimits:
        """The usage counters of the address that sent a request."""
        return self._accounts.setdefault(request.remote or "", ClientLimits())

    def _may_connect(self, account: ClientLimits, now: int) -> bool:
        limits = self.config.limits
        if limits.connections is not None and account.connections >= limits.connections:
            return False
        return account.arrivals.allows(limits.new_connections_per_minute, now)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        now = self.config.clock()
        account = self.account(request)
        if not self._may_connect(account, now):
            return response(429, None)
        account.arrivals.spend(1, now)
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_BODY)
        await socket.prepare(request)
        connection = Connection(request, socket)
        connection.session = Session(connection.send, account, now)
        account.connections += 1
        self._connections.add(connection)
        self.streams.open(connection.session)
        try:
            await self._receive_all(connection, connection.session, socket)
        finally:
            account.connections -= 1
            self._connections.discard(connection)
            self.streams.close(connection.session)
        return socket

    async def _receive_all(
        self, connection: Connection, session: Session, socket: web.WebSocketResponse
    ) -> None:
        writer = asyncio.create_task(connection.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.streams.receive(session, message.data, self.config.clock())
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer

    def _disconnect(self, code: int) -> None:
        for connection in list(self._connections):
            self._spawn(connection.close(code))

    # --- used by the HTTP API ------------------------------------------------------------------
    def now(self) -> int:
        return self.config.clock()

    def limits(self) -> VenueLimits:
        return self.config.limits

    # --- used by the control plane -------------------------------------------------------------
    def counters(self) -> dict[str, int]:
        return {
            "connections": len(self._connections),
            "subscriptions": sum(len(session.topics) for session in self.streams.sessions),
            "blocks": self.world.steps,
            "trades": self.world.trades,
            "quotes": self.world.quotes,
            "frames": self.streams.frames,
        }
