"""Sender: signs and sends the stored submissions of one wallet once, and stores the responses.

A failure in between leaves a submission with an unknown result, and a known time from which the venue can be
queried about it (`expiry`). A submission is never sent a second time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import Counter, Histogram

from core.leases import Claim, LeaseLost
from core.threads import in_thread
from market.domain.errors import VenueRejected, VenueUnavailable
from market.domain.orders import Accepted, OrderResponse
from market.venues.base import OutcomeUnknown, RequestKind, Signer, Validity
from wallets import services
from wallets.execution import expiry
from wallets.execution.venue_connection import VenueConnection
from wallets.services.dto import Event, PreparedSubmission

logger = logging.getLogger(__name__)

BATCH_SIZE = 20
CANCEL_TIMEOUT = 10.0  # s; a cancel does not expire
SEND_COUNT = Counter(
    "cryptotrade_execution_sends_total", "Signed actions, by outcome.", ["venue", "kind", "outcome"]
)
SEND_SECONDS = Histogram(
    "cryptotrade_execution_send_seconds", "From signing to the answer.", ["venue", "kind"]
)


class Sender:
    """Sends the actions of one wallet one after the other, because its nonces must rise."""

    def __init__(
        self, claim: Claim, connection: VenueConnection, *, safe: Callable[[], bool], new_work: asyncio.Event,
        publish: Callable[[Iterable[Event]], None], schedule_check: Callable[[], None],
    ) -> None:  # fmt: skip
        self.closed = False  # nothing new is sent; the request in flight is finished
        self.busy = asyncio.Lock()
        self._claim = claim
        self._connection = connection
        self._safe = safe
        self._new_work = new_work  # set when orders or cancels were requested since the last read
        self._publish = publish
        self._schedule_check = schedule_check  # the streams should deliver events of the executed action

    async def send_all(self, signer: Signer) -> None:
        """Send cancels, then orders, until nothing is left or the venue is not available."""
        async with self.busy:
            while not self.closed and self._is_clock_right():
                await self._cancels(signer)
                for prepared in await self._prepare(
                    services.leverage_prepare, validity=self._validity("leverage").duration
                ):
                    await self._send(prepared, signer)
                orders = await self._prepare(
                    services.orders_prepare, validity=self._validity("place").duration, most=BATCH_SIZE
                )
                for number, prepared in enumerate(orders):
                    if number and self._new_work.is_set():
                        await self._cancels(signer)
                    if not await self._send(prepared, signer):
                        await self._requeue(orders[number + 1 :])
                        return
                if not orders:
                    return

    async def expire_pending(self) -> None:
        """End pending orders that waited too long, while nothing can be sent."""
        await self._prepare(services.orders_prepare, validity=self._validity("place").duration, most=0)

    def _validity(self, request: RequestKind) -> Validity:
        return expiry.request_validity(self._connection.venue, request)

    async def _cancels(self, signer: Signer) -> None:
        for prepared in await self._prepare(services.cancels_prepare, most=BATCH_SIZE):
            await self._send(prepared, signer)

    async def _prepare(
        self, prepare: Callable[..., Sequence[PreparedSubmission]], **limits: int
    ) -> Sequence[PreparedSubmission]:
        return await in_thread(prepare, claim=self._claim, now=self._connection.now(), **limits)

    def _is_clock_right(self) -> bool:
        if self._connection.clock.is_trusted(self._validity("place").duration):
            return True
        logger.error(
            "clock offset too large to send",
            extra={"venue": self._connection.venue, "subject": str(self._claim.pk)},
        )
        return False

    # --- one submission ---------------------------------------------------------------------------
    async def _send(self, prepared: PreparedSubmission, signer: Signer) -> bool:
        """Send one submission. False when it was not sent, so that later ones are not tried now."""
        if self.closed or not self._is_in_time(prepared):
            await self._record(services.submission_not_sent, prepared, "not_sent")
            return False
        if not self._safe():
            raise LeaseLost(f"{self._claim.pk}: the lease could not be renewed in time")
        try:
            with SEND_SECONDS.labels(self._connection.venue, prepared.kind).time():
                async with asyncio.timeout(self._response_timeout(prepared)):
                    answers = await self._call(prepared, signer)
        except (OutcomeUnknown, TimeoutError) as problem:
            logger.warning("outcome unknown", extra=self._log_extra(prepared, problem))
            await self._record(services.submission_unknown, prepared, "unknown")
        except VenueRejected as refusal:
            logger.info("rejected", extra=self._log_extra(prepared, refusal))
            await self._record(services.submission_rejected, prepared, "rejected", reason=refusal.problem)
        except VenueUnavailable as problem:
            logger.warning("not sent", extra=self._log_extra(prepared, problem))
            await self._record(services.submission_not_sent, prepared, "not_sent")
            return False
        else:
            await self._record(services.submission_answered, prepared, "answered", answers=answers)
            if any(isinstance(one, Accepted) and _has_events(prepared, one) for one in answers):
                self._schedule_check()
        return True

    def _is_in_time(self, prepared: PreparedSubmission) -> bool:
        if prepared.valid_until is None:
            return True
        return self._connection.now() + self._connection.clock.round_trip < prepared.valid_until

    def _response_timeout(self, prepared: PreparedSubmission) -> float:
        # A later response is not awaited: from then on the order can be queried.
        if prepared.valid_until is None:
            return CANCEL_TIMEOUT
        return (prepared.valid_until + self._validity("place").settle // 2 - self._connection.now()) / 1000

    async def _call(self, prepared: PreparedSubmission, signer: Signer) -> list[OrderResponse]:
        trader = self._connection.trader
        auth: dict[str, Any] = {"signer": signer, "nonce": prepared.nonce}
        if prepared.kind == "cancel":
            return await trader.cancel(prepared.cancels, **auth)
        auth["valid_until"] = prepared.valid_until
        if prepared.leverage is not None:
            target = prepared.leverage
            await trader.leverage(target.symbol, target.leverage, target.mode, **auth)
            return [Accepted()]
        if prepared.kind == "modify":
            return await trader.modify(prepared.changes, **auth)
        return await trader.place(prepared.orders, **auth)

    async def _requeue(self, unsent: Sequence[PreparedSubmission]) -> None:
        for prepared in unsent:
            await self._record(services.submission_not_sent, prepared, "not_sent")

    async def _record(
        self, service: Callable[..., list[Event]], prepared: PreparedSubmission, outcome: str, **result: Any
    ) -> None:
        SEND_COUNT.labels(self._connection.venue, prepared.kind, outcome).inc()
        self._publish(
            await in_thread(service, claim=self._claim, submission_id=prepared.submission_id, **result)
        )

    def _log_extra(self, prepared: PreparedSubmission, problem: Exception) -> dict[str, Any]:
        return {
            "venue": self._connection.venue,
            "subject": str(self._claim.pk),
            "action": prepared.kind,
            "seq": prepared.nonce,
            "reason": str(problem)[:200],
        }


def _has_events(prepared: PreparedSubmission, answer: Accepted) -> bool:
    """Did the action fill or end an order? Events of that arrive by the streams."""
    return prepared.kind == "cancel" or not answer.resting
