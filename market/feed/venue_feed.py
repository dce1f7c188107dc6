"""One leased venue, from its sockets to the publisher and to PostgreSQL, until cancelled."""

import asyncio
import logging
import random
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from prometheus_client import Counter, Gauge

from market.domain.errors import MarketError
from market.domain.subscriptions import backoff
from market.feed.aggregator import Desk
from market.feed.backfill import History
from market.hub import Publisher, in_thread
from market.leases import Claim, LeaseLost, task_goes_on
from market.services import candles_store, instrument_sync, trades_store
from market.venues.base import Feed

logger = logging.getLogger(__name__)

FLUSH_EVERY = 0.05
SPEAK_EVERY = 1.0
RETRY_FLUSH = 0.5
STORE_EVERY = 1.0
LOOK_EVERY = 1.0
RELIST_EVERY = 600.0
LAST_WORD_WITHIN = 1.0
REDIS_AWAY = (redis.RedisError, OSError, TimeoutError)
DATABASE_AWAY = (DatabaseError, InterfaceError)
FLUSHES = Counter("cryptotrade_feed_flushes_total", "Flushes to the stream layer.", ["venue"])
FLUSH_FAILURES = Counter(
    "cryptotrade_feed_flush_failures_total", "Flushes that Redis did not take.", ["venue"]
)
STORED = Counter("cryptotrade_feed_rows_stored_total", "Candles and trades written.", ["venue", "what"])
AGE = Gauge("cryptotrade_feed_age_seconds", "Age of the newest frame of a venue.", ["venue"])


