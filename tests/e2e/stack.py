"""The full stack as started by `make run`, in a folder and on ports of its own, with stream clients."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from core.http import BUSY

ROOT = Path(__file__).resolve().parents[2]
NOT_INHERITED = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "JWT_SIGNING_KEY",
    "MFA_KEY",
    "DJANGO_SETTINGS_MODULE",
)


_clock = threading.Event()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    """Poll until `condition()` is truthy and return it."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        _clock.wait(0.1)  # other processes are observed, so there is nothing to await
    return result


class Stack:
    def __init__(self, var, **environment):
        self.var = Path(var)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.stream_url = f"ws://127.0.0.1:{self.port}/ws/stream"
        self._environment = environment

    def start(self):
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        own = {
            "CRYPTOTRADE_VAR": str(self.var),
            "PORT": str(self.port),
            "SIMULATOR_PORT": str(free_port()),
            "SIMULATOR_CONTROL_PORT": str(free_port()),
        }
        self.environment = {**inherited, **own, **self._environment}
        self.log = (self.var / "up.out").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def output(self):
        return (self.var / "up.out").read_text(errors="replace")

    def get(self, path):
        """(status, decoded JSON or text)."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as response:
                status, body = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        except OSError:
            return 0, None
        with contextlib.suppress(ValueError):
            return status, json.loads(body)
        return status, body.decode()

    def wait_until_ready(self, seconds=120):
        """As `manage.py up` waits: the load of the machine, which other tests cause, is not the stack's."""
        wait_for(self._is_ready, seconds, "ready\n" + self.output()[-3000:])

    def _is_ready(self):
        status, body = self.get("/ready")
        return status == 200 or (status == 503 and set(body["failed"]) <= BUSY)

    def child(self, arguments):
        """The child process with all these words in its command line."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if all(word in " ".join(process.cmdline()) for word in arguments.split()):
                    return process
        return None

    def kill(self, arguments):
        victim = wait_for(lambda: self.child(arguments), 120, f"a process {arguments}")
        victim.send_signal(signal.SIGKILL)
        return victim.pid

    def processes(self):
        """All processes of this stack, anywhere in the process tree."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            arguments = " ".join(process.info["cmdline"] or [])
            environ = process.info["environ"] or {}
            if str(self.var) in arguments or environ.get("CRYPTOTRADE_VAR") == str(self.var):
                found.append(process)
        return found

    def interrupt(self, seconds=30):
        """Send SIGINT. Returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(seconds)
        self.log.close()
        return status

    def destroy(self):
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait(60)
        self.log.close()


@contextlib.contextmanager
def running(stack):
    """The stack, ready, with the demo trader; destroyed at the end."""
    stack.start()
    try:
        stack.wait_until_ready(240)  # a first start fills the history of 45 markets
        wait_for(lambda: "Ctrl-C stops" in stack.output(), 120, "the demo trader")
        yield stack
    finally:
        stack.destroy()


class Watcher:
    """Stream client that asserts continuity: within an epoch no update is skipped or repeated."""

    def __init__(self, url):
        self.url = url
        self.at, self.names, self.values = {}, {}, {}

    async def __aenter__(self):
        self.socket = await connect(self.url, compression=None, open_timeout=60)
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def watch(self, topic):
        await self.socket.send(json.dumps({"op": "subscribe", "topic": topic}))
        await self.until(lambda: topic in self.at, 120, topic)

    async def until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"{what}: not within {seconds} s; last {self.values.get('venues')}"
            with contextlib.suppress(TimeoutError):
                self.read(json.loads(await asyncio.wait_for(self.socket.recv(), left)))

    def read(self, frame):
        if frame["op"] == "ok":
            self.names[frame["id"]] = frame["topic"]
            self.at[frame["topic"]] = (frame["epoch"], frame["seq"])
            self.values[frame["topic"]] = frame["snapshot"]
        for number, first, last, body in frame.get("m", []):
            topic = self.names[number]
            epoch, seen = self.at[topic]
            assert first == seen + 1, f"{topic}: {first} after {seen}"
            self.at[topic] = (epoch, last)
            if isinstance(body, dict):
                self.values[topic] = {**(self.values[topic] or {}), **body}

    def status(self):
        return (self.values.get("venues") or {}).get("hyperliquid-sim", {}).get("status")


class ReaderPool:
    """Stream clients in a thread, which reconnect after a disconnect and check every seq."""

    def __init__(self, url, size):
        self.url, self.size = url, size
        self.frames = 0
        self.breaks = []

    def __enter__(self):
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)

    async def _live(self):
        self._loop = asyncio.get_running_loop()
        readers = [asyncio.create_task(self._read()) for _ in range(self.size)]
        await self._over.wait()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self):
        while True:
            try:
                async with Watcher(self.url) as watcher:
                    for topic in (
                        "ticks.hyperliquid-sim",
                        "book.hyperliquid-sim.BTC",
                        "trades.hyperliquid-sim.BTC",
                    ):
                        await watcher.socket.send(json.dumps({"op": "subscribe", "topic": topic}))
                    async for frame in watcher.socket:
                        watcher.read(json.loads(frame))
                        self.frames += 1
            except AssertionError as broken:
                self.breaks.append(str(broken))
                return
            except (OSError, WebSocketException):
                await asyncio.sleep(0.5)
