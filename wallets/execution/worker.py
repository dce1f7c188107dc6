"""The wallets of one worker process: claimed, given a desk each, and given back."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from market.leases import Claim, LeaseLost, release
from market.venues import trader_for
from wallets.execution.announcing import Announcer
from wallets.execution.desk import Desk
from wallets.execution.line import Line
from wallets.execution.look import Look, wallets_claim, wallets_look
from wallets.execution.threads import DATABASE_AWAY, in_thread
from wallets.services.events import alert_event
from wallets.vault import Opener

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_SECONDS = 60.0
FINISH_WITHIN = 3.0


@dataclass
class _Seat:
    """A desk at work, and its task."""

    desk: Desk
    line: Line
    task: asyncio.Task[None]
    began: float
    ended: float | None = None


class Execution:
    """`safe` says whether the worker's lease still holds by our own clock."""

    def __init__(self, opener: Opener, *, safe: Callable[[], bool]) -> None:
        self._opener = opener
        self._safe = safe
        self._announcer = Announcer()
        self._announcing = asyncio.create_task(self._announcer.run(), name="announcer")
        self._lines: dict[str, tuple[Line, asyncio.Task[None]]] = {}
        self._seats: dict[UUID, _Seat] = {}
        self._held: dict[UUID, Claim] = {}
        self._crashes: dict[UUID, int] = {}

    def nudge(self, key: str) -> bool:
        """Somebody committed work for this wallet. False when it is not ours."""
        for pk, seat in self._seats.items():
            if str(pk) == key:
                seat.desk.nudge()
                return True
        return False

    async def reconcile(self, worker: UUID) -> None:
        """Claim what is free, and make the desks match what is ours."""
        for held in await in_thread(wallets_claim, worker):
            self._held[held.pk] = held
            logger.info("wallet claimed", extra={"subject": str(held.pk), "epoch": held.epoch})
        looks = await in_thread(wallets_look, list(self._held.values()))
        for pk in self._held.keys() - looks.keys():
            logger.info("wallet left", extra={"subject": str(pk), "epoch": self._held[pk].epoch})
            await self._leave(pk)
        await self._bury()
        for pk, look in looks.items():
            if seat := self._seats.get(pk):
                seat.desk.look(look)
            elif pk in self._held:
                self._seat(self._held[pk], look)
        self._share_streams(looks)

    # --- lines and desks -----------------------------------------------------------------------
    def _line(self, venue: str) -> Line:
        if venue not in self._lines:
            line = Line(trader_for(venue))
            self._lines[venue] = line, asyncio.create_task(line.run(), name=f"streams {venue}")
        return self._lines[venue][0]

    def _seat(self, held: Claim, look: Look) -> None:
        line = self._line(look.wallet.venue_id)
        desk = Desk(held, look, line, self._opener, self._announcer, safe=self._safe)
        line.join(desk)
        task = asyncio.create_task(desk.run(), name=f"desk {held.pk}")
        self._seats[held.pk] = _Seat(desk, line, task, began=_now())

    def _share_streams(self, looks: dict[UUID, Look]) -> None:
        for venue, (line, _) in self._lines.items():
            busy: dict[str, bool] = {}
            for look in looks.values():
                if look.wallet.venue_id == venue and look.is_booked:
                    address = look.wallet.address
                    busy[address] = busy.get(address, False) or look.busy
            line.streams_assign(busy)

    # --- the end of a desk -----------------------------------------------------------------------
    async def _bury(self) -> None:
        """Let go of what was lost; what crashed stays ours for a while, so that it crashes nobody else."""
        for pk, seat in list(self._seats.items()):
            if not seat.task.done():
                continue
            if seat.ended is None:
                self._ended(pk, seat)
            if _now() >= (seat.ended or 0.0):
                await self._leave(pk)

    def _ended(self, pk: UUID, seat: _Seat) -> None:
        problem = None if seat.task.cancelled() else seat.task.exception()
        seat.line.leave(seat.desk)
        seat.ended = _now()
        if problem is None or isinstance(problem, LeaseLost):
            logger.warning("wallet lost", extra={"subject": str(pk), "reason": str(problem)})
            return
        if _now() - seat.began > STEADY_SECONDS:
            self._crashes.pop(pk, None)
        self._crashes[pk] = crashes = self._crashes.get(pk, 0) + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (crashes - 1))
        seat.ended += pause
        logger.error("wallet crashed", extra={"subject": str(pk), "delay_s": pause}, exc_info=problem)
        text = f"Trading stopped by an error in this house; trying again in {pause:g} s."
        self._announcer.tell(seat.desk.user, [alert_event(seat.desk.wallet, "error", text)])

    async def _leave(self, pk: UUID) -> None:
        """End its desk and give the wallet back."""
        held = self._held.pop(pk)
        if seat := self._seats.pop(pk, None):
            seat.task.cancel()
            await asyncio.gather(seat.task, return_exceptions=True)
            seat.line.leave(seat.desk)
        await in_thread(release, held)

    async def drain(self) -> None:
        """Finish what is on its way, then give everything back."""
        finishing = [seat.desk.finish() for seat in self._seats.values() if not seat.task.done()]
        try:
            async with asyncio.timeout(FINISH_WITHIN):
                await asyncio.gather(*finishing)
        except TimeoutError:
            logger.warning("sends cut off; they are settled by whoever comes next")
        for pk in list(self._held):
            try:
                await self._leave(pk)
            except DATABASE_AWAY as problem:
                logger.warning("wallet not released", extra={"subject": str(pk), "reason": str(problem)})
        ending: list[asyncio.Task[Any]] = [self._announcing, *(task for _, task in self._lines.values())]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for line, _ in self._lines.values():
            await line.trader.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
