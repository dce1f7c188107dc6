"""`manage.py up` (`make run`): starts all services and processes on this machine until Ctrl-C."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core import env
from core.http import is_ready
from cryptotrade.embedded import EmbeddedPostgres, EmbeddedRedis, ServiceUnavailable, services_at
from cryptotrade.private_folders import NotPrivate, make_private
from cryptotrade.process_supervisor import ProcessSupervisor

# Process → database role with minimal rights (cryptotrade/management/commands/db_roles.py).
SIMULATED_VENUE = "hyperliquid-sim"
SIMULATOR_PORTS = {"SIMULATOR_PORT": 8010, "SIMULATOR_CONTROL_PORT": 8011}
ROLES = {"web": "web", "feed": "feed", "simulator": "feed", "execution": "execution", "supervisor": "bots"}
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
SERVICE_CHECK_SECONDS = 1.0


class Command(BaseCommand):
    help = "Start PostgreSQL and Redis (unless URLs are configured) and all processes; stop them on Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012  the database does not run yet

    def handle(self, *args: Any, **options: Any) -> None:
        var: Path = settings.VAR_DIR
        os.umask(0o077)  # all that the processes write: logs, mail, keys, recordings
        try:
            make_private(var)
        except NotPrivate as problem:
            raise CommandError(str(problem)) from problem
        Path(settings.STATIC_ROOT).mkdir(
            exist_ok=True
        )  # stays empty: static files are served from their sources
        with _exclusive(var):
            port = env.number("PORT", 8000)
            _refuse_taken(port)
            stack = LocalStack(var, port, self._print)
            try:
                stack.start_services()
                asyncio.run(stack.run())
            except ServiceUnavailable as error:
                raise CommandError(str(error)) from error
            finally:
                stack.stop_services()

    def _print(self, name: str, text: str) -> None:
        for line in text.splitlines():
            self.stdout.write(f"{name:<10} | {line}")
        self.stdout.flush()


class LocalStack:
    """Embedded services and processes of one `var/`. `output(name, text)` prints a message of a process."""

    def __init__(self, var: Path, port: int, output: Callable[[str, str], None]) -> None:
        self.var, self.port, self.output = var, port, output
        self.postgres = None if env.secret("DATABASE_URL") else EmbeddedPostgres(var)
        self.redis = None if env.secret("REDIS_URL") else EmbeddedRedis(var)
        self.environment = {**os.environ, "CRYPTOTRADE_VAR": str(var), "PYTHONUNBUFFERED": "1"}
        self.stopping = asyncio.Event()

    def start_services(self) -> None:
        services = services_at(self.var)
        if self.postgres:
            self.output("up", "starting PostgreSQL (the first start takes a few seconds)")
            self.postgres.start()
            self.environment["DATABASE_URL"] = services.database_url
        if self.redis:
            self.redis.start()
            self.output("up", f"Redis: {self.redis.version()}")
            self.environment["REDIS_URL"] = services.redis_url

    def stop_services(self) -> None:
        for service in (self.redis, self.postgres):
            if service:
                service.stop()

    async def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        await self._prepare()
        supervisor = ProcessSupervisor(self.var / "log", self.output)
        for name, command in self._processes().items():
            supervisor.start(name, [*MANAGE, *command], self._environment_of(name))
        watchers = [asyncio.create_task(work) for work in (self._announce_ready(), self._watch_services())]
        await self.stopping.wait()
        self.output("up", "stopping")
        for watcher in watchers:
            watcher.cancel()
        await supervisor.stop()

    async def _prepare(self) -> None:
        """Migrate, create database roles and the first sealing key; without keys the rest still starts."""
        await self._manage("migrate", "--verbosity", "0")
        if self.postgres:
            await self._manage("db_roles")
        try:
            if created := await self._manage("sealing_keys", "init"):
                self.output("up", f"sealing keys: {created}")
        except CommandError as error:
            self.output("up", str(error))

    def _environment_of(self, name: str) -> dict[str, str]:
        """Environment of a process; with the embedded database each process connects as its own role."""
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
        if SIMULATED_VENUE in settings.VENUES:
            for name, default in SIMULATOR_PORTS.items():
                if name not in self.environment:
                    self.environment[name] = str(self._free_port(default))
            processes = {"simulator": ["run_simulator"], **processes}
        return processes

    def _free_port(self, preferred: int) -> int:
        """`preferred`, or a free port when another program uses it, which is printed."""
        port = _bound_port(preferred) or _bound_port(0) or preferred
        if port != preferred:
            self.output("up", f"port {preferred} is in use; the simulator uses {port} instead")
        return port

    async def _manage(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *MANAGE, *arguments, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
        if process.returncode:
            raise CommandError(f"manage.py {arguments[0]} failed:\n{err.decode()}")
        return out.decode().strip()

    async def _watch_services(self) -> None:
        """Restart an embedded service that has died; its clients reconnect by themselves."""
        while True:
            await asyncio.sleep(SERVICE_CHECK_SECONDS)
            for service in (self.redis, self.postgres):
                if service and not service.alive():
                    self.output("up", f"{type(service).__name__} has stopped; restarting it")
                    try:
                        await asyncio.to_thread(service.start)
                    except Exception as problem:  # noqa: BLE001  any failure is retried after a second
                        self.output("up", f"it did not start: {problem}")

    async def _announce_ready(self) -> None:
        """Wait until all processes are ready; print the address and the login link of the demo trader."""
        url = f"http://127.0.0.1:{self.port}"
        link = await self._manage("demo_trader", "--url", url)
        while not await is_ready(url):  # noqa: ASYNC110  another process, over HTTP
            await asyncio.sleep(0.3)
        if SIMULATED_VENUE in settings.VENUES:
            await self._create_demo()
        self.output("up", f"ready: {url}")
        self.output("up", f"sign in as the demo trader, once: {link}")
        self.output("up", f"or with the e-mail and password in {self.var / 'demo.json'}")
        if "filebased" in settings.EMAIL_BACKEND:
            self.output("up", f"codes and other mail are written to {settings.EMAIL_FILE_PATH}")
        self.output("up", "Ctrl-C stops everything; the data is kept")

    async def _create_demo(self) -> None:
        """Create the demo trader's wallet and bot; a failure is only printed."""
        email = json.loads((self.var / "demo.json").read_text())["email"]
        try:
            await self._manage("demo_wallet", "--email", email)
            await self._manage("demo_bot", "--email", email)
        except CommandError as error:
            self.output("up", str(error))


@contextlib.contextmanager
def _exclusive(var: Path) -> Any:
    """Lock `var/`: two stacks would share its database and stop each other's processes."""
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
    """The port after a test bind (0: any free port), or None if it is in use."""
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
