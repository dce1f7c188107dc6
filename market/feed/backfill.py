"""Candles that we missed: since the last stop, since a gap, or since ever.

One round after every (re)connection. A candle that is stored is not asked for again, so a round after
a short gap is small. The venue's request budget paces it: whatever is watched comes first.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from django.db import DatabaseError, InterfaceError

from market.domain.candles import bucket, first_gap
from market.domain.errors import MarketError, VenueRefused
from market.domain.events import INTERVALS, Candle
from market.feed.aggregator import Desk
from market.hub import in_thread
from market.leases import Claim, task_goes_on
from market.models import Candle as CandleRow
from market.services import candles_store
from market.venues.base import Feed

logger = logging.getLogger(__name__)

# 1m: a day, so that the open 1d candle can be folded. The others: a screen of bars.
DEPTH = {"1m": 1440, "5m": 500, "15m": 500, "1h": 500, "4h": 500, "1d": 500}
RANK = {interval: number for number, interval in enumerate(("1m", "5m", "1h", "15m", "1d", "4h"))}
TRIES = 4
REST_AFTER_FAILURE = 2.0
PROGRESS_EVERY = 25
Job = tuple[str, str]  # symbol, interval


def stored_times(instrument_id: int, interval: str, since: int) -> list[int]:
    """Open times of stored candles from `since` on."""
    rows = CandleRow.objects.filter(instrument_id=instrument_id, interval=interval, open_time__gte=since)
    return list(rows.values_list("open_time", flat=True))


def stored_minutes(symbol: str, instrument_id: int, since: int) -> list[Candle]:
    """Stored 1m candles from `since` on, oldest first."""
    rows = CandleRow.objects.filter(instrument_id=instrument_id, interval="1m", open_time__gte=since)
    values = rows.order_by("open_time").values_list("open_time", "open", "high", "low", "close", "volume")
    return [Candle(symbol, "1m", *row) for row in values]


class History:
    """Fills candles of one venue until cancelled."""

    def __init__(self, feed: Feed, desk: Desk, held: Claim) -> None:
        self.ids: Mapping[str, int] = {}
        self._feed = feed
        self._desk = desk
        self._held = held

    async def run(self) -> None:
        while task_goes_on():
            await self._desk.resumed.wait()
            self._desk.resumed.clear()
            await self._round()

    async def _round(self) -> None:
        """Every instrument in every interval; broken off when a new gap asks for a new round."""
        left = {(symbol, interval) for symbol in self._desk.symbols for interval in DEPTH}
        total, failures = len(left), Counter[Job]()
        while left and task_goes_on() and not self._desk.resumed.is_set():
            job = self._next(left)
            left.remove(job)
            if not await self._succeeds(job) and failures[job] < TRIES - 1:
                failures[job] += 1
                left.add(job)
                await asyncio.sleep(REST_AFTER_FAILURE)
            elif len(left) % PROGRESS_EVERY == 0:
                self._progress(total - len(left), total)

    def _next(self, left: set[Job]) -> Job:
        """The watched, then all minutes (open candles need them), then by interval; big markets first."""
        order = {symbol: number for number, symbol in enumerate(self._desk.symbols)}
        watched = {symbol for symbol in order if self._desk.is_watched(symbol)}
        return min(left, key=lambda job: (job[0] not in watched, RANK[job[1]], order.get(job[0], 0), job))

    async def _succeeds(self, job: Job) -> bool:
        """False when it may be worth another try. Raises `LeaseLost`."""
        try:
            await self._fill(*job)
        except VenueRefused as refusal:
            self._complain(job, refusal)
        except (MarketError, DatabaseError, InterfaceError) as problem:
            self._complain(job, problem)
            return False
        return True

    async def _fill(self, symbol: str, interval: str) -> None:
        if symbol not in self.ids:
            return
        now, width = self._desk.venue_now(), INTERVALS[interval]
        since = bucket(now, interval) - (DEPTH[interval] - 1) * width
        have = await in_thread(stored_times, self.ids[symbol], interval, since)
        start = first_gap(have, interval, since, bucket(now, interval))
        fetched = [] if start is None else await self._feed.candles(symbol, interval, start, now)
        closed = [candle for candle in fetched if candle.open_time + width <= now]
        await in_thread(candles_store, held=self._held, ids=self.ids, candles=closed)
        if interval == "1m":
            stored = await in_thread(stored_minutes, symbol, self.ids[symbol], since)
            minutes = {candle.open_time: candle for candle in (*stored, *fetched)}
            self._desk.heal(symbol, [minutes[time] for time in sorted(minutes)], since)

    def _progress(self, done: int, total: int) -> None:
        logger.info("history", extra={"venue": self._feed.venue, "status": f"{done} of {total}"})

    def _complain(self, job: Job, problem: Exception) -> None:
        logger.warning(
            "history is missing",
            extra={"venue": self._feed.venue, "symbol": job[0], "topic": job[1], "reason": str(problem)},
        )
