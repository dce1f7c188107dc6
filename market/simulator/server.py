"""The shell: a clock, two HTTP servers and the sockets. Everything it says, the core decided."""

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

from market.simulator.connections import STOP_SECONDS, Connection
from market.simulator.control import control_app
from market.simulator.exchange.account_engine import House
from market.simulator.exchange.rules import LENIENT_RULES, Rules
from market.simulator.faults import Faults
from market.simulator.http_api import Posts, response
from market.simulator.limits import LENIENT, Account, Limits
from market.simulator.state import state_encode, state_write
from market.simulator.streams import Session, Streams
from market.simulator.world import World

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
BLOCK = 0.1
SAVE_EVERY = 10.0
BODY_MOST = 64 * 1024


def wall_clock() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Config:
    """Where to listen, and how. Port 0 takes a free one. The control plane never leaves the loopback."""

    host: str = LOOPBACK
    port: int = 8010
    control_port: int = 8011
    limits: Limits = LENIENT
    rules: Rules = LENIENT_RULES
    state: Path | None = None
    clock: Callable[[], int] = wall_clock


class Simulator:
    """The running venue. `start`, then `stop`; or `serve` until told to stop."""

    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.config = config
        self.faults = Faults(world)
        self.faults.disconnect = self._disconnect
        self.house = House(world, config.rules)
        if config.state is not None:
            self.house.remember(config.state)
        self.streams = Streams(world, config.limits, self.faults, self.house)
        self.posts = Posts(self)
        self.port = self.control_port = 0
        self._accounts: dict[str, Account] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runners: list[web.AppRunner] = []
        # One, so that the last state to be saved is the one that stays.
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="saver")

    # --- life ----------------------------------------------------------------------------------
    async def start(self) -> None:
        app = web.Application(client_max_size=BODY_MOST)
        app.add_routes(
            [
                web.post("/info", self.posts.answer_info),
                web.post("/exchange", self.posts.answer_exchange),
                web.get("/ws", self._ws),
            ]
        )
        self.port = await self._listen(app, self.config.host, self.config.port)
        control = control_app(self)
        self.control_port = await self._listen(control, LOOPBACK, self.config.control_port)
        self._spawn(self._live())
        if self.config.state is not None:
            self._spawn(self._save_now_and_then(self.config.state))
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
        """Close the sockets with 1001, save, and give the ports back."""
        await asyncio.gather(*(line.close(WSCloseCode.GOING_AWAY) for line in list(self._connections)))
        for task in list(self._tasks):
            task.cancel()
        for runner in self._runners:
            await runner.cleanup()
        self.posts.close()
        self.house.close()
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
            events = self.world.step(now)
            self._mood(now)
            self.house.block(now)
            self.streams.publish(events, now)
        except Exception:  # a bad block must not stop the clock
            logger.exception("a block failed")
        idle = set(self.streams.idle(now))
        for line in [line for line in self._connections if line.session in idle]:
            self._spawn(line.close(WSCloseCode.OK))

    def _mood(self, now: int) -> None:
        """The faults that the account side itself has to know of."""
        exchange, partial = self.house.exchange, self.faults.active("partial_fills", now)
        exchange.parts = partial.parts if partial else 1
        exchange.post_only = self.faults.active("post_only", now) is not None
        cap = self.faults.active("interest_cap", now)
        perps = {coin for coin, market in self.world.markets.items() if not market.listing.is_spot}
        exchange.capped = {coin for coin in perps if cap and cap.coin in (None, coin)}

    async def _save_now_and_then(self, folder: Path) -> None:
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
    def account(self, request: web.Request) -> Account:
        """What the address that a request came from has used."""
        return self._accounts.setdefault(request.remote or "", Account())

    def _welcome(self, account: Account, now: int) -> bool:
        limits = self.config.limits
        if limits.connections is not None and account.connections >= limits.connections:
            return False
        return account.arrivals.allows(limits.new_connections_per_minute, now)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        now = self.config.clock()
        account = self.account(request)
        if not self._welcome(account, now):
            return response(429, None)
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

    # --- for those who answer ---------------------------------------------------------------
    def now(self) -> int:
        return self.config.clock()

    def limits(self) -> Limits:
        return self.config.limits

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
