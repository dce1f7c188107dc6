"""The newest tick of every instrument that a bot here trades: each venue is read once for all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bots.sdk import Tick
from market.domain.figures import decimal_parse
from market.hub import in_thread
from market.leases import task_goes_on
from wallets.selectors import Prices, prices_of

READ_SECONDS = 0.2
STALE_MS = 10_000

Hear = Callable[[Tick | None], None]


def tick_read(prices: Prices, symbol: str) -> Tick | None:
    """None when there is no price that a bot should act on: none at all, an old one, or a crossed book."""
    if prices.age is None or prices.age > STALE_MS:
        return None
    said: dict[str, Any] = prices.ticks.get(symbol, {})
    bid, ask, last = (decimal_parse(said.get(name)) for name in ("bid", "ask", "last"))
    if bid is None or ask is None or last is None or not 0 < bid < ask:
        return None
    return Tick(int(said.get("t") or 0), bid, ask, last, decimal_parse(said.get("mark")))


class PriceReader:
    """Calls each listener when its instrument's tick is another one, and with None while there is none."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, dict[Hear, str]] = defaultdict(dict)
        self._last: dict[Hear, Tick | None] = {}

    def listen(self, venue: str, symbol: str, hear: Hear) -> None:
        self._listeners[venue][hear] = symbol

    def leave(self, venue: str, hear: Hear) -> None:
        self._listeners[venue].pop(hear, None)
        self._last.pop(hear, None)

    async def run(self) -> None:
        while task_goes_on():
            for venue, listeners in list(self._listeners.items()):
                if listeners:
                    self._tell(listeners, await in_thread(prices_of, venue))
            await asyncio.sleep(READ_SECONDS)

    def _tell(self, listeners: dict[Hear, str], prices: Prices) -> None:
        for hear, symbol in list(listeners.items()):
            tick = tick_read(prices, symbol)
            if hear not in self._last or tick != self._last[hear]:
                self._last[hear] = tick
                hear(tick)
