"""Price reader: the newest tick of every instrument that a local bot trades, one read per venue for all."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bots.domain.events import TickReceived
from bots.sdk import Tick
from bots.selectors.market_data import tick_read
from bots.supervisor.clock import now_ms
from bots.supervisor.strategy_executor import StrategyCall
from core.leases import task_is_running
from wallets.selectors import Prices, prices_of

READ_SECONDS = 0.05  # venues flush ten to twenty times a second

# Takes a tick, or None while there is none; returns the call that decides on it if the bot is idle.
OnTick = Callable[[TickReceived | None], StrategyCall | None]
Decide = Callable[[list[StrategyCall]], Awaitable[None]]


@dataclass
class _Subscribers:
    """Subscribers of one instrument and the last tick they received. `new` ones have not received any."""

    callbacks: dict[OnTick, None] = field(default_factory=dict)
    new: set[OnTick] = field(default_factory=set)
    last: Tick | None = None

    def calls(self, tick: Tick | None) -> list[StrategyCall]:
        due = list(self.callbacks) if tick != self.last else list(self.new)
        self.last = tick
        self.new.clear()
        event = None if tick is None else TickReceived(now_ms(), tick)
        return [call for on_tick in due if (call := on_tick(event))]


class PriceReader:
    """Delivers each new tick to the instrument's subscribers and has all of them decide in one batch."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._subscribers: defaultdict[str, defaultdict[str, _Subscribers]] = defaultdict(
            lambda: defaultdict(_Subscribers)
        )

    def subscribe(self, venue: str, symbol: str, on_tick: OnTick) -> None:
        subscribers = self._subscribers[venue][symbol]
        subscribers.callbacks[on_tick] = None
        subscribers.new.add(on_tick)

    def unsubscribe(self, venue: str, symbol: str, on_tick: OnTick) -> None:
        subscribers = self._subscribers[venue][symbol]
        subscribers.callbacks.pop(on_tick, None)
        subscribers.new.discard(on_tick)
        if not subscribers.callbacks:
            del self._subscribers[venue][symbol]

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while task_is_running():
            started_at = clock()
            for venue, venue_subscribers in list(self._subscribers.items()):
                if venue_subscribers:
                    # Not in the threads of the services: prices must not wait until orders are stored.
                    await self._deliver(venue_subscribers, await asyncio.to_thread(prices_of, venue))
            await asyncio.sleep(max(0.0, started_at + READ_SECONDS - clock()))

    async def _deliver(self, venue_subscribers: dict[str, _Subscribers], prices: Prices) -> None:
        calls = [
            call
            for symbol, subscribers in list(venue_subscribers.items())
            for call in subscribers.calls(tick_read(prices, symbol))
        ]
        if calls:
            await self._decide(calls)
