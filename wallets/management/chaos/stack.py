"""The house under test: its processes, and how they are killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
from django.conf import settings

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
# What a process is called on its command line.
WORDS = {
    "web": ("manage.py", "web"),
    "execution": ("manage.py", "wallets-execution"),
    "supervisor": ("manage.py", "bots-supervisor"),
    "feed": ("manage.py", "market-feed"),
    "redis": ("redis-server",),
    "postgres": ("-D", "postgres"),
}
SETTLED = 5.0  # s; younger than this, a process is still being started
STOP_WITHIN = 40
# A bot can only be taken over while somebody is left to do it: the last supervisor that works is left alone.
FEWEST_AWAKE = 2
INSIDE = "CHAOS_INSIDE"  # set: the environment is that of the house under test


class ChaosHouse:
    """`manage.py up` with the environment of this process, which names its own `var/` and ports."""

    def __init__(self, port: int, without: str, supervisors: int = 1) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.var = Path(settings.VAR_DIR)
        self._own = ["--supervisors", str(supervisors), "--without", without]
        self._is_plain = supervisors == 1 and not without
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        command = ["up"] if self._is_plain else ["chaos_stack", *self._own]
        with (self.var / "up.out").open("ab") as log:
            self._process = subprocess.Popen(
                [*MANAGE, *command], env=dict(os.environ), stdout=log, stderr=log, start_new_session=True
            )

    def is_ready(self) -> bool:
        """Everything answers; that the machine is busy does not count, for chaos makes it so."""
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5) as answer:  # noqa: S310  our own
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == 503 and set(json.load(error).get("failed", ["?"])) <= {"cpu", "memory"}
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def kill(self, kind: str, pick: float = 0.0) -> int | None:
        """SIGKILL. Its process id; None when there is nothing to kill at the moment."""
        return self._signal(kind, pick, lambda process: process.kill())

    def stop_still(self, kind: str, pick: float = 0.0) -> int | None:
        """SIGSTOP, its children too."""
        return self._signal(kind, pick, lambda process: _each(process, psutil.Process.suspend))

    def go_on(self, pid: int) -> None:
        with contextlib.suppress(psutil.Error):
            _each(psutil.Process(pid), psutil.Process.resume)

    def _signal(self, kind: str, pick: float, act: Callable[[psutil.Process], None]) -> int | None:
        found = self._awake(kind)
        if not found or (kind == "supervisor" and len(found) < FEWEST_AWAKE):
            return None
        chosen = found[int(pick * len(found))]
        try:
            act(chosen)
        except psutil.NoSuchProcess:
            return None
        return int(chosen.pid)

    def _awake(self, kind: str) -> list[psutil.Process]:
        """Those of a kind that work. Of supervisors only those that have been here for a moment."""
        awake = []
        for process in self._find(kind):
            with contextlib.suppress(psutil.Error):
                young = kind == "supervisor" and time.time() - process.create_time() < SETTLED
                if process.status() != psutil.STATUS_STOPPED and not young:
                    awake.append(process)
        return awake

    def _find(self, kind: str) -> list[psutil.Process]:
        if self._process is None:
            return []
        found = []
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    line = process.cmdline()
                    if all(any(word in part for part in line) for word in WORDS[kind]):
                        found.append(process)
        postmaster = self._postmaster() if kind == "postgres" else None
        return [postmaster] if postmaster else sorted(found, key=lambda process: process.pid)

    def _postmaster(self) -> psutil.Process | None:
        """It detaches itself from whoever starts it; its folder knows its number."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            number = (self.var / "postgres" / "postmaster.pid").read_text().splitlines()[0]
            return psutil.Process(int(number))
        return None

    def stop(self) -> None:
        """One Ctrl-C; what is left after that is killed."""
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

    def left_behind(self) -> list[str]:
        """Processes of this house that are still there after `stop`; each carries its folder's name."""
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                its = process.environ().get("CRYPTOTRADE_VAR") == str(self.var)
                if its and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return left


def _each(process: psutil.Process, act: Callable[[psutil.Process], None]) -> None:
    """The process, then its children: PostgreSQL answers by a child for each connection."""
    act(process)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            act(child)
