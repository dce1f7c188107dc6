"""From an order in the database to the venue: written down, signed, sent once, and the answer booked.

Whatever breaks in between leaves a submission behind whose fate is unknown, and a known moment from
which the venue can be asked about it (`waiting`). Nothing here ever sends a second time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import Counter, Histogram

from market.domain.errors import VenueRefused, VenueUnavailable
from market.domain.orders import Accepted, Answer
from market.hub import in_thread
from market.leases import Claim, LeaseLost
from market.venues.base import OutcomeUnknown, Signer
from wallets import services
from wallets.execution import expiry
from wallets.execution.venue_connection import Line
from wallets.services.dto import Event, Prepared

logger = logging.getLogger(__name__)

TAKEN_AT_ONCE = 20
CANCEL_PATIENCE = 10.0  # s; a cancel does not expire
SENDS = Counter(
    "cryptotrade_execution_sends_total", "Signed actions, by outcome.", ["venue", "kind", "outcome"]
)
SEND_SECONDS = Histogram(
    "cryptotrade_execution_send_seconds", "From signing to the answer.", ["venue", "kind"]
)


class Sender:
    """The one nonce line of a wallet: what it sends, it sends one after the other."""

    def __init__(
        self, held: Claim, line: Line, *, safe: Callable[[], bool], hurry: asyncio.Event,
        tell: Callable[[Iterable[Event]], None], owe: Callable[[], None],
    ) -> None:  # fmt: skip
        self.closed = False  # nothing new is sent; what is on its way is finished
        self.busy = asyncio.Lock()
        self._held = held
        self._line = line
        self._safe = safe
        self._hurry = hurry  # somebody asked for something since we looked
        self._tell = tell
        self._owe = owe  # the streams should tell of what was done

    async def send_all(self, signer: Signer) -> None:
        """Cancels, then orders, until nothing is left or the venue does not take more."""
        async with self.busy:
            while not self.closed and self._is_clock_right():
                await self._cancels(signer)
                for prepared in await self._take(services.leverages_take, validity=expiry.VALIDITY):
                    await self._send(prepared, signer)
                orders = await self._take(services.orders_take, validity=expiry.VALIDITY, most=TAKEN_AT_ONCE)
                for number, prepared in enumerate(orders):
                    if number and self._hurry.is_set():
                        await self._cancels(signer)
                    if not await self._send(prepared, signer):
                        await self._give_back(orders[number + 1 :])
                        return
                if not orders:
                    return

    async def lapse(self) -> None:
        """End what waits too long, while nothing can be sent."""
        await self._take(services.orders_take, validity=expiry.VALIDITY, most=0)

    async def _cancels(self, signer: Signer) -> None:
        for prepared in await self._take(services.cancels_take, most=TAKEN_AT_ONCE):
            await self._send(prepared, signer)

    async def _take(self, take: Callable[..., Sequence[Prepared]], **limits: int) -> Sequence[Prepared]:
        return await in_thread(take, claim=self._held, now=self._line.now(), **limits)

    def _is_clock_right(self) -> bool:
        if self._line.clock.is_trusted(expiry.VALIDITY):
            return True
        logger.error(
            "clock too wrong to send", extra={"venue": self._line.venue, "subject": str(self._held.pk)}
        )
        return False

    # --- one submission ------------------------------------------------------------------------
    async def _send(self, prepared: Prepared, signer: Signer) -> bool:
        """False when the venue did not take it: what follows would fare no better now."""
        if self.closed or not self._is_in_time(prepared):
            await self._record(services.unsent, prepared, "not_sent")
            return False
        if not self._safe():
            raise LeaseLost(f"{self._held.pk}: the lease could not be renewed in time")
        try:
            with SEND_SECONDS.labels(self._line.venue, prepared.kind).time():
                async with asyncio.timeout(self._patience(prepared)):
                    answers = await self._call(prepared, signer)
        except (OutcomeUnknown, TimeoutError) as problem:
            logger.warning("outcome unknown", extra=self._about(prepared, problem))
            await self._record(services.doubtful, prepared, "unknown")
        except VenueRefused as refusal:
            logger.info("refused", extra=self._about(prepared, refusal))
            await self._record(services.refused, prepared, "refused", reason=refusal.problem)
        except VenueUnavailable as problem:
            logger.warning("not sent", extra=self._about(prepared, problem))
            await self._record(services.unsent, prepared, "not_sent")
            return False
        else:
            await self._record(services.settled, prepared, "answered", answers=answers)
            if any(isinstance(one, Accepted) and _did_more(prepared, one) for one in answers):
                self._owe()
        return True

    def _is_in_time(self, prepared: Prepared) -> bool:
        if prepared.valid_until is None:
            return True
        return self._line.now() + self._line.clock.round_trip < prepared.valid_until

    def _patience(self, prepared: Prepared) -> float:
        # An answer that comes later than this is not waited for: by then the venue may be asked.
        if prepared.valid_until is None:
            return CANCEL_PATIENCE
        return (prepared.valid_until + expiry.MARGIN // 2 - self._line.now()) / 1000

    async def _call(self, prepared: Prepared, signer: Signer) -> list[Answer]:
        trader = self._line.trader
        sealed: dict[str, Any] = {"signer": signer, "nonce": prepared.nonce}
        if prepared.kind == "cancel":
            return await trader.cancel(prepared.cancels, **sealed)
        sealed["valid_until"] = prepared.valid_until
        if prepared.leverage is not None:
            wanted = prepared.leverage
            await trader.leverage(wanted.symbol, wanted.leverage, wanted.mode, **sealed)
            return [Accepted()]
        if prepared.kind == "modify":
            return await trader.modify(prepared.changes, **sealed)
        return await trader.place(prepared.orders, **sealed)

    async def _give_back(self, rest: Sequence[Prepared]) -> None:
        for prepared in rest:
            await self._record(services.unsent, prepared, "not_sent")

    async def _record(
        self, service: Callable[..., list[Event]], prepared: Prepared, outcome: str, **said: Any
    ) -> None:
        SENDS.labels(self._line.venue, prepared.kind, outcome).inc()
        self._tell(await in_thread(service, claim=self._held, submission_id=prepared.submission_id, **said))

    def _about(self, prepared: Prepared, problem: Exception) -> dict[str, Any]:
        return {
            "venue": self._line.venue,
            "subject": str(self._held.pk),
            "action": prepared.kind,
            "seq": prepared.nonce,
            "reason": str(problem)[:200],
        }


def _did_more(prepared: Prepared, answer: Accepted) -> bool:
    """Something was filled or ended, of which the streams tell apart."""
    return prepared.kind == "cancel" or not answer.resting
