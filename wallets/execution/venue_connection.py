"""Venue connection: trader, clock and private streams, shared by all wallets of one venue in this process."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Gauge

from core.leases import task_is_running
from market.domain.orders import (
    AccountState,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.domain.subscriptions import backoff
from market.venues.base import Trader


def slots_assign(streamed: Collection[str], busy: Mapping[str, bool], slots: int) -> list[str]:
    """The addresses to stream, at most `slots`; `busy` has every candidate.

    Busy accounts (open orders or positions) come first. An account keeps its stream unless a busy account
    without one needs it: changing streams costs a reconciliation.
    """
    ranked = sorted(busy, key=lambda address: (not busy[address], address not in streamed, address))
    return ranked[:slots]


SAMPLES = 9
SLOW_MS = 2_000  # a longer round trip is too inaccurate for a sample
WARN_MS = 1_000
ROUND_TRIP_MS = 200  # before the first request


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: int
    round_trip: int


class VenueClock:
    """`offset`: venue time less local time, in ms; None until it was measured.

    Every response with the venue's time is a sample. The sample with the shortest of the last round trips
    counts, because its error is at most half its round trip.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def sample(self, *, venue: int, sent: int, received: int) -> None:
        """The venue reported its time as `venue`, between `sent` and `received` (local ms)."""
        if 0 <= received - sent <= SLOW_MS:
            self._samples.append(_Sample(venue - (sent + received) // 2, received - sent))

    @property
    def offset(self) -> int | None:
        if not self._samples:
            return None
        return min(self._samples, key=lambda sample: sample.round_trip).offset

    @property
    def round_trip(self) -> int:
        """The longest of the last round trips, in ms."""
        return max((sample.round_trip for sample in self._samples), default=ROUND_TRIP_MS)

    def now(self, local: int) -> int:
        """The venue's time at the local time `local`, in ms."""
        return local + (self.offset or 0)

    def is_trusted(self, validity: int) -> bool:
        """False when the local clock is off or unknown by so much that an expiry would be wrong."""
        return self.offset is not None and abs(self.offset) <= validity // 2


logger = logging.getLogger(__name__)

AccountEvent = VenueOrder | VenueFill | VenueFunding | VenueMovement
CLOCK_OFFSET = Gauge("cryptotrade_execution_clock_offset_seconds", "Venue clock less local clock.", ["venue"])


class AccountEventListener(Protocol):
    """Receives the account events of one address: the interface of `WalletActor` used here."""

    address: str

    def on_event(self, event: AccountEvent) -> None:
        """Handle an account event."""

    def streams_opened(self) -> None:
        """Streams are open; events before may have been missed."""

    def streams_lost(self) -> None:
        """Streams are down; events are not delivered."""


def local_now_ms() -> int:
    return int(time.time() * 1000)


class VenueConnection:
    """An `AccountListener`: passes events of the private streams to the listeners of their account."""

    def __init__(self, trader: Trader) -> None:
        self.venue = trader.venue
        self.trader = trader
        self.clock = VenueClock()
        self._up = False
        self._streamed: set[str] = set()
        self._listeners: dict[str, list[AccountEventListener]] = {}

    # --- AccountListener --------------------------------------------------------------------------
    def connected(self) -> None:
        self._up = True
        for listener in self._listeners_of(self._streamed):
            listener.streams_opened()

    def disconnected(self, reason: str) -> None:
        logger.info("private streams lost", extra={"venue": self.venue, "reason": reason})
        self._up = False
        for listener in self._listeners_of(self._streamed):
            listener.streams_lost()

    def order(self, address: str, order: VenueOrder) -> None:
        self._dispatch(address, order)

    def fill(self, address: str, fill: VenueFill) -> None:
        self._dispatch(address, fill)

    def funding(self, address: str, funding: VenueFunding) -> None:
        self._dispatch(address, funding)

    def movement(self, address: str, movement: VenueMovement) -> None:
        self._dispatch(address, movement)

    def _dispatch(self, address: str, event: AccountEvent) -> None:
        for listener in self._listeners_of([address]):
            listener.on_event(event)

    def _listeners_of(self, addresses: Iterable[str]) -> list[AccountEventListener]:
        return [listener for address in addresses for listener in self._listeners.get(address, ())]

    # --- listeners --------------------------------------------------------------------------------
    def add(self, listener: AccountEventListener) -> None:
        self._listeners.setdefault(listener.address, []).append(listener)

    def remove(self, listener: AccountEventListener) -> None:
        remaining = [other for other in self._listeners.get(listener.address, ()) if other is not listener]
        if remaining:
            self._listeners[listener.address] = remaining
        else:
            self._listeners.pop(listener.address, None)

    def stream_of(self, address: str) -> str:
        """The stream status of an address: live, polled or down (`Wallet.Stream`)."""
        if address not in self._streamed:
            return "polled"
        return "live" if self._up else "down"

    def streams_assign(self, busy: dict[str, bool]) -> None:
        """Assign the streams to the accounts that need them most; `busy` is by address."""
        streamed = set(slots_assign(self._streamed, busy, self.trader.stream_slots))
        if streamed == self._streamed:
            return
        removed, self._streamed = self._streamed - streamed, streamed
        self.trader.watch(sorted(streamed))  # `connected` is called once the new accounts are streamed
        for listener in self._listeners_of(removed):
            listener.streams_lost()

    # --- the venue --------------------------------------------------------------------------------
    async def run(self) -> None:
        """Keep the private streams open until cancelled; a trader that fails is restarted."""
        pauses = backoff(random.random)
        while task_is_running():
            try:
                await self.trader.run(self)
            except Exception:
                logger.exception("private streams crashed", extra={"venue": self.venue})
            if self._up:
                self.disconnected("ended")
            await asyncio.sleep(next(pauses))

    async def account(self, address: str) -> AccountState:
        """As `Trader.account`; its response is also a sample for the clock."""
        sent = local_now_ms()
        state = await self.trader.account(address)
        self.clock.sample(venue=state.time, sent=sent, received=local_now_ms())
        offset = self.clock.offset or 0
        CLOCK_OFFSET.labels(self.venue).set(offset / 1000)
        if abs(offset) > WARN_MS:
            logger.warning("clocks differ", extra={"venue": self.venue, "delay_s": offset / 1000})
        return state

    def now(self) -> int:
        """The venue's time in ms."""
        return self.clock.now(local_now_ms())
