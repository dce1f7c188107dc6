"""Candle backfill: fetches missing candles after a start, a gap, or for a new instrument.

One round runs after every (re)connection. Stored candles are not requested again, so a round after a short
gap is small. The venue's request budget paces it; watched instruments come first.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from core.errors import DATABASE_ERRORS
from core.leases import Claim, task_is_running
from core.threads import in_thread
from market.domain.candles import bucket, first_gap
from market.domain.errors import MarketError, VenueRejected
from market.domain.events import INTERVALS, Candle
from market.feed.aggregator import FeedAggregator
from market.models import Candle as CandleRow
from market.services import candles_store
from market.venues.base import Feed

logger = logging.getLogger(__name__)

# 1m: one day, so that the open 1d candle can be aggregated. The others: one screen of bars.
DEPTH = {"1m": 1440, "5m": 500, "15m": 500, "1h": 500, "4h": 500, "1d": 500}
INTERVAL_PRIORITY = {
    interval: number for number, interval in enumerate(("1m", "5m", "1h", "15m", "1d", "4h"))
}
MAX_ATTEMPTS = 4
RETRY_DELAY = 2.0
PROGRESS_LOG_JOBS = 25
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


class Backfill:
    """Backfill task: fetches the missing candles of one venue until cancelled."""

    def __init__(self, feed: Feed, aggregator: FeedAggregator, claim: Claim) -> None:
        self.ids: Mapping[str, int] = {}
        self._feed = feed
        self._aggregator = aggregator
        self._claim = claim

    async def run(self) -> None:
        while task_is_running():
            await self._aggregator.resumed.wait()
            self._aggregator.resumed.clear()
            await self._run_round()

    async def _run_round(self) -> None:
        """Process every instrument and interval; stops when a reconnection requires a new round."""
        jobs = {(symbol, interval) for symbol in self._aggregator.symbols for interval in DEPTH}
        total, failures = len(jobs), Counter[Job]()
        while jobs and task_is_running() and not self._aggregator.resumed.is_set():
            job = self._next(jobs)
            jobs.remove(job)
            if not await self._try_fill(job) and failures[job] < MAX_ATTEMPTS - 1:
                failures[job] += 1
                jobs.add(job)
                await asyncio.sleep(RETRY_DELAY)
            elif len(jobs) % PROGRESS_LOG_JOBS == 0:
                self._log_progress(total - len(jobs), total)

    def _next(self, jobs: set[Job]) -> Job:
        """Next job: watched symbols, then all 1m (open candles need them), then by interval and volume."""
        order = {symbol: number for number, symbol in enumerate(self._aggregator.symbols)}
        watched = {symbol for symbol in order if self._aggregator.is_watched(symbol)}
        return min(
            jobs,
            key=lambda job: (job[0] not in watched, INTERVAL_PRIORITY[job[1]], order.get(job[0], 0), job),
        )

    async def _try_fill(self, job: Job) -> bool:
        """Run one job. Returns False when a retry may succeed. Raises `LeaseLost`."""
        try:
            await self._fill(*job)
        except VenueRejected as rejection:
            self._log_failure(job, rejection)
        except (MarketError, *DATABASE_ERRORS) as problem:
            self._log_failure(job, problem)
            return False
        return True

    async def _fill(self, symbol: str, interval: str) -> None:
        if symbol not in self.ids:
            return
        now, width = self._aggregator.venue_now(), INTERVALS[interval]
        since = bucket(now, interval) - (DEPTH[interval] - 1) * width
        existing = await in_thread(stored_times, self.ids[symbol], interval, since)
        start = first_gap(existing, interval, since, bucket(now, interval))
        fetched = [] if start is None else await self._feed.candles(symbol, interval, start, now)
        closed = [candle for candle in fetched if candle.open_time + width <= now]
        await in_thread(candles_store, claim=self._claim, ids=self.ids, candles=closed)
        if interval == "1m":
            stored = await in_thread(stored_minutes, symbol, self.ids[symbol], since)
            minutes = {candle.open_time: candle for candle in (*stored, *fetched)}
            self._aggregator.backfill_candles(symbol, [minutes[time] for time in sorted(minutes)], since)

    def _log_progress(self, done: int, total: int) -> None:
        logger.info("candle backfill", extra={"venue": self._feed.venue, "status": f"{done} of {total}"})

    def _log_failure(self, job: Job, problem: Exception) -> None:
        logger.warning(
            "candle backfill failed",
            extra={"venue": self._feed.venue, "symbol": job[0], "topic": job[1], "reason": str(problem)},
        )
