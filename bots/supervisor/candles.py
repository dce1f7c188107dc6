"""Closed candles as they are stored, read once for all bots of an instrument."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bots.sdk import Candle, Instrument, Needs
from bots.selectors.market_data import candles_stored
from bots.supervisor.clock import steady
from market.domain.events import INTERVALS
from market.hub import in_thread

FRESH_SECONDS = 0.9  # a little less than the pause between two looks
AT_ONCE = 3


def is_due(needs: Needs, last: int, now: int) -> bool:
    """Has a candle closed since the one that opened at `last` (ms)?"""
    return needs.interval is not None and now >= last + 2 * INTERVALS[needs.interval]


class CandleTurns:
    """Bots whose candle has closed go a few at a time: a thousand at once would keep prices from all others.

    `let_in` is called when it is the turn of whoever asked, who calls `leave` afterwards, however it ended.
    """

    def __init__(self) -> None:
        self._waiting: dict[object, Callable[[], None]] = {}
        self._inside: set[object] = set()

    def ask(self, who: object, let_in: Callable[[], None]) -> None:
        """At most once a head."""
        if who not in self._inside:
            self._waiting.setdefault(who, let_in)
            self._next()

    def leave(self, who: object) -> None:
        self._waiting.pop(who, None)
        self._inside.discard(who)
        self._next()

    def _next(self) -> None:
        while self._waiting and len(self._inside) < AT_ONCE:
            who = next(iter(self._waiting))
            self._inside.add(who)
            self._waiting.pop(who)()


@dataclass
class _Reading:
    began: float
    task: asyncio.Task[tuple[Candle, ...]]


class CandleShelf:
    """Of one supervisor. Bots that ask for the same candles are given the very same ones."""

    def __init__(self) -> None:
        self._readings: dict[tuple[Instrument, str, int], _Reading] = {}

    async def read(self, instrument: Instrument, needs: Needs) -> tuple[Candle, ...]:
        """What the strategy asked for, at most a second old."""
        if needs.interval is None or not needs.candles:
            return ()
        key = instrument, needs.interval, needs.candles
        reading = self._readings.get(key)
        if reading is None or steady() - reading.began > FRESH_SECONDS or reading.task.cancelled():
            self._forget()
            task = asyncio.create_task(in_thread(candles_stored, *key), name="candles")
            reading = self._readings[key] = _Reading(steady(), task)
        return await asyncio.shield(reading.task)  # one bot that leaves must not take it from the others

    def _forget(self) -> None:
        """What nobody has asked for lately: the bots hold on to what they need."""
        old = [key for key, one in self._readings.items() if steady() - one.began > FRESH_SECONDS]
        for key in old:
            if self._readings[key].task.done():
                del self._readings[key]
