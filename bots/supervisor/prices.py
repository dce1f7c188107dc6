"""The newest tick of every instrument that a bot here trades: each venue is read once for all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bots.domain.events import Ticked
from bots.sdk import Tick
from bots.selectors.market_data import tick_read
from bots.supervisor.clock import now_ms
from bots.supervisor.strategy_executor import Call
from market.leases import task_goes_on
from wallets.selectors import Prices, prices_of

READ_SECONDS = 0.05  # venues flush ten to twenty times a second

# Hears a tick, or None while there is none; answers with the call that decides on it, if it may be made now.
Hear = Callable[[Ticked | None], Call | None]
Decide = Callable[[list[Call]], Awaitable[None]]


@dataclass
class _Crowd:
    """Who listens to one instrument, and what they heard last. `new` ones have heard nothing."""

    hears: dict[Hear, None] = field(default_factory=dict)
    new: set[Hear] = field(default_factory=set)
    last: Tick | None = None

    def calls(self, tick: Tick | None) -> list[Call]:
        hearing = list(self.hears) if tick != self.last else list(self.new)
        self.last = tick
        self.new.clear()
        event = None if tick is None else Ticked(now_ms(), tick)
        return [call for hear in hearing if (call := hear(event))]


class PriceReader:
    """Tells each listener when its instrument's tick is another one, and has all of them decide together."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._crowds: defaultdict[str, defaultdict[str, _Crowd]] = defaultdict(lambda: defaultdict(_Crowd))

    def listen(self, venue: str, symbol: str, hear: Hear) -> None:
        crowd = self._crowds[venue][symbol]
        crowd.hears[hear] = None
        crowd.new.add(hear)

    def leave(self, venue: str, symbol: str, hear: Hear) -> None:
        crowd = self._crowds[venue][symbol]
        crowd.hears.pop(hear, None)
        crowd.new.discard(hear)
        if not crowd.hears:
            del self._crowds[venue][symbol]

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while task_goes_on():
            began = clock()
            for venue, crowds in list(self._crowds.items()):
                if crowds:
                    # Not among the services: prices must not wait until orders are stored.
                    await self._tell(crowds, await asyncio.to_thread(prices_of, venue))
            await asyncio.sleep(max(0.0, began + READ_SECONDS - clock()))

    async def _tell(self, crowds: dict[str, _Crowd], prices: Prices) -> None:
        calls = [
            call for symbol, crowd in list(crowds.items()) for call in crowd.calls(tick_read(prices, symbol))
        ]
        if calls:
            await self._decide(calls)
