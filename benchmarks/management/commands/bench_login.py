"""Measures how a flood of logins affects the latency of other routes.

Needs a running server with rate limits that allow the requests:

RATE_LIMIT_AUTH=100000/60 RATE_LIMIT_AUTH_ACCOUNT=100000/60 RATE_LIMIT_READ=100000/60 make run
"""

import asyncio
import json
import re
import secrets
import statistics
from typing import Any

import aiohttp
from django.core.management.base import BaseCommand, CommandParser

PERIOD = 0.025  # s between requests to other routes; open loop: latency counts from the scheduled time
PATHS = ("/health", "/accounts/login/", "/api/v1/venues")
LOGIN_PATH = "/accounts/login/"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Command(BaseCommand):
    help = "Latency of other routes without and with sign-ins in flight: p50, p99 and their ratio."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000")
        parser.add_argument("--in-flight", type=int, default=100)
        parser.add_argument("--seconds", type=float, default=15)

    def handle(self, *args: Any, **options: Any) -> None:
        result = asyncio.run(measure(options["url"], options["in_flight"], options["seconds"]))
        self.stdout.write(json.dumps(result, indent=1))


async def measure(url: str, in_flight: int, seconds: float) -> dict[str, Any]:
    """Latencies in ms without and with the login flood, and the response status counts of the logins."""
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as others:
        await _others(others, 2)  # warm-up
        quiet = await _others(others, seconds)
        statuses: dict[int, int] = {}
        flood = [asyncio.create_task(_login_loop(url, statuses)) for _ in range(in_flight)]
        try:
            await _others(others, 3)  # all clients have loaded and sent the form
            busy = await _others(others, seconds)
        finally:
            for login in flood:
                login.cancel()
    ratios = {f"{name}_ratio": round(busy[name] / quiet[name], 2) for name in ("p50_ms", "p99_ms")}
    return {"quiet": quiet, "busy": busy, **ratios, "sign_ins": statuses}


async def _others(session: aiohttp.ClientSession, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    begin, requests = loop.time(), []
    for number in range(int(seconds / PERIOD)):
        due = begin + number * PERIOD
        await asyncio.sleep(max(0.0, due - loop.time()))
        requests.append(asyncio.create_task(_ask(session, PATHS[number % len(PATHS)], due)))
    latencies = sorted(await asyncio.gather(*requests))
    return {
        "requests": len(latencies),
        "p50_ms": round(1000 * statistics.median(latencies), 1),
        "p99_ms": round(1000 * latencies[int(len(latencies) * 0.99)], 1),
    }


async def _ask(session: aiohttp.ClientSession, path: str, due: float) -> float:
    async with session.get(path) as response:
        await response.read()
    return asyncio.get_running_loop().time() - due


async def _login_loop(url: str, statuses: dict[int, int]) -> None:
    """Send logins of random accounts with a wrong password, each as soon as the last one is answered."""
    jar = aiohttp.CookieJar(unsafe=True)  # the default jar ignores cookies of IP addresses
    async with aiohttp.ClientSession(url, cookie_jar=jar, timeout=aiohttp.ClientTimeout(120)) as session:
        async with session.get(LOGIN_PATH) as page:
            found = _TOKEN.search(await page.text())
        form = {"csrfmiddlewaretoken": found[1] if found else "", "password": secrets.token_hex(8)}
        while True:
            named = {**form, "login": f"{secrets.token_hex(8)}@example.org"}
            async with session.post(LOGIN_PATH, data=named) as response:
                await response.read()
                statuses[response.status] = statuses.get(response.status, 0) + 1
