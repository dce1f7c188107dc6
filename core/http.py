"""HTTP requests of commands and tools, one at a time, by aiohttp. Synchronous callers use `asyncio.run`."""

import json
from dataclasses import dataclass

import aiohttp

HTTP_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)  # no complete response
BUSY = frozenset({"cpu", "memory"})  # checks of /ready that fail on a busy machine


@dataclass(frozen=True, slots=True)
class HttpResult:
    """Response of a server, of any status."""

    status: int
    body: bytes


async def http_get(url: str, *, timeout_seconds: float) -> HttpResult:
    """Raises `HTTP_ERRORS`."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        return HttpResult(response.status, await response.read())


async def is_ready(url: str, *, ignored: frozenset[str] = BUSY) -> bool:
    """Whether `/ready` of the server at `url` succeeds, or only checks of `ignored` fail."""
    try:
        result = await http_get(f"{url}/ready", timeout_seconds=5)
        return result.status == 200 or set(json.loads(result.body)["failed"]) <= ignored
    except (*HTTP_ERRORS, ValueError, KeyError, TypeError):
        return False
