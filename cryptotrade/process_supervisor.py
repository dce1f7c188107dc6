"""Child processes that are kept alive: started, watched, restarted with back-off, stopped together.

Used by `manage.py up`. Each child leads its own session, so that one Ctrl-C reaches only us and we
decide the order; on Linux the kernel ends the children if we are killed outright.
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
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
STOP_SECONDS = 12.0
PR_SET_PDEATHSIG = 1
REQUESTS = "cryptotrade.logging"  # the logger of a line for every request


def pauses() -> Iterator[float]:
    """Seconds to wait before each restart: doubling, bounded."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


def die_with_parent() -> None:
    """Runs in the child between fork and exec: be told to stop when the parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process of the house and what became of it."""

    name: str
    command: list[str]
    environment: dict[str, str]
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    stopping: bool = field(default=False)


class Supervisor:
    """Runs children until told to stop. `say(name, line)` is given every line that they print."""

    def __init__(self, log_folder: Path, say: Callable[[str, str], None]) -> None:
        self._logs = log_folder
        self._say = say
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        child = Child(name, command, environment)
        self._children.append(child)
        self._tasks.append(asyncio.create_task(self._keep(child), name=f"keep {name}"))

    async def _keep(self, child: Child) -> None:
        waits = pauses()
        while True:
            started = asyncio.get_running_loop().time()
            code = await self._run(child)
            if child.stopping:
                return
            if asyncio.get_running_loop().time() - started > STEADY_SECONDS:
                waits = pauses()
            pause = next(waits)
            self._say(child.name, f"ended with {_describe(code)}; starting again in {pause:g} s")
            child.restarts += 1
            await asyncio.sleep(pause)

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
                if text := readable(line):
                    self._say(name, text)

    async def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that are still there after some seconds."""
        for child in self._children:
            child.stopping = True
            self._signal(child, signal.SIGTERM)
        running = [task for task in self._tasks if not task.done()]
        for task, child in zip(self._tasks, self._children, strict=True):
            if child.process is None or child.process.returncode is not None:
                task.cancel()  # it waits to be restarted
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
    except ValueError:  # a line longer than the limit: what there is of it
        return await stream.read(2**16)


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"


def readable(line: bytes) -> str:
    """A JSON log line as one short line for people; anything else as it is. Empty: not worth a line."""
    text = line.decode(errors="replace").rstrip()
    try:
        said = orjson.loads(text)
        when, level, logger = said.pop("timestamp")[11:19], said.pop("level"), said.pop("logger")
        message = said.pop("message")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return text
    if (logger, level) == (REQUESTS, "INFO"):
        return ""  # one for every page and poll; the file has them
    trace = said.pop("exception", None)
    rest = " ".join(f"{key}={value}" for key, value in said.items())
    short = f"{when} {level:<7} {message} {rest}".rstrip()
    return f"{short}\n{trace}" if trace else short
