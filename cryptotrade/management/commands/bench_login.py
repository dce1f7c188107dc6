"""What a flood of sign-ins does to everybody else. Needs a running house whose limits let it through:

LIMIT_AUTH=100000/60 LIMIT_AUTH_ACCOUNT=100000/60 LIMIT_READ=100000/60 make run
"""

import asyncio
import json
import re
import secrets
import statistics
from typing import Any

import aiohttp
from django.core.management.base import BaseCommand, CommandParser

PERIOD = 0.025  # of the others: open loop, latency counted from when a request was due
PATHS = ("/health", "/accounts/login/", "/api/v1/venues")
SIGN_IN = "/accounts/login/"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Command(BaseCommand):
    help = "Latency of other routes without and with sign-ins in flight: p50, p99 and their ratio."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000")
        parser.add_argument("--in-flight", type=int, default=100)
        parser.add_argument("--seconds", type=float, default=15)

    def handle(self, *args: Any, **options: Any) -> None:
        figures = asyncio.run(measure(options["url"], options["in_flight"], options["seconds"]))
        self.stdout.write(json.dumps(figures, indent=1))


async def measure(url: str, in_flight: int, seconds: float) -> dict[str, Any]:
    """Latencies in ms, and what the sign-ins were answered."""
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as others:
        await _others(others, 2)  # everything is loaded once
        quiet = await _others(others, seconds)
        answers: dict[int, int] = {}
        flood = [asyncio.create_task(_knock(url, answers)) for _ in range(in_flight)]
        try:
            await _others(others, 3)  # all have loaded the form and sent it
            busy = await _others(others, seconds)
        finally:
            for knocking in flood:
                knocking.cancel()
    ratios = {f"{name}_ratio": round(busy[name] / quiet[name], 2) for name in ("p50_ms", "p99_ms")}
    return {"quiet": quiet, "busy": busy, **ratios, "sign_ins": answers}


async def _others(session: aiohttp.ClientSession, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    begin, asked = loop.time(), []
    for number in range(int(seconds / PERIOD)):
        due = begin + number * PERIOD
        await asyncio.sleep(max(0.0, due - loop.time()))
        asked.append(asyncio.create_task(_ask(session, PATHS[number % len(PATHS)], due)))
    taken = sorted(await asyncio.gather(*asked))
    return {
        "requests": len(taken),
        "p50_ms": round(1000 * statistics.median(taken), 1),
        "p99_ms": round(1000 * taken[int(len(taken) * 0.99)], 1),
    }


async def _ask(session: aiohttp.ClientSession, path: str, due: float) -> float:
    async with session.get(path) as answer:
        await answer.read()
    return asyncio.get_running_loop().time() - due


async def _knock(url: str, answers: dict[int, int]) -> None:
    """Wrong passwords of one made-up account after another, as fast as they are answered."""
    jar = aiohttp.CookieJar(unsafe=True)  # it would keep no cookies of an IP address
    async with aiohttp.ClientSession(url, cookie_jar=jar, timeout=aiohttp.ClientTimeout(120)) as session:
        async with session.get(SIGN_IN) as page:
            found = _TOKEN.search(await page.text())
        form = {"csrfmiddlewaretoken": found[1] if found else "", "password": secrets.token_hex(8)}
        while True:
            named = {**form, "login": f"{secrets.token_hex(8)}@example.org"}
            async with session.post(SIGN_IN, data=named) as answer:
                await answer.read()
                answers[answer.status] = answers.get(answer.status, 0) + 1
