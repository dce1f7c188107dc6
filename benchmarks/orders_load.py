"""Open-loop load of the orders benchmark. `python -m benchmarks.orders_load`

Reads `{"url", "users", "rate", "seconds"}`, then `{"phase": "empty" | "place"}` repeatedly, and writes latencies
and errors of each phase.
"""

import asyncio
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

PATHS = {"empty": "/api/v1/bench/empty", "place": "/api/v1/orders"}
WARM_SECONDS = 3.0
MIN_SECONDS = 1.0


@dataclass
class Phase:
    """Results of one phase; times in seconds from when the request was due."""

    times: list[float] = field(default_factory=list)
    errors: int = 0
    sample: str = ""

    def row(self, name: str, seconds: float) -> dict[str, Any]:
        times = sorted(self.times)
        return {
            "name": name,
            "requests": len(times),
            "rate": round(len(times) / seconds, 1),
            "p50_ms": round(1000 * times[len(times) // 2], 2),
            "p99_ms": round(1000 * times[int(len(times) * 0.99)], 2),
            "errors": self.errors,
            "sample": self.sample,
            "orders_per_s": None,
        }


class Users:
    """Simulated API users; `users` are dicts of key, wallet, symbol, price and size."""

    def __init__(self, session: aiohttp.ClientSession, users: list[dict[str, str]], rate: float) -> None:
        self._session = session
        self._users = users
        self._rate = rate

    async def phase(self, name: str, seconds: float) -> Phase:
        """Send requests of all users, evenly spread in time, for `seconds`."""
        result = Phase()
        await asyncio.gather(
            *(self._user(number, name, seconds, result) for number in range(len(self._users)))
        )
        return result

    async def _user(self, number: int, name: str, seconds: float, result: Phase) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time() + number / len(self._users) / self._rate
        tasks = []
        for turn in range(max(1, int(seconds * self._rate))):
            due = begin + turn / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self._request(self._users[number], name, due, result)))
        await asyncio.gather(*tasks)

    async def _request(self, user: dict[str, str], name: str, due: float, result: Phase) -> None:
        headers = {"Authorization": f"Bearer {user['key']}", "Content-Type": "application/json"}
        body = orjson.dumps(_order(user))
        async with self._session.post(PATHS[name], data=body, headers=headers) as response:
            text = await response.read()
        result.times.append(asyncio.get_running_loop().time() - due)
        if response.status not in (200, 201):
            result.errors += 1
            result.sample = f"{response.status} {text[:300].decode(errors='replace')}"


def _order(user: dict[str, str]) -> dict[str, Any]:
    return {
        "client_id": str(uuid.uuid4()),
        "wallet": user["wallet"],
        "venue": "hyperliquid-sim",
        "symbol": user["symbol"],
        "side": "buy",
        "order_type": "limit",
        "price": user["price"],
        "size": user["size"],
    }


async def _main() -> None:
    params = await _read_message()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(params["url"], connector=connector) as session:
        users = Users(session, params["users"], params["rate"])
        for name in PATHS:
            await users.phase(name, min(WARM_SECONDS, max(MIN_SECONDS, params["seconds"])))
        _write_message({"warm": True})
        while message := await _read_message():
            result = await users.phase(message["phase"], params["seconds"])
            _write_message(result.row(message["phase"], params["seconds"]))


async def _read_message() -> Any:
    line = await asyncio.to_thread(sys.stdin.readline)
    return orjson.loads(line) if line else None


def _write_message(message: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
