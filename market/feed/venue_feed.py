"""Venue feed: runs one leased venue, from its sockets to the publisher and to PostgreSQL, until cancelled."""

import asyncio
import logging
import random
from collections.abc import Callable

from django.conf import settings
from prometheus_client import Counter, Gauge

from core.errors import DATABASE_ERRORS, REDIS_ERRORS
from core.leases import Claim, LeaseLost, task_is_running
from core.threads import in_thread
from market.domain.errors import MarketError
from market.domain.subscriptions import backoff
from market.feed.aggregator import FeedAggregator
from market.feed.backfill import Backfill
from market.hub import Publisher
from market.services import candles_store, instrument_sync, trades_store
from market.venues.base import Feed
from market.venues.rows import Rows, rejected_of, rejected_text

logger = logging.getLogger(__name__)

FLUSH_INTERVAL = 0.05
STATUS_INTERVAL = 1.0
FLUSH_RETRY_DELAY = 0.5
STORE_INTERVAL = 1.0
INTEREST_POLL_INTERVAL = 1.0
INSTRUMENT_LIST_INTERVAL = 600.0
SHUTDOWN_TIMEOUT = 1.0
FLUSHES = Counter("cryptotrade_feed_flushes_total", "Flushes to the stream layer.", ["venue"])
FLUSH_FAILURES = Counter("cryptotrade_feed_flush_failures_total", "Flushes that failed in Redis.", ["venue"])
STORED = Counter("cryptotrade_feed_rows_stored_total", "Candles and trades written.", ["venue", "what"])
AGE = Gauge("cryptotrade_feed_age_seconds", "Age of the newest frame of a venue.", ["venue"])


