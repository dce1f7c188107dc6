"""The wallets of one worker process: claimed, given a desk each, and given back."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from market.hub import DATABASE_AWAY, Announcer, in_thread
from market.leases import LeaseLost, release
from market.venues import trader_for
from wallets.execution.pending_work import Look, wallets_claim, wallets_look
from wallets.execution.venue_connection import Line
from wallets.execution.wallet_actor import Desk
from wallets.services.user_events import alert_event
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
    leave_at: float | None = None  # once it has ended


class Execution:
    """`safe` says whether the worker's lease still holds by our own clock."""

    def __init__(self, opener: Opener, *, safe: Callable[[], bool]) -> None:
        self._opener = opener
        self._safe = safe
        self._announcer = Announcer()
        self._announcing = asyncio.create_task(self._announcer.run(), name="announcer")
        self._lines: dict[str, tuple[Line, asyncio.Task[None]]] = {}
        self._seats: dict[UUID, _Seat] = {}
        self._left: set[UUID] = set()  # since the last look
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
        if claimed := await in_thread(wallets_claim, worker):
            logger.info("wallets claimed", extra={"count": claimed})
        looks = await in_thread(wallets_look, worker)
        for pk, seat in list(self._seats.items()):
            if pk not in looks or looks[pk].claim != seat.desk.held:
                logger.info("wallet left", extra={"subject": str(pk), "epoch": seat.desk.held.epoch})
                await self._leave(pk)
        await self._bury()
        for pk, look in looks.items():
            if pk in self._seats:
                self._seats[pk].desk.look(look)
            elif pk not in self._left:
                self._seat(look)
        self._left.clear()
        self._share_streams(looks)

    # --- lines and desks -----------------------------------------------------------------------
    def _line(self, venue: str) -> Line:
        if venue not in self._lines:
            line = Line(trader_for(venue))
            self._lines[venue] = line, asyncio.create_task(line.run(), name=f"streams {venue}")
        return self._lines[venue][0]

    def _seat(self, look: Look) -> None:
        line, pk = self._line(look.wallet.venue_id), look.wallet.pk
        desk = Desk(look, line, self._opener, self._announcer, safe=self._safe)
        line.join(desk)
        task = asyncio.create_task(desk.run(), name=f"desk {pk}")
        self._seats[pk] = _Seat(desk, line, task, began=_now())

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
            if seat.leave_at is None:
                seat.leave_at = _now() + self._ended(pk, seat)
            if _now() >= seat.leave_at:
                await self._leave(pk)

    def _ended(self, pk: UUID, seat: _Seat) -> float:
        """Say why. Returns how long to keep the wallet before anybody tries again, in s."""
        problem = None if seat.task.cancelled() else seat.task.exception()
        seat.line.leave(seat.desk)
        if problem is None or isinstance(problem, LeaseLost):
            logger.warning("wallet lost", extra={"subject": str(pk), "reason": str(problem)})
            return 0.0
        if _now() - seat.began > STEADY_SECONDS:
            self._crashes.pop(pk, None)
        self._crashes[pk] = crashes = self._crashes.get(pk, 0) + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (crashes - 1))
        logger.error("wallet crashed", extra={"subject": str(pk), "delay_s": pause}, exc_info=problem)
        text = f"Trading stopped by an error in this house; trying again in {pause:g} s."
        self._announcer.tell(seat.desk.user, [alert_event(seat.desk.wallet, "error", text)])
        return pause

    async def _leave(self, pk: UUID) -> None:
        """End its desk and give the wallet back. When that fails it is still ours, and gets a new desk."""
        seat = self._seats.pop(pk)
        self._left.add(pk)
        seat.task.cancel()
        await asyncio.gather(seat.task, return_exceptions=True)
        seat.line.leave(seat.desk)
        await in_thread(release, seat.desk.held)

    async def drain(self) -> None:
        """Finish what is on its way, then give everything back."""
        finishing = [seat.desk.finish() for seat in self._seats.values() if not seat.task.done()]
        try:
            async with asyncio.timeout(FINISH_WITHIN):
                await asyncio.gather(*finishing)
        except TimeoutError:
            logger.warning("sends cut off; they are settled by whoever comes next")
        for pk in list(self._seats):
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
