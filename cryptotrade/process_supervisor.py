"""Process supervisor of `manage.py up`: starts children, restarts them with back-off, stops them together.

Each child is the leader of its own session, so that Ctrl-C reaches only the parent, which decides the
order; on Linux the kernel terminates the children if the parent is killed.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

STEADY_SECONDS = 30.0
MIN_RESTART_DELAY, MAX_RESTART_DELAY = 0.5, 15.0
STOP_SECONDS = 12.0
PR_SET_PDEATHSIG = 1
REQUESTS = "cryptotrade.logging"  # the logger that writes a line for every request


def backoff_delays() -> Iterator[float]:
    """Seconds to wait before each restart: doubling up to MAX_RESTART_DELAY."""
    delay = MIN_RESTART_DELAY
    while True:
        yield delay
        delay = min(delay * 2, MAX_RESTART_DELAY)


def die_with_parent() -> None:
    """Runs in the child between fork and exec: the kernel sends it SIGTERM when the parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A child process with its command and restart count."""

    name: str
    command: list[str]
    environment: dict[str, str]
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    stopping: bool = field(default=False)


class ProcessSupervisor:
    """Runs child processes until `stop` is called. `output(name, line)` receives every line they print."""

    def __init__(self, log_folder: Path, output: Callable[[str, str], None]) -> None:
        self._logs = log_folder
        self._output = output
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a child and keep it running."""
        child = Child(name, command, environment)
        self._children.append(child)
        self._tasks.append(asyncio.create_task(self._supervise(child), name=f"supervise {name}"))

    async def _supervise(self, child: Child) -> None:
        delays = backoff_delays()
        while True:
            started = asyncio.get_running_loop().time()
            code = await self._run(child)
            if child.stopping:
                return
            if asyncio.get_running_loop().time() - started > STEADY_SECONDS:
                delays = backoff_delays()
            delay = next(delays)
            self._output(child.name, f"exited with {_describe(code)}; restarting in {delay:g} s")
            child.restarts += 1
            await asyncio.sleep(delay)

    async def _run(self, child: Child) -> int:
        child.process = await asyncio.create_subprocess_exec(
            *child.command,
            env=child.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
            limit=2**20,
        )
        await self._copy(child.name, child.process.stdout)
        return await child.process.wait()

    async def _copy(self, name: str, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        with (self._logs / f"{name}.log").open("ab") as log:
            while line := await _line(stream):
                log.write(line)
                log.flush()
                if text := format_log_line(line):
                    self._output(name, text)

    async def stop(self) -> None:
        """Send SIGTERM to all children, and SIGKILL to those that still run after STOP_SECONDS."""
        for child in self._children:
            child.stopping = True
            self._signal(child, signal.SIGTERM)
        running = [task for task in self._tasks if not task.done()]
        for task, child in zip(self._tasks, self._children, strict=True):
            if child.process is None or child.process.returncode is not None:
                task.cancel()  # this task is waiting for the restart delay
        if running:
            _, stuck = await asyncio.wait(running, timeout=STOP_SECONDS)
            for child in self._children if stuck else []:
                self._signal(child, signal.SIGKILL)
            await asyncio.gather(*running, return_exceptions=True)

    def _signal(self, child: Child, number: signal.Signals) -> None:
        if child.process is not None and child.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, number)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # the line is longer than the limit: return its available part
        return await stream.read(2**16)


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"


def format_log_line(line: bytes) -> str:
    """A JSON log line as short text; other lines unchanged; empty for lines that are not printed."""
    text = line.decode(errors="replace").rstrip()
    try:
        fields = orjson.loads(text)
        when, level, logger = fields.pop("timestamp")[11:19], fields.pop("level"), fields.pop("logger")
        message = fields.pop("message")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return text
    if (logger, level) == (REQUESTS, "INFO"):
        return ""  # one line per request: only in the log file
    traceback = fields.pop("exception", None)
    rest = " ".join(f"{key}={value}" for key, value in fields.items())
    short = f"{when} {level:<7} {message} {rest}".rstrip()
    return f"{short}\n{traceback}" if traceback else short
