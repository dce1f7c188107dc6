"""`make run`: everything on this machine, from nothing to live markets, until Ctrl-C."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cryptotrade import env
from cryptotrade.embedded import EmbeddedPostgres, EmbeddedRedis, ServiceUnavailable, services_at
from cryptotrade.process_supervisor import Supervisor

# Each process connects as the role that may do what it has to (cryptotrade/management/commands/db_roles.py).
ROLES = {"web": "web", "feed": "feed", "simulator": "feed", "execution": "execution", "supervisor": "bots"}
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
SERVICE_CHECK_SECONDS = 1.0
BUSY = {"cpu", "memory"}


class Command(BaseCommand):
    help = "Start PostgreSQL and Redis (when no URL is given) and every process; stop all on Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012  it runs before there is a database

    def handle(self, *args: Any, **options: Any) -> None:
        var: Path = settings.VAR_DIR
        var.mkdir(parents=True, exist_ok=True)
        Path(settings.STATIC_ROOT).mkdir(exist_ok=True)  # empty: files are found where they were installed
        with _only_one(var):
            port = env.number("PORT", 8000)
            _refuse_taken(port)
            house = House(var, port, self._say)
            try:
                house.start_services()
                asyncio.run(house.run())
            except ServiceUnavailable as error:
                raise CommandError(str(error)) from error
            finally:
                house.stop_services()

    def _say(self, name: str, text: str) -> None:
        for line in text.splitlines():
            self.stdout.write(f"{name:<10} | {line}")
        self.stdout.flush()


class House:
    """The services and processes of one `var/`."""

    def __init__(self, var: Path, port: int, say: Any) -> None:
        self.var, self.port, self.say = var, port, say
        self.postgres = None if env.secret("DATABASE_URL") else EmbeddedPostgres(var)
        self.redis = None if env.secret("REDIS_URL") else EmbeddedRedis(var)
        self.environment = {**os.environ, "CRYPTOTRADE_VAR": str(var), "PYTHONUNBUFFERED": "1"}
        self.stopping = asyncio.Event()

    def start_services(self) -> None:
        services = services_at(self.var)
        if self.postgres:
            self.say("up", "starting PostgreSQL (the first start takes a few seconds)")
            self.postgres.start()
            self.environment["DATABASE_URL"] = services.database_url
        if self.redis:
            self.redis.start()
            self.environment["REDIS_URL"] = services.redis_url

    def stop_services(self) -> None:
        for service in (self.redis, self.postgres):
            if service:
                service.stop()

    async def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        await self._prepare()
        supervisor = Supervisor(self.var / "log", self.say)
        for name, command in self._processes().items():
            supervisor.start(name, [*MANAGE, *command], self._environment_of(name))
        watchers = [asyncio.create_task(work) for work in (self._welcome(), self._watch_services())]
        await self.stopping.wait()
        self.say("up", "stopping")
        for watcher in watchers:
            watcher.cancel()
        await supervisor.stop()

    async def _prepare(self) -> None:
        """Tables, roles and the first sealing key. Where keys are missing, what is left still starts."""
        await self._manage("migrate", "--verbosity", "0")
        if self.postgres:
            await self._manage("db_roles")
        try:
            if made := await self._manage("sealing_keys", "init"):
                self.say("up", f"sealing keys: {made}")
        except CommandError as error:
            self.say("up", str(error))

    def _environment_of(self, name: str) -> dict[str, str]:
        """With a database of the caller's there is one role, or one for each that its operator made."""
        if self.postgres is None:
            return self.environment
        url = urlsplit(self.environment["DATABASE_URL"])
        location = f"cryptotrade_{ROLES[name]}@{url.netloc.rpartition('@')[2]}"
        return {**self.environment, "DATABASE_URL": url._replace(netloc=location).geturl()}

    def _processes(self) -> dict[str, list[str]]:
        processes = {
            "web": ["web", "--port", str(self.port)],
            "feed": ["run_worker", "market-feed"],
            "execution": ["run_worker", "wallets-execution"],
            "supervisor": ["run_worker", "bots-supervisor"],
        }
        if "simulator" in settings.VENUES:
            for name, default in (("SIMULATOR_PORT", 8010), ("SIMULATOR_CONTROL_PORT", 8011)):
                self.environment.setdefault(name, str(_free_port(default)))
            processes = {"simulator": ["run_simulator"], **processes}
        return processes

    async def _manage(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *MANAGE, *arguments, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        if process.returncode:
            raise CommandError(f"manage.py {arguments[0]} failed:\n{err.decode()}")
        return out.decode().strip()

    async def _watch_services(self) -> None:
        """A service that dies is started again; its clients reconnect by themselves."""
        while True:
            await asyncio.sleep(SERVICE_CHECK_SECONDS)
            for service in (self.redis, self.postgres):
                if service and not service.alive():
                    self.say("up", f"{type(service).__name__} is gone; starting it again")
                    try:
                        await asyncio.to_thread(service.start)
                    except Exception as problem:  # noqa: BLE001  whatever it was, we try again in a second
                        self.say("up", f"it did not start: {problem}")

    async def _welcome(self) -> None:
        """Once everything is ready: where to go, and how to get in without choosing a password."""
        url = f"http://127.0.0.1:{self.port}"
        link = await self._manage("demo_trader", "--url", url)
        while not await asyncio.to_thread(_is_ready, url):  # noqa: ASYNC110  another process, over HTTP
            await asyncio.sleep(0.3)
        if "simulator" in settings.VENUES:
            await self._demo()
        self.say("up", f"ready: {url}")
        self.say("up", f"sign in as the demo trader, once: {link}")
        self.say("up", f"or with the e-mail and password in {self.var / 'demo.json'}")
        if "filebased" in settings.EMAIL_BACKEND:
            self.say("up", f"codes and other mail are kept in {settings.EMAIL_FILE_PATH}")
        self.say("up", "Ctrl-C stops everything; the data stay")

    async def _demo(self) -> None:
        """A convenience: without it one opens an account and starts a bot by hand."""
        email = json.loads((self.var / "demo.json").read_text())["email"]
        try:
            await self._manage("demo_wallet", "--email", email)
            await self._manage("demo_bot", "--email", email)
        except CommandError as error:
            self.say("up", str(error))


def _is_ready(url: str) -> bool:
    """Everything answers. A machine that is busy with something else is no reason to wait."""
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:  # noqa: S310  our own address
            return bool(answer.status == 200)
    except urllib.error.HTTPError as refusal:
        return set(json.load(refusal).get("failed", ["all"])) <= BUSY
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _only_one(var: Path) -> Any:
    """Two houses on one `var/` would share a database and fight over its processes."""
    with (var / "up.lock").open("a+") as lock:
        _lock(lock, var)
        yield


def _lock(lock: IO[str], var: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise CommandError(f"{var} is in use by process {lock.read() or '?'}; stop that one first") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _bound_port(port: int) -> int | None:
    """The port that was bound on trial (0: any free one), or None when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def _refuse_taken(port: int) -> None:
    if _bound_port(port) is None:
        raise CommandError(f"port {port} is in use; choose another: make run PORT=8001")


def _free_port(wanted: int) -> int:
    return _bound_port(wanted) or _bound_port(0) or wanted