class VenueFeed:
    """The tasks of one venue. `safe` says whether the worker's lease still holds by our own clock."""

    def __init__(
        self, feed: Feed, publisher: Publisher, held: Claim, *, safe: Callable[[], bool], store: bool = True
    ) -> None:
        self.desk = Desk(publisher, store_trades=store and settings.STORE_TRADES)
        self._venue = feed.venue
        self._feed = feed
        self._publisher = publisher
        self._held = held
        self._safe = safe
        self._store = store
        self._history = History(feed, self.desk, held)
        self._looked = asyncio.Event()
        self._unpublished: str | None = None  # why the last flush failed

    def interest_changed(self) -> None:
        """A nudge: look at once for what is watched, not at the next second."""
        self._looked.set()

    async def run(self) -> None:
        """Raises `LeaseLost` when another worker has the venue now."""
        loops = [self._list, self._look, self._flush_always, self._refill, self._settle]
        if self._store:
            loops += [self._store_always, self._history.run]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed.run(self.desk), name=f"{self._venue} stream")
                for loop in loops:
                    tasks.create_task(loop(), name=f"{self._venue} {loop.__name__}")
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            await self._end()

    async def _end(self) -> None:
        """Say that we are leaving, if there is anybody to hear it, and give everything back."""
        if self._safe():
            try:
                async with asyncio.timeout(LAST_WORD_WITHIN):
                    self.desk.offer()
                    await self._publisher.flush(status="down", age_ms=self.desk.status()[1])
            except REDIS_AWAY:
                logger.info("no last word", extra={"venue": self._venue})
        await self._feed.close()
        await self._publisher.close()

    # --- instruments -------------------------------------------------------------------------------
    async def _list(self) -> None:
        """What the venue trades: now, as soon as it answers, and again every ten minutes."""
        pauses = backoff(random.random)
        while task_goes_on():
            try:
                await self._list_once()
            except (MarketError, *DATABASE_AWAY) as problem:
                pause = next(pauses)
                logger.warning("instruments not read", extra={"venue": self._venue, "reason": str(problem)})
            else:
                pauses = backoff(random.random)
                pause = RELIST_EVERY
            if task_goes_on():  # a cancellation that was lost in there must not wait for the end of this
                await asyncio.sleep(pause)

    async def _list_once(self) -> None:
        instruments = await self._feed.instruments()
        if self._store:
            self._history.ids = await in_thread(
                instrument_sync, venue=self._venue, instruments=instruments, held=self._held
            )
        self.desk.announce(instruments)
        try:
            for context in await self._feed.contexts():
                self.desk.event(context)
        except MarketError as problem:  # a convenience: the stream brings the same facts one by one
            logger.info("contexts not read", extra={"venue": self._venue, "reason": str(problem)})
        self.desk.rank()
        if not self._store:
            for symbol in self.desk.symbols:
                self.desk.heal(symbol, [], 0)
        self._desire()

    def _desire(self) -> None:
        if dropped := self._feed.desire(self.desk.subscriptions()):
            logger.warning("over the venue's limit", extra={"venue": self._venue, "count": len(dropped)})

    # --- who looks ---------------------------------------------------------------------------------
    async def _look(self) -> None:
        while task_goes_on():
            try:
                topics = await self._publisher.interest()
            except REDIS_AWAY:
                logger.debug("interest unknown", extra={"venue": self._venue})
            else:
                if self.desk.watch(topics):
                    self._desire()
            self._looked.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._looked.wait()
            except TimeoutError:
                continue

    async def _refill(self) -> None:
        """Trades since a gap, or from before somebody began to look."""
        while task_goes_on():
            await self.desk.refill.wait()
            self.desk.refill.clear()
            while self.desk.to_refill:
                symbol = self.desk.to_refill.pop()
                try:
                    missing = await self._feed.recent_trades(symbol)
                except MarketError as problem:
                    logger.warning(
                        "trades are missing",
                        extra={"venue": self._venue, "symbol": symbol, "reason": str(problem)},
                    )
                    missing = []
                self.desk.fill(symbol, missing)

    # --- out to Redis --------------------------------------------------------------------------------
    async def _flush_always(self) -> None:
        clock = asyncio.get_running_loop().time
        said, said_at = "", float("-inf")
        while task_goes_on():
            await asyncio.sleep(FLUSH_EVERY)
            if not self._safe():
                raise LeaseLost(f"{self._venue}: the lease could not be renewed in time")
            changed = self.desk.offer()
            status, age_ms = self.desk.status()
            AGE.labels(self._venue).set(age_ms / 1000)
            if not changed and status == said and clock() - said_at < SPEAK_EVERY:
                continue
            if await self._flush(status, age_ms):
                said, said_at = status, clock()
            else:
                said_at = float("-inf")
                await asyncio.sleep(RETRY_FLUSH)

    async def _flush(self, status: str, age_ms: int) -> bool:
        try:
            await self._publisher.flush(status=status, age_ms=age_ms)
        except REDIS_AWAY as problem:
            FLUSH_FAILURES.labels(self._venue).inc()
            self._log_redis(str(problem))
            return False
        self._log_redis(None)
        FLUSHES.labels(self._venue).inc()
        return True

    def _log_redis(self, problem: str | None) -> None:
        """Once when it goes and once when it is back; the counter has the rest."""
        if problem and not self._unpublished:
            logger.warning("not published", extra={"venue": self._venue, "reason": problem})
        elif self._unpublished and not problem:
            logger.info("published again", extra={"venue": self._venue})
        self._unpublished = problem

    # --- out to PostgreSQL ---------------------------------------------------------------------------
    async def _settle(self) -> None:
        while task_goes_on():
            await asyncio.sleep(STORE_EVERY)
            self.desk.settle()

    async def _store_always(self) -> None:
        while task_goes_on():
            await asyncio.sleep(STORE_EVERY)
            candles, trades = self.desk.take_closed(), self.desk.take_trades()
            try:
                await self._store_once(candles, trades)
            except DATABASE_AWAY as problem:
                logger.warning("not stored", extra={"venue": self._venue, "reason": str(problem)})
                self.desk.give_back(candles, trades)

    async def _store_once(self, candles: list, trades: list) -> None:  # type: ignore[type-arg]
        ids = self._history.ids
        rows = await in_thread(candles_store, held=self._held, ids=ids, candles=candles)
        STORED.labels(self._venue, "candles").inc(rows)
        rows = await in_thread(trades_store, held=self._held, ids=ids, trades=trades)
        STORED.labels(self._venue, "trades").inc(rows)
