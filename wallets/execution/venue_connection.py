"""What all wallets of one venue share in this process: the trader, its clock, and the private streams."""

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from typing import Protocol

from prometheus_client import Gauge

from market.domain.orders import (
    AccountState,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.domain.subscriptions import backoff
from market.leases import task_goes_on
from market.venues.base import Trader
from wallets.execution.clock import WARN_MS, VenueClock
from wallets.execution.stream_slots import slots_assign

logger = logging.getLogger(__name__)

Fact = VenueOrder | VenueFill | VenueFunding | VenueMovement
OFFSET = Gauge("cryptotrade_execution_clock_offset_seconds", "The venue's clock less ours.", ["venue"])


class Listener(Protocol):
    """A desk, as its line sees it."""

    address: str

    def hear(self, fact: Fact) -> None:
        """The venue said this about the account."""

    def streams_opened(self) -> None:
        """What happened before was perhaps not told."""

    def streams_lost(self) -> None:
        """What happens now is not told."""


def our_now() -> int:
    return int(time.time() * 1000)


class Line:
    """An `AccountSink`: takes what the private streams say to the desks of that account."""

    def __init__(self, trader: Trader) -> None:
        self.venue = trader.venue
        self.trader = trader
        self.clock = VenueClock()
        self._up = False
        self._streamed: set[str] = set()
        self._desks: dict[str, list[Listener]] = {}

    # --- AccountSink ---------------------------------------------------------------------------
    def connected(self) -> None:
        self._up = True
        for desk in self._at(self._streamed):
            desk.streams_opened()

    def disconnected(self, reason: str) -> None:
        logger.info("private streams lost", extra={"venue": self.venue, "reason": reason})
        self._up = False
        for desk in self._at(self._streamed):
            desk.streams_lost()

    def order(self, address: str, order: VenueOrder) -> None:
        self._heard(address, order)

    def fill(self, address: str, fill: VenueFill) -> None:
        self._heard(address, fill)

    def funding(self, address: str, funding: VenueFunding) -> None:
        self._heard(address, funding)

    def movement(self, address: str, movement: VenueMovement) -> None:
        self._heard(address, movement)

    def _heard(self, address: str, fact: Fact) -> None:
        for desk in self._at([address]):
            desk.hear(fact)

    def _at(self, addresses: Iterable[str]) -> list[Listener]:
        return [desk for address in addresses for desk in self._desks.get(address, ())]

    # --- desks ---------------------------------------------------------------------------------
    def join(self, desk: Listener) -> None:
        self._desks.setdefault(desk.address, []).append(desk)

    def leave(self, desk: Listener) -> None:
        left = [other for other in self._desks.get(desk.address, ()) if other is not desk]
        if left:
            self._desks[desk.address] = left
        else:
            self._desks.pop(desk.address, None)

    def stream_of(self, address: str) -> str:
        """live, polled or down, as `Wallet.Stream` has it."""
        if address not in self._streamed:
            return "polled"
        return "live" if self._up else "down"

    def streams_assign(self, busy: dict[str, bool]) -> None:
        """Give the streams to the accounts that need them most; `busy` by address."""
        streamed = set(slots_assign(self._streamed, busy, self.trader.stream_slots))
        if streamed == self._streamed:
            return
        left, self._streamed = self._streamed - streamed, streamed
        self.trader.watch(sorted(streamed))  # the new ones hear `connected` once they are carried
        for desk in self._at(left):
            desk.streams_lost()

    # --- the venue -----------------------------------------------------------------------------
    async def run(self) -> None:
        """Keep the private streams open until cancelled; a trader that breaks is started again."""
        pauses = backoff(random.random)
        while task_goes_on():
            try:
                await self.trader.run(self)
            except Exception:
                logger.exception("private streams crashed", extra={"venue": self.venue})
            if self._up:
                self.disconnected("ended")
            await asyncio.sleep(next(pauses))

    async def account(self, address: str) -> AccountState:
        """As `Trader.account`; the answer tells the venue's time too."""
        asked = our_now()
        state = await self.trader.account(address)
        self.clock.sample(venue=state.time, asked=asked, answered=our_now())
        offset = self.clock.offset or 0
        OFFSET.labels(self.venue).set(offset / 1000)
        if abs(offset) > WARN_MS:
            logger.warning("clocks differ", extra={"venue": self.venue, "delay_s": offset / 1000})
        return state

    def now(self) -> int:
        """The venue's time in ms."""
        return self.clock.now(our_now())
