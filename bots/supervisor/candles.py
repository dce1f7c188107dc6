"""Candle cache and candle limiter: stored closed candles, read once for all bots of an instrument."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bots.sdk import Candle, DataRequirements, Instrument
from bots.selectors.market_data import candles_stored
from bots.supervisor.clock import steady
from core.threads import in_thread
from market.domain.events import INTERVALS

FRESH_SECONDS = 0.9  # a little less than the interval between two reconciliations
MAX_CONCURRENT = 3


def is_due(requirements: DataRequirements, last: int, now: int) -> bool:
    """Whether a candle has closed since the one that opened at `last` (ms)."""
    return requirements.interval is not None and now >= last + 2 * INTERVALS[requirements.interval]


class CandleLimiter:
    """Limits how many bots process a closed candle at once: a thousand at once would delay all prices.

    `on_admitted` is called when the bot's turn has come; the bot calls `release` afterwards in any case.
    """

    def __init__(self) -> None:
        self._waiting: dict[object, Callable[[], None]] = {}
        self._active: set[object] = set()

    def acquire(self, bot: object, on_admitted: Callable[[], None]) -> None:
        """Request a turn. A bot that has or awaits a turn is not queued again."""
        if bot not in self._active:
            self._waiting.setdefault(bot, on_admitted)
            self._next()

    def release(self, bot: object) -> None:
        """Give the turn back, or leave the queue."""
        self._waiting.pop(bot, None)
        self._active.discard(bot)
        self._next()

    def _next(self) -> None:
        while self._waiting and len(self._active) < MAX_CONCURRENT:
            bot = next(iter(self._waiting))
            self._active.add(bot)
            self._waiting.pop(bot)()


@dataclass
class _Read:
    started_at: float
    task: asyncio.Task[tuple[Candle, ...]]


class CandleCache:
    """Candle cache of one supervisor. Bots with equal requirements share one read and its result."""

    def __init__(self) -> None:
        self._reads: dict[tuple[Instrument, str, int], _Read] = {}

    async def read(self, instrument: Instrument, requirements: DataRequirements) -> tuple[Candle, ...]:
        """The candles that the strategy requires, at most a second old."""
        if requirements.interval is None or not requirements.candles:
            return ()
        key = instrument, requirements.interval, requirements.candles
        read = self._reads.get(key)
        if read is None or steady() - read.started_at > FRESH_SECONDS or read.task.cancelled():
            self._evict()
            task = asyncio.create_task(in_thread(candles_stored, *key), name="candles")
            read = self._reads[key] = _Read(steady(), task)
        return await asyncio.shield(read.task)  # cancelling one bot must not cancel the read for the others

    def _evict(self) -> None:
        """Drop old reads; the bots keep references to the candles that they need."""
        old = [key for key, one in self._reads.items() if steady() - one.started_at > FRESH_SECONDS]
        for key in old:
            if self._reads[key].task.done():
                del self._reads[key]
