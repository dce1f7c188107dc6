"""Stack under test: starts, kills, pauses and stops the processes of `manage.py up`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from django.conf import settings

from core.http import is_ready

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
# Words that identify a process by its command line.
PROCESS_LABELS = {
    "web": ("manage.py", "web"),
    "execution": ("manage.py", "wallets-execution"),
    "supervisor": ("manage.py", "bots-supervisor"),
    "feed": ("manage.py", "market-feed"),
    "redis": ("redis.sock",),
    "postgres": ("-D", "postgres"),
}
SETTLED = 5.0  # s; a younger process is still starting
STOP_WITHIN = 40
# Failover needs another supervisor, so the last running supervisor is never killed or paused.
MIN_SUPERVISORS = 2
INSIDE = "CHAOS_INSIDE"  # set in the environment of the stack under test


class ChaosStack:
    """`manage.py up` with the environment of this process, which names its own `var/` and ports."""

    def __init__(self, port: int, disabled: str, supervisors: int = 1) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.var = Path(settings.VAR_DIR)
        self._options = ["--supervisors", str(supervisors), "--disable", disabled]
        self._is_plain = supervisors == 1 and not disabled
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        command = ["up"] if self._is_plain else ["chaos_stack", *self._options]
        with (self.var / "up.out").open("ab") as log:
            self._process = subprocess.Popen(
                [*MANAGE, *command], env=dict(os.environ), stdout=log, stderr=log, start_new_session=True
            )

    def is_ready(self) -> bool:
        """Whether `/ready` succeeds; failed CPU and memory checks are ignored, because the chaos test causes them."""
        return asyncio.run(is_ready(self.url))

    def kill(self, kind: str, pick: float = 0.0) -> int | None:
        """Send SIGKILL to one process of that kind. Returns its process id; None when no process can be killed now."""
        return self._signal(kind, pick, lambda process: process.kill())

    def suspend(self, kind: str, pick: float = 0.0) -> int | None:
        """Send SIGSTOP to one process of that kind and its children. Returns its process id or None."""
        return self._signal(kind, pick, lambda process: _each(process, psutil.Process.suspend))

    def resume(self, pid: int) -> None:
        with contextlib.suppress(psutil.Error):
            _each(psutil.Process(pid), psutil.Process.resume)

    def _signal(self, kind: str, pick: float, action: Callable[[psutil.Process], None]) -> int | None:
        candidates = self._running(kind)
        if not candidates or (kind == "supervisor" and len(candidates) < MIN_SUPERVISORS):
            return None
        chosen = candidates[int(pick * len(candidates))]
        try:
            action(chosen)
        except psutil.NoSuchProcess:
            return None
        return int(chosen.pid)

    def _running(self, kind: str) -> list[psutil.Process]:
        """Running processes of that kind that are not paused. Supervisors that are still starting are excluded."""
        running = []
        for process in self._find(kind):
            with contextlib.suppress(psutil.Error):
                young = kind == "supervisor" and time.time() - process.create_time() < SETTLED
                if process.status() != psutil.STATUS_STOPPED and not young:
                    running.append(process)
        return running

    def _find(self, kind: str) -> list[psutil.Process]:
        if self._process is None:
            return []
        candidates = []
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    command_line = process.cmdline()
                    if all(any(word in part for part in command_line) for word in PROCESS_LABELS[kind]):
                        candidates.append(process)
        postmaster = self._postmaster() if kind == "postgres" else None
        return [postmaster] if postmaster else sorted(candidates, key=lambda process: process.pid)

    def _postmaster(self) -> psutil.Process | None:
        """The PostgreSQL postmaster. It detaches from its parent, so its process id is read from its pid file."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            number = (self.var / "postgres" / "postmaster.pid").read_text().splitlines()[0]
            return psutil.Process(int(number))
        return None

    def stop(self) -> None:
        """Send SIGINT; after `STOP_WITHIN` seconds kill what still runs."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if left := self._postmaster():
            left.kill()

    def leftover_processes(self) -> list[str]:
        """Processes of this stack that still run after `stop`, found by `CRYPTOTRADE_VAR` in their environment."""
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                belongs = process.environ().get("CRYPTOTRADE_VAR") == str(self.var)
                if belongs and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return left


def _each(process: psutil.Process, action: Callable[[psutil.Process], None]) -> None:
    """Apply `act` to the process and its children: PostgreSQL has one child process per connection."""
    action(process)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            action(child)
