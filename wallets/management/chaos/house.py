"""The house under test: its processes, and how they are killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
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
    "feed": ("manage.py", "market-feed"),
    "redis": ("redis-server",),
    "postgres": ("-D", "postgres"),
}
STOP_WITHIN = 40
INSIDE = "CHAOS_INSIDE"  # set: the environment is that of the house under test


class ChaosHouse:
    """`manage.py up` with the environment of this process, which names its own `var/` and ports."""

    def __init__(self, port: int, without: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.var = Path(settings.VAR_DIR)
        self._without = without
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        command = ["chaos_house", "--without", self._without] if self._without else ["up"]
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

    def kill(self, kind: str) -> bool:
        """SIGKILL. False when there is nothing to kill at the moment."""
        return self._signal(kind, lambda process: process.kill())

    def stop_still(self, kind: str) -> bool:
        return self._signal(kind, lambda process: process.suspend())

    def go_on(self, kind: str) -> bool:
        return self._signal(kind, lambda process: process.resume())

    def _signal(self, kind: str, act: Callable[[psutil.Process], None]) -> bool:
        found = self._find(kind)
        if found is None:
            return False
        try:
            act(found)
        except psutil.NoSuchProcess:
            return False
        return True

    def _find(self, kind: str) -> psutil.Process | None:
        if self._process is None:
            return None
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    line = process.cmdline()
                    if all(any(word in part for part in line) for word in WORDS[kind]):
                        return process
        return self._postmaster() if kind == "postgres" else None

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
