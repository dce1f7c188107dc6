"""Supervisor of one process: claims bots, runs one bot actor for each, and releases them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from bots import services
from bots.domain.lifecycle import NoRestart, after_crash
from bots.services import BotAssignment
from bots.supervisor.bot_actor import BotActor
from bots.supervisor.candles import CandleCache, CandleLimiter
from bots.supervisor.clock import now_ms, steady
from bots.supervisor.context import SupervisorContext
from bots.supervisor.prices import PriceReader
from bots.supervisor.strategy_executor import StrategyExecutor
from core.errors import DATABASE_ERRORS
from core.leases import LeaseLost, release
from core.threads import in_poll_thread, in_thread
from market.hub import UserEventPublisher
from wallets.selectors import sources_changed

logger = logging.getLogger(__name__)

CLAIM_BATCH = 100
HEARTBEAT_SECONDS = 3.0
SYNC_INTERVAL = timedelta(seconds=3)
LATE_BY = timedelta(minutes=1)  # a change becomes visible at most this long after its timestamp


@dataclass
class _RunningBot:
    """A running bot actor and its task. `retry_at` is when a crashed one may be restarted (loop time)."""

    actor: BotActor
    task: asyncio.Task[None]
    retry_at: float | None = None


class Supervisor:
    """Runs the bots that this process has claimed.

    `lease_is_safe` says whether the worker's lease still holds by the local clock.
    """

    def __init__(self, *, lease_is_safe: Callable[[], bool]) -> None:
        self._publisher = UserEventPublisher()
        executor = StrategyExecutor()
        self._context = SupervisorContext(
            executor, CandleCache(), CandleLimiter(), lease_is_safe, self._publisher.publish
        )
        self._prices = PriceReader(executor.decide)
        self._tasks = [
            asyncio.create_task(self._publisher.run(), name="user-events"),
            asyncio.create_task(self._read_prices(), name="prices"),
        ]
        self._running: dict[UUID, _RunningBot] = {}
        self._released: set[UUID] = set()  # since the last reconciliation
        self._crashes: dict[UUID, tuple[int, ...]] = {}
        self._given_up: dict[UUID, str] = {}
        self._heartbeat_at = float("-inf")
        self._synced_at = timezone.now()
        self._changes: dict[UUID, datetime] = {}

    def nudge(self, key: str) -> bool:
        """Something of this bot changed. False when this supervisor does not run it."""
        try:
            running = self._running.get(UUID(key))
        except ValueError:
            return False
        if running is not None:
            running.actor.nudge()
        return running is not None

    async def reconcile(self, worker: UUID) -> None:
        """Claim unclaimed bots, and make the running actors match the claimed bots."""
        if claimed := await in_poll_thread(services.bots_claim, worker, limit=CLAIM_BATCH):
            logger.info("bots claimed", extra={"count": claimed})
        assignments = await in_poll_thread(services.bot_assignments, worker)
        for pk, claim in [(pk, running.actor.claim) for pk, running in self._running.items()]:
            assignment = assignments.get(pk)
            if assignment is None or assignment.claim != claim or not assignment.has_run:
                logger.info("bot released", extra={"subject": str(pk), "epoch": claim.epoch})
                await self._release(pk)
        await self._reap()
        for pk, assignment in assignments.items():
            if pk in self._running:
                self._running[pk].actor.update(assignment)
            elif pk not in self._released:
                await self._start(assignment)
        self._released.clear()
        await self._sync_orders()
        await self._send_heartbeats()
        await in_poll_thread(services.wallet_fills_post_all)  # last: bots continue when ledger posting fails

    async def _sync_orders(self) -> None:
        """Nudge bots with changed orders for which a nudge may have been lost: one query for all bots."""
        now = timezone.now()
        if now - self._synced_at < SYNC_INTERVAL:
            return
        changes = await in_poll_thread(sources_changed, self._synced_at - LATE_BY)
        self._synced_at = now
        for pk in changes.keys() & self._running.keys():
            if changes[pk] != self._changes.get(pk):
                self._running[pk].actor.nudge()
        self._changes = changes

    async def _send_heartbeats(self) -> None:
        if steady() - self._heartbeat_at < HEARTBEAT_SECONDS:
            return
        self._heartbeat_at = steady()
        heartbeats = [
            heartbeat
            for running in self._running.values()
            if not running.task.done() and (heartbeat := running.actor.heartbeat())
        ]
        if heartbeats:
            await in_poll_thread(services.bots_heartbeat, heartbeats)

    async def _start(self, assignment: BotAssignment) -> None:
        """Start the bot's actor, or release the claim when its run has ended meanwhile."""
        if not assignment.has_run:
            await in_thread(release, assignment.claim)
            return
        give_up = self._given_up.pop(assignment.claim.pk, "")
        actor = BotActor(assignment, self._context, give_up=give_up)
        self._prices.subscribe(assignment.venue, assignment.symbol, actor.on_tick)
        task = asyncio.create_task(actor.run(), name=f"bot {assignment.claim.pk}")
        self._running[assignment.claim.pk] = _RunningBot(actor, task)

    async def _read_prices(self) -> None:
        """Run the price reader for ever. All bots depend on it, so that an error must not end it."""
        while True:
            try:
                await self._prices.run()
                return
            except Exception:
                logger.exception("price reader failed", extra={"channel": "bots-supervisor"})
                await asyncio.sleep(1.0)

    # --- the end of an actor ---------------------------------------------------------------------
    async def _reap(self) -> None:
        """Release bots after their actor ended or lost its lease; crashed ones stay claimed until their restart."""
        for pk, running in list(self._running.items()):
            if not running.task.done():
                continue
            problem = None if running.task.cancelled() else running.task.exception()
            if problem is None or isinstance(problem, LeaseLost):
                reason = str(problem or "its run ended")
                logger.info("bot released", extra={"subject": str(pk), "reason": reason})
                await self._release(pk)
            elif running.retry_at is None:
                running.retry_at = steady() + await self._crashed(pk, problem)
            elif steady() >= running.retry_at:
                self._restart(pk)

    async def _crashed(self, pk: UUID, problem: BaseException) -> float:
        """Store the crash; returns the delay in seconds before the restart."""
        logger.error("bot crashed", extra={"subject": str(pk)}, exc_info=problem)
        if isinstance(problem, DATABASE_ERRORS):
            return 1.0  # a database error is not a crash of the bot
        now = now_ms()
        crashes = self._crashes[pk] = (*self._crashes.get(pk, ()), now)
        outcome = after_crash(crashes, now)
        reason = f"{type(problem).__name__}: {problem}"
        try:
            await in_thread(
                services.run_crashed,
                claim=self._running[pk].actor.claim,
                crashes=crashes,
                reason=reason,
            )
        except LeaseLost:
            return 0.0  # the next reconciliation releases it
        if isinstance(outcome, NoRestart):
            self._given_up[pk] = outcome.reason
            return 0.0
        return max(0.0, (outcome.at - now) / 1000)

    def _restart(self, pk: UUID) -> None:
        """Forget the actor: the next reconciliation starts a new one from the stored state."""
        running = self._running.pop(pk)
        self._prices.unsubscribe(*running.actor.market_key, running.actor.on_tick)

    async def _release(self, pk: UUID) -> None:
        """End the actor and release the bot; orders stay as they are. If releasing fails, the claim stays."""
        running = self._running.pop(pk)
        self._released.add(pk)
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
        self._prices.unsubscribe(*running.actor.market_key, running.actor.on_tick)
        await in_thread(release, running.actor.claim)

    async def drain(self) -> None:
        """Shut down: release all bots. Actors store a decision that is in progress before they end."""
        for pk in list(self._running):
            try:
                await self._release(pk)
            except DATABASE_ERRORS as problem:
                logger.warning("bot not released", extra={"subject": str(pk), "reason": str(problem)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
