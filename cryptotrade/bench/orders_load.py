"""Users that send requests when they are due. `python -m cryptotrade.bench.orders_load`

Reads `{"url", "users", "rate", "seconds"}`, then `{"phase": "empty" | "place"}` again and again, and says
what each phase was answered and how long it took.
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
LEAST_SECONDS = 1.0


@dataclass
class Phase:
    """What came of the requests of one phase; times in seconds from when they were due."""

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
    """`users` are dicts of key, wallet, symbol, price and size."""

    def __init__(self, session: aiohttp.ClientSession, users: list[dict[str, str]], rate: float) -> None:
        self._session = session
        self._users = users
        self._rate = rate

    async def phase(self, name: str, seconds: float) -> Phase:
        """Everybody at their own moments, evenly spread, for that long."""
        found = Phase()
        await asyncio.gather(
            *(self._user(number, name, seconds, found) for number in range(len(self._users)))
        )
        return found

    async def _user(self, number: int, name: str, seconds: float, found: Phase) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time() + number / len(self._users) / self._rate
        asked = []
        for turn in range(max(1, int(seconds * self._rate))):
            due = begin + turn / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            asked.append(asyncio.create_task(self._ask(self._users[number], name, due, found)))
        await asyncio.gather(*asked)

    async def _ask(self, user: dict[str, str], name: str, due: float, found: Phase) -> None:
        headers = {"Authorization": f"Bearer {user['key']}", "Content-Type": "application/json"}
        body = orjson.dumps(_order(user))
        async with self._session.post(PATHS[name], data=body, headers=headers) as answer:
            said = await answer.read()
        found.times.append(asyncio.get_running_loop().time() - due)
        if answer.status not in (200, 201):
            found.errors += 1
            found.sample = f"{answer.status} {said[:300].decode(errors='replace')}"


def _order(user: dict[str, str]) -> dict[str, Any]:
    return {
        "client_id": str(uuid.uuid4()),
        "wallet": user["wallet"],
        "venue": "simulator",
        "symbol": user["symbol"],
        "side": "buy",
        "kind": "limit",
        "price": user["price"],
        "size": user["size"],
    }


async def _main() -> None:
    told = await _hear()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(told["url"], connector=connector) as session:
        users = Users(session, told["users"], told["rate"])
        for name in PATHS:
            await users.phase(name, min(WARM_SECONDS, max(LEAST_SECONDS, told["seconds"])))
        _say({"warm": True})
        while asked := await _hear():
            found = await users.phase(asked["phase"], told["seconds"])
            _say(found.row(asked["phase"], told["seconds"]))


async def _hear() -> Any:
    line = await asyncio.to_thread(sys.stdin.readline)
    return orjson.loads(line) if line else None


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(words).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
