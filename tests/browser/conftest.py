"""A real Chromium against a real server: uvicorn in a process of its own, on the test database.

The feed is a thread with a `Publisher`, which a test starts, stops and steers.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from market.hub import Publisher, topic_read
from tests.browser.chromium import FLAGS, chromium_path
from tests.market import factories

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
expect.set_options(timeout=PATIENCE * 1000)
# The last two: a page that is left while a part of it reads itself again.
EXPECTED_ON_LOSS = ("WebSocket connection to", "net::ERR_", "htmx:sendAbort", "htmx:afterRequest")


def wait_until(condition: Callable[[], Any], what: str, *, patience: float = PATIENCE) -> Any:
    """Poll until `condition()` is truthy; its value."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if value := condition():
            return value
        threading.Event().wait(0.05)
    raise AssertionError(f"not within {patience:.0f} s: {what}")


class Server:
    """uvicorn on an ephemeral port that survives its restarts."""

    def __init__(self, database_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": settings.REDIS_URL}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "cryptotrade.asgi:application", "--log-level", "warning"]
        command += [
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--ws",
            "websockets-sansio",
            "--lifespan",
            "off",
        ]
        command += ["--timeout-graceful-shutdown", "1"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        wait_until(self._answers, "the server answers", patience=60)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=60) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """The process stops answering; its sockets stay open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            self._process.wait(timeout=60)


class Feed:
    """Publishes the simulator's ticks, BTC's book, trades and candle; BTC rises by one at each flush."""

    def __init__(self) -> None:
        self.price = 71_284
        self.candle: list[Any] | None = None
        self.epoch = 0
        self.spoke = 0.0  # when the last flush was done
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self.epoch += 1
        self._stop.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        wait_until(lambda: topic_read("ticks.hyperliquid-sim"), "the feed speaks")

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=60)

    async def _run(self) -> None:
        publisher = Publisher("hyperliquid-sim", self.epoch, simulated=True)
        publisher.symbols([*factories.COINS, "PURR/USDC"])
        publisher.queue_ticks(factories.ticks())
        number = 0
        while not self._stop.is_set():
            number += 1
            self.price += 1
            self._offer(publisher, number)
            await publisher.flush(status="live", age_ms=20)
            self.spoke = time.time()
            await asyncio.sleep(0.1)
        await publisher.close()

    def _offer(self, publisher: Publisher, number: int) -> None:
        publisher.queue_ticks({"BTC": factories.tick(str(self.price), "1.8712", "3630000000")})
        publisher.queue_book("BTC", factories.book(self.price))
        publisher.queue_trades("BTC", [factories.trade(number, str(self.price))])
        for interval, minutes in (("15m", 15), ("1h", 60)):
            opens = int(time.time() * 1000) // (minutes * factories.MINUTE) * minutes * factories.MINUTE
            row = [opens, "71200", str(self.price + 5), "71100", str(self.price), "10"]
            publisher.queue_candle("BTC", interval, row)


@pytest.fixture(scope="package")
def chromium() -> Generator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.fail("no Chromium; run: python -m tests.browser.chromium")
    # Playwright runs an event loop in this thread: Django would take our ORM calls for asynchronous ones,
    # and asynchronous tests elsewhere could not run theirs, hence not for the session.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="package")
def server(django_db_setup: None) -> Generator[Server]:
    base, _, _ = os.environ["DATABASE_URL"].partition("?")
    head, _, _ = base.rpartition("/")
    running = Server(f"{head}/{connection.settings_dict['NAME']}")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def market(transactional_db: None) -> Any:
    """Five coins, one spot instrument, 1,200 quarter-hours and 300 hours of BTC."""
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    venue = factories.market_make()
    btc = venue.instruments.get(symbol="BTC")
    factories.candles_make(btc, 1200)
    factories.candles_make(btc, 300, interval="1h")
    return venue


@pytest.fixture
def feed(market: Any) -> Generator[Feed]:
    running = Feed()
    # Each test's feed is a later owner of the venue: the server lives through all of them.
    running.epoch = int(time.time())
    running.start()
    yield running
    running.stop()


class Watched:
    """A browser context with pages that must log no error and violate no policy."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.problems: list[str] = []
        context.on("console", self._heard)
        context.on(
            "weberror", lambda error: self.problems.append(str(getattr(error.error, "stack", error.error)))
        )

    def _heard(self, message: ConsoleMessage) -> None:
        wanted_404 = message.location["url"].endswith("/nothing-here")
        refused_form = "status of 422" in message.text
        if message.type in ("error", "warning") and not wanted_404 and not refused_form:
            self.problems.append(f"{message.text} {message.location['url']}")

    def serious(self) -> list[str]:
        """Without what a browser says of a connection that a test cut."""
        return [
            text
            for text in self.problems
            if not text.startswith(EXPECTED_ON_LOSS) and "net::ERR_" not in text
        ]


@pytest.fixture
def watched(chromium: Browser, server: Server, transactional_db: None) -> Generator[Watched]:
    # The database is emptied after the pages are gone: a page still asking would hear of nothing but 404.
    context = chromium.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE * 1000)
    seen = Watched(context)
    yield seen
    context.close()
    assert seen.serious() == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.context.new_page()