class VenueFeed:
    """The tasks of one venue. `safe()` is True while the worker's lease is valid by the local clock."""

    def __init__(
        self,
        feed: Feed,
        publisher: Publisher,
        claim: Claim,
        *,
        safe: Callable[[], bool],
        store: bool = True,
    ) -> None:
        self.aggregator = FeedAggregator(publisher, store_trades=store and settings.STORE_TRADES)
        self._venue = feed.venue
        self._feed = feed
        self._publisher = publisher
        self._claim = claim
        self._lease_is_safe = safe
        self._store = store
        self._backfill = Backfill(feed, self.aggregator, claim)
        self._interest_changed = asyncio.Event()
        self._publish_error: str | None = None  # error of the last flush, if it failed

    def interest_changed(self) -> None:
        """Handle a nudge: read the watched topics now instead of at the next poll."""
        self._interest_changed.set()

    async def run(self) -> None:
        """Run all tasks. Raises `LeaseLost` when another worker has claimed the venue."""
        loops = [
            self._list_instruments,
            self._poll_interest,
            self._flush_loop,
            self._refill,
            self._close_candles,
        ]
        if self._store:
            loops += [self._store_loop, self._backfill.run]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed.run(self.aggregator), name=f"{self._venue} stream")
                for loop in loops:
                    tasks.create_task(loop(), name=f"{self._venue} {loop.__name__}")
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            await self._shut_down()

    async def _shut_down(self) -> None:
        """Publish the status "down" while the lease is safe, then close all connections."""
        if self._lease_is_safe():
            try:
                async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                    self.aggregator.offer()
                    await self._publisher.flush(status="down", age_ms=self.aggregator.status()[1])
            except REDIS_ERRORS:
                logger.info("final status not published", extra={"venue": self._venue})
        await self._feed.close()
        await self._publisher.close()

    # --- instruments -------------------------------------------------------------------------------
    async def _list_instruments(self) -> None:
        """Read the instruments of the venue at start (with retries), then every ten minutes."""
        pauses = backoff(random.random)
        while task_is_running():
            try:
                await self._list_once()
            except (MarketError, *DATABASE_ERRORS) as problem:
                pause = next(pauses)
                logger.warning("instruments not read", extra={"venue": self._venue, "reason": str(problem)})
            else:
                pauses = backoff(random.random)
                pause = INSTRUMENT_LIST_INTERVAL
            if task_is_running():  # a cancellation swallowed above must not wait for this sleep
                await asyncio.sleep(pause)

    async def _list_once(self) -> None:
        instruments = await self._feed.instruments()
        if self._store:
            self._backfill.ids = await in_thread(
                instrument_sync,
                venue=self._venue,
                instruments=instruments,
                claim=self._claim,
                complete=not rejected_of(instruments),
            )
        self.aggregator.announce(instruments)
        problems = [rejected_text("Instruments", rejected_of(instruments))]
        try:
            contexts = await self._feed.contexts()
            for context in contexts:
                self.aggregator.event(context)
            problems.append(rejected_text("Asset contexts", rejected_of(contexts)))
        except MarketError as problem:  # optional: the stream sends the same contexts one by one
            logger.info("contexts not read", extra={"venue": self._venue, "reason": str(problem)})
        self._publisher.problem = " ".join(filter(None, problems))
        self.aggregator.rank()
        if not self._store:
            for symbol in self.aggregator.symbols:
                self.aggregator.backfill_candles(symbol, [], 0)
        self._update_subscriptions()

    def _update_subscriptions(self) -> None:
        if dropped := self._feed.set_subscriptions(self.aggregator.subscriptions()):
            logger.warning(
                "subscriptions dropped: over the venue's limit",
                extra={"venue": self._venue, "count": len(dropped)},
            )

    # --- watched topics ----------------------------------------------------------------------------
    async def _poll_interest(self) -> None:
        while task_is_running():
            try:
                topics = await self._publisher.interest()
            except REDIS_ERRORS:
                logger.debug("watched topics not read", extra={"venue": self._venue})
            else:
                if self.aggregator.watch(topics):
                    self._update_subscriptions()
            self._interest_changed.clear()
            try:
                async with asyncio.timeout(INTEREST_POLL_INTERVAL):
                    await self._interest_changed.wait()
            except TimeoutError:
                continue

    async def _refill(self) -> None:
        """Fetch recent trades after a gap, or when a topic becomes watched."""
        while task_is_running():
            await self.aggregator.refill.wait()
            self.aggregator.refill.clear()
            while self.aggregator.to_refill:
                symbol = self.aggregator.to_refill.pop()
                try:
                    missing = await self._feed.recent_trades(symbol)
                except MarketError as problem:
                    logger.warning(
                        "recent trades not read",
                        extra={"venue": self._venue, "symbol": symbol, "reason": str(problem)},
                    )
                    missing = Rows()
                self.aggregator.fill(symbol, missing)

    # --- output to Redis -----------------------------------------------------------------------------
    async def _flush_loop(self) -> None:
        clock = asyncio.get_running_loop().time
        published_status, published_at = "", float("-inf")
        while task_is_running():
            await asyncio.sleep(FLUSH_INTERVAL)
            if not self._lease_is_safe():
                raise LeaseLost(f"{self._venue}: the lease could not be renewed in time")
            changed = self.aggregator.offer()
            status, age_ms = self.aggregator.status()
            AGE.labels(self._venue).set(age_ms / 1000)
            if not changed and status == published_status and clock() - published_at < STATUS_INTERVAL:
                continue
            if await self._flush(status, age_ms):
                published_status, published_at = status, clock()
            else:
                published_at = float("-inf")
                await asyncio.sleep(FLUSH_RETRY_DELAY)

    async def _flush(self, status: str, age_ms: int) -> bool:
        try:
            await self._publisher.flush(status=status, age_ms=age_ms)
        except REDIS_ERRORS as problem:
            FLUSH_FAILURES.labels(self._venue).inc()
            self._log_publish_state(str(problem))
            return False
        self._log_publish_state(None)
        FLUSHES.labels(self._venue).inc()
        return True

    def _log_publish_state(self, problem: str | None) -> None:
        """Log the first failure and the recovery only; the counter has every failure."""
        if problem and not self._publish_error:
            logger.warning("not published", extra={"venue": self._venue, "reason": problem})
        elif self._publish_error and not problem:
            logger.info("published again", extra={"venue": self._venue})
        self._publish_error = problem

    # --- output to PostgreSQL ------------------------------------------------------------------------
    async def _close_candles(self) -> None:
        while task_is_running():
            await asyncio.sleep(STORE_INTERVAL)
            self.aggregator.settle()

    async def _store_loop(self) -> None:
        while task_is_running():
            await asyncio.sleep(STORE_INTERVAL)
            candles, trades = self.aggregator.pop_closed(), self.aggregator.pop_trades()
            try:
                await self._store_once(candles, trades)
            except DATABASE_ERRORS as problem:
                logger.warning("not stored", extra={"venue": self._venue, "reason": str(problem)})
                self.aggregator.restore_unstored(candles, trades)

    async def _store_once(self, candles: list, trades: list) -> None:  # type: ignore[type-arg]
        ids = self._backfill.ids
        rows = await in_thread(candles_store, claim=self._claim, ids=ids, candles=candles)
        STORED.labels(self._venue, "candles").inc(rows)
        rows = await in_thread(trades_store, claim=self._claim, ids=ids, trades=trades)
        STORED.labels(self._venue, "trades").inc(rows)
