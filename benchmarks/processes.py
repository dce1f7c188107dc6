"""Child processes of a benchmark: pinned to cores, measured, controlled by lines of JSON, and stopped."""

import os
import platform
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import IO, Any

import orjson
import psutil
from django.conf import settings

from core import env
from cryptotrade.embedded import EmbeddedRedis, services_at
from cryptotrade.process_supervisor import die_with_parent

STOP_SECONDS = 5.0
TAIL = 2000
CPUCLOCK_SCHED = 2


class BenchError(RuntimeError):
    """A measurement failed; the message is the reason."""


def pause(seconds: float) -> None:
    time.sleep(max(0.0, seconds))  # noqa: TID251  a benchmark waits for the wall clock


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Cores:
    """Core of the server, and core of everything else. None: not pinned, the host has only one core."""

    server: int | None
    load: int | None

    @classmethod
    def of_this_host(cls) -> "Cores":
        if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
            return cls(None, None)
        first, second, *_ = sorted(os.sched_getaffinity(0))
        return cls(first, second)


def machine() -> dict[str, Any]:
    """Description of the host: results of two hosts cannot be compared, ratios within a run can."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "pinned": Cores.of_this_host().server is not None,
        "load_average": round(psutil.getloadavg()[0], 2),
    }


def cpu_ns(pid: int) -> int:
    """CPU time of a process and its children, in ns; 0 when it has ended."""
    try:
        process = psutil.Process(pid)
        return sum(_one_cpu_ns(one) for one in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def _one_cpu_ns(process: psutil.Process) -> int:
    if sys.platform == "linux":
        with suppress(OSError):  # ended, or of another user: use the coarser clock below
            # The CPU clock of another process (clock_getcpuclockid(3)): exact, where /proc counts 10 ms.
            return time.clock_gettime_ns((~process.pid << 3) | CPUCLOCK_SCHED)
    times = process.cpu_times()
    return int((times.user + times.system) * 1e9)


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    try:
        process = psutil.Process(pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


class Child:
    """Child process in a session of its own: Ctrl-C reaches the parent only, which stops the child in `patience` s.

    The output of a `silent` child goes to its log file; it exchanges no messages.
    """

    def __init__(  # noqa: PLR0913  what a process needs
        self,
        name: str,
        command: list[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        core: int | None,
        silent: bool = False,
        stop_timeout: float = STOP_SECONDS,
    ) -> None:
        self.name = name
        self._stop_timeout = stop_timeout
        self._log = folder / f"{name}.log"
        self._buffer = b""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=log if silent else subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_preexec(core),
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """One line of JSON to its standard input."""
        with suppress(BrokenPipeError):  # `receive` reports why the process ended
            _open_pipe(self.process.stdin).write(orjson.dumps(message) + b"\n")

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next line of JSON from its output. Raises `BenchError` when the process ends or on timeout."""
        deadline = time.monotonic() + seconds
        pipe = _open_pipe(self.process.stdout)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise BenchError(f"{self.name} sent no message for {seconds:g} s{self._tail()}")
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                raise BenchError(f"{self.name} ended{self._tail()}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = orjson.loads(line)
        return message

    def wait_listening(self, port: int, seconds: float) -> None:
        """Wait until the port accepts connections. Raises `BenchError`."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{self.name} does not listen{self._tail()}")
            pause(0.02)

    def _tail(self) -> str:
        tail = self._log.read_text(errors="replace")[-TAIL:].strip()
        return f":\n{tail}" if tail else ""

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the process does not end in time."""
        for step in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, step)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(self._stop_timeout)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()


def _open_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _preexec(core: int | None) -> Callable[[], None]:
    def settle() -> None:
        die_with_parent()
        if core is not None:
            os.sched_setaffinity(0, {core})

    return settle


class Bench:
    """Benchmark environment, a context manager: temporary folder, Redis, and environment variables of children."""

    def __init__(self) -> None:
        self.cores = Cores.of_this_host()
        self._stack = ExitStack()
        self.environment: dict[str, str] = {}
        self.redis_pid: int | None = None

    def __enter__(self) -> "Bench":
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cryptotrade-bench-")))
            self.environment = {
                **os.environ,
                "CRYPTOTRADE_VAR": str(self.folder),
                "DJANGO_SETTINGS_MODULE": "cryptotrade.settings",
                **{name: token_urlsafe(32) for name in env.GENERATED},
                "VENUES": "bench",
                "LOG_LEVEL": "WARNING",
                "MAX_STREAMS_PER_ADDRESS": "1000000",
                "RATE_LIMIT_STREAM_CONNECT": "1000000/60",
                "REDIS_URL": env.secret("REDIS_URL") or self._start_redis(stack),
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start_redis(self, stack: ExitStack) -> str:
        redis = EmbeddedRedis(self.folder)
        stack.callback(redis.stop)
        redis.start()
        self.redis_pid = redis.pid
        if self.redis_pid and self.cores.load is not None:
            # Redis serves both the feed and the hub, and its CPU is measured separately.
            for thread in psutil.Process(self.redis_pid).threads():
                os.sched_setaffinity(thread.id, {self.cores.load})
        return services_at(self.folder).redis_url

    def python(self, name: str, *arguments: str, core: int | None) -> Child:
        """`python …` with this environment."""
        return self.child(name, [sys.executable, *arguments], core=core)

    def child(
        self,
        name: str,
        command: list[str],
        *,
        core: int | None,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Child:
        """Start a process with this environment, or with the given one."""
        environment = environment or self.environment
        return Child(name, command, folder=self.folder, environment=environment, core=core, **options)
