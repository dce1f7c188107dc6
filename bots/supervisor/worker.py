"""The bots of one supervisor process: claimed, given a desk each, and given back."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from bots import services
from bots.domain.lifecycle import GiveUp, after_crash
from bots.services import Wanted
from bots.supervisor.bot_actor import BotDesk
from bots.supervisor.candles import CandleShelf, CandleTurns
from bots.supervisor.clock import now_ms, steady
from bots.supervisor.context import Surroundings
from bots.supervisor.prices import PriceReader
from bots.supervisor.strategy_executor import Decider
from market.hub import DATABASE_AWAY, Announcer, in_thread, in_thread_ahead
from market.leases import LeaseLost, release
from wallets.selectors import sources_changed

logger = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 100
BEAT_SECONDS = 3.0
OWN_EVERY = timedelta(seconds=3)
LATE_BY = timedelta(minutes=1)  # a change is seen that much after the time that it carries, at the latest


@dataclass
class _Seat:
    """A desk at work, and its task. `again` is when a crashed one may be tried again (loop time)."""

    desk: BotDesk
    task: asyncio.Task[None]
    again: float | None = None


class Supervisor:
    """`safe` says whether the worker's lease still holds by our own clock."""

    def __init__(self, *, safe: Callable[[], bool]) -> None:
        self._announcer = Announcer()
        decider = Decider()
        self._around = Surroundings(decider, CandleShelf(), CandleTurns(), safe, self._announcer.tell)
        self._prices = PriceReader(decider.decide)
        self._tasks = [
            asyncio.create_task(self._announcer.run(), name="announcer"),
            asyncio.create_task(self._read_prices(), name="prices"),
        ]
        self._seats: dict[UUID, _Seat] = {}
        self._left: set[UUID] = set()  # since the last look
        self._crashes: dict[UUID, tuple[int, ...]] = {}
        self._given_up: dict[UUID, str] = {}
        self._beaten = float("-inf")
        self._minded = timezone.now()
        self._changes: dict[UUID, datetime] = {}

    def nudge(self, key: str) -> bool:
        """Something of this bot changed. False when it is not ours."""
        try:
            seat = self._seats.get(UUID(key))
        except ValueError:
            return False
        if seat is not None:
            seat.desk.nudge()
        return seat is not None

    async def reconcile(self, worker: UUID) -> None:
        """Claim what is free, and make the desks match what is ours."""
        if claimed := await in_thread_ahead(services.bots_claim, worker, limit=CLAIMED_AT_ONCE):
            logger.info("bots claimed", extra={"count": claimed})
        looks = await in_thread_ahead(services.bots_wanted, worker)
        for pk, held in [(pk, seat.desk.held) for pk, seat in self._seats.items()]:
            look = looks.get(pk)
            if look is None or look.claim != held or not look.going:
                logger.info("bot left", extra={"subject": str(pk), "epoch": held.epoch})
                await self._leave(pk)
        await self._bury()
        for pk, look in looks.items():
            if pk in self._seats:
                self._seats[pk].desk.look(look)
            elif pk not in self._left:
                await self._take(look)
        self._left.clear()
        await self._mind_orders()
        await self._beat()
        await in_thread_ahead(services.books_post_all)  # last: bots go on while their books cannot

    async def _mind_orders(self) -> None:
        """What changed without a nudge being heard: one look for all bots."""
        now = timezone.now()
        if now - self._minded < OWN_EVERY:
            return
        changes = await in_thread_ahead(sources_changed, self._minded - LATE_BY)
        self._minded = now
        for pk in changes.keys() & self._seats.keys():
            if changes[pk] != self._changes.get(pk):
                self._seats[pk].desk.nudge()
        self._changes = changes

    async def _beat(self) -> None:
        if steady() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = steady()
        beats = [beat for seat in self._seats.values() if not seat.task.done() and (beat := seat.desk.beat())]
        if beats:
            await in_thread_ahead(services.bots_beat, beats)

    async def _take(self, look: Wanted) -> None:
        """Seat it, or give it back when its run has ended meanwhile."""
        if not look.going:
            await in_thread(release, look.claim)
            return
        give_up = self._given_up.pop(look.claim.pk, "")
        desk = BotDesk(look, self._around, give_up=give_up)
        self._prices.listen(look.venue, look.symbol, desk.hear)
        task = asyncio.create_task(desk.run(), name=f"bot {look.claim.pk}")
        self._seats[look.claim.pk] = _Seat(desk, task)

    async def _read_prices(self) -> None:
        """For ever: the reader of prices is every bot's, so what it stumbles over must not end it."""
        while True:
            try:
                await self._prices.run()
                return
            except Exception:
                logger.exception("prices not read", extra={"channel": "bots-supervisor"})
                await asyncio.sleep(1.0)

    # --- the end of a desk -----------------------------------------------------------------------
    async def _bury(self) -> None:
        """Let go of what ended or was lost; what crashed stays ours until it may be tried again."""
        for pk, seat in list(self._seats.items()):
            if not seat.task.done():
                continue
            problem = None if seat.task.cancelled() else seat.task.exception()
            if problem is None or isinstance(problem, LeaseLost):
                logger.info("bot left", extra={"subject": str(pk), "reason": str(problem or "its run ended")})
                await self._leave(pk)
            elif seat.again is None:
                seat.again = steady() + await self._crashed(pk, problem)
            elif steady() >= seat.again:
                self._rise(pk)

    async def _crashed(self, pk: UUID, problem: BaseException) -> float:
        """Remember it, and say after how many seconds it is tried again."""
        logger.error("bot crashed", extra={"subject": str(pk)}, exc_info=problem)
        if isinstance(problem, DATABASE_AWAY):
            return 1.0  # no fault of the bot's
        now = now_ms()
        crashes = self._crashes[pk] = (*self._crashes.get(pk, ()), now)
        verdict = after_crash(crashes, now)
        reason = f"{type(problem).__name__}: {problem}"
        try:
            await in_thread(
                services.run_crashed, claim=self._seats[pk].desk.held, crashes=crashes, reason=reason
            )
        except LeaseLost:
            return 0.0  # the next look finds that it is not ours
        if isinstance(verdict, GiveUp):
            self._given_up[pk] = verdict.reason
            return 0.0
        return max(0.0, (verdict.at - now) / 1000)

    def _rise(self, pk: UUID) -> None:
        """Free the seat: the next look seats it again from what is stored."""
        seat = self._seats.pop(pk)
        self._prices.leave(*seat.desk.place, seat.desk.hear)

    async def _leave(self, pk: UUID) -> None:
        """End its desk and give the bot back; its orders stay as they are. When that fails it is still ours."""
        seat = self._seats.pop(pk)
        self._left.add(pk)
        seat.task.cancel()
        await asyncio.gather(seat.task, return_exceptions=True)
        self._prices.leave(*seat.desk.place, seat.desk.hear)
        await in_thread(release, seat.desk.held)

    async def drain(self) -> None:
        """Store what is being decided, then give everything back."""
        for pk in list(self._seats):
            try:
                await self._leave(pk)
            except DATABASE_AWAY as problem:
                logger.warning("bot not released", extra={"subject": str(pk), "reason": str(problem)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
