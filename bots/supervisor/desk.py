"""One bot, from its claim to its release: what it hears, what it decides, and that this is stored first."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bots import services
from bots.domain import events
from bots.domain.facts import asks_what_remains, untold, untold_money
from bots.domain.inbox import Inbox
from bots.domain.lifecycle import BEGINNING, DECIDING, Status, StopPolicy
from bots.domain.runner import Decision, Runner
from bots.domain.snapshot import Snapshot
from bots.sdk import Candle, Needs, Tick
from bots.services import Loaded, Made, Wanted
from bots.supervisor.candles import candles_stored, is_due
from bots.supervisor.deciding import Overrun, Watchdog
from market.hub import in_thread
from market.leases import LeaseLost, task_goes_on

logger = logging.getLogger(__name__)

BEAT_SECONDS = 3.0
OWN_SECONDS = 3.0  # between looks at own orders that nobody nudged about
WARM_PATIENCE = 30.0  # for candles that the feed may still be fetching
NO_PRICES = "There are no fresh prices from the venue."


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class BotDesk:
    """`look` comes once a second, `nudge` when something of the bot's has just changed, `hear` with ticks.

    `run` is the only writer: it takes one event after the other, and what a decision changes is stored
    together with what it asks for before the next event is taken.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        safe: Callable[[], bool],
        tell: Callable[[str, Iterable[Mapping[str, Any]]], None],
        give_up: str = "",
    ) -> None:
        self.held = wanted.claim
        self._wanted = wanted
        self._safe = safe
        self._tell_owner = tell
        self._give_up = give_up
        self._woken = asyncio.Event()
        self._own_due = True
        self._inbox = Inbox()
        self._watchdog = Watchdog()
        self._tick: Tick | None = None
        self._needs = Needs()
        self._warmed: tuple[Candle, ...] = ()
        self._last_candle = 0
        self._began = self._beaten = self._own_at = 0.0
        self._said: tuple[str, str] | None = None

    # --- from the worker -----------------------------------------------------------------------------
    def look(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._own_due |= _clock() - self._own_at >= OWN_SECONDS
        self._woken.set()

    def nudge(self) -> None:
        self._own_due = True
        self._woken.set()

    def hear(self, tick: Tick | None) -> None:
        self._tick = tick
        if tick is not None:
            self._inbox.put(events.Ticked(now_ms(), tick))
            self._woken.set()

    # --- the run -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the run has ended or the task is cancelled. Raises `LeaseLost` when it is not ours any more."""
        self._loaded: Loaded = await in_thread(services.run_load, claim=self.held)
        self._runner = Runner(self._loaded.spec, self._loaded.snapshot)
        self._stored: Snapshot = self._loaded.snapshot
        self._number, self._fills_until = self._loaded.decisions, self._loaded.fills_until
        self._over = False
        self._began = _clock()
        await self._step(events.Claimed(now_ms()))
        if self._give_up:
            await self._step(events.Crashed(now_ms(), self._give_up))
        self._needs_read()
        await self._warm()
        while not self._over and task_goes_on():
            await self._mind_wishes()
            await self._hear_own()
            await self._take_all()
            await self._candles()
            await self._beat()
            if not self._over:
                await self._woken.wait()
                self._woken.clear()

    @property
    def venue(self) -> str:
        return self._wanted.venue

    @property
    def snapshot(self) -> Snapshot:
        return self._runner.snapshot

    async def _take_all(self) -> None:
        while not self._over and (event := self._inbox.take()) is not None:
            if isinstance(event, events.Ticked) and self.snapshot.status in BEGINNING:
                if not await self._begin(event):
                    return
            else:
                await self._step(event)
            await self._hear_own()

    async def _begin(self, tick: events.Ticked) -> bool:
        """The first tick starts the strategy, once its candles are there or have been waited for."""
        missing = self._needs.candles - len(self._warmed)
        if missing > 0 and _clock() - self._began < WARM_PATIENCE:
            await self._warm()
            if self._needs.candles > len(self._warmed):
                return False
        await self._step(tick)
        await self._step(events.Started(now_ms()))
        await self._step(replace(tick, now=now_ms()))
        return True

    # --- one event -----------------------------------------------------------------------------------
    async def _step(self, event: events.Event, *, fills_until: int | None = None) -> None:
        if self._over:
            return
        tick = self.snapshot.tick
        try:
            decision = await self._watchdog.decide(self._runner, event)
        except Overrun as overrun:
            # What it said too late is not done; a thread may still be inside the old runner.
            self._runner = Runner(self._runner.spec, self._stored)
            event = events.Crashed(now_ms(), str(overrun))
            decision = self._runner.on_event(event)
        if decision.durable or decision.requests:
            await self._store(event, tick, decision, fills_until or self._fills_until)

    async def _store(
        self, event: events.Event, tick: Tick | None, decision: Decision, fills_until: int
    ) -> None:
        if not self._safe():
            raise LeaseLost(f"{self.held.pk}: the lease could not be renewed in time")
        made = Made(decision, event, tick, self._number + 1, fills_until, self._runner.spec.inputs_version)
        self._over = await in_thread(
            services.decision_commit, claim=self.held, loaded=self._loaded, made=made
        )
        self._number += 1
        self._fills_until, self._stored = fills_until, decision.snapshot
        if decision.requests:
            self.nudge()  # what was denied, or was no order, is in the books now
        self._announce(always=bool(decision.requests))

    # --- own orders and fills --------------------------------------------------------------------------
    async def _hear_own(self) -> None:
        if self._over or not self._own_due:
            return
        self._own_due, self._own_at = False, _clock()
        asked = frozenset(order.client_id for order in self.snapshot.live)
        facts = await in_thread(
            services.own_facts, bot_id=self.held.pk, client_ids=asked, after=self._fills_until,
            remains=asks_what_remains(self.snapshot),
        )  # fmt: skip
        for fill in facts.fills:
            traded = events.Traded(
                now_ms(), self.snapshot.seen + 1, fill.client_id, fill.level_id, fill.ref, fill.side,
                fill.price, fill.size, fill.fee, fill.fee_asset,
            )  # fmt: skip
            await self._step(traded, fills_until=fill.pk)
        for money in untold_money(self.snapshot, facts.money, now_ms()):
            await self._step(replace(money, seq=self.snapshot.seen + 1))
        for news in untold(self.snapshot, asked, facts.standings, now_ms()):
            await self._step(replace(news, seq=self.snapshot.seen + 1))

    # --- what the owner wants ----------------------------------------------------------------------------
    async def _mind_wishes(self) -> None:
        wanted, snapshot = self._wanted, self.snapshot
        if not wanted.running and (
            snapshot.status not in (Status.STOPPING, Status.STOPPED, Status.FAULTED)
            or snapshot.policy != wanted.stop_policy
        ):
            policy = StopPolicy(wanted.stop_policy or StopPolicy.CANCEL_OWN)
            await self._step(events.StopAsked(now_ms(), policy, wanted.stop_reason))
        elif wanted.inputs_version > self._runner.spec.inputs_version and snapshot.status in DECIDING:
            inputs = await in_thread(services.inputs_load, bot_id=self.held.pk, version=wanted.inputs_version)
            await self._step(events.InputsChanged(now_ms(), inputs, wanted.inputs_version))
            self._needs_read()
            await self._warm()

    # --- candles -----------------------------------------------------------------------------------------
    def _needs_read(self) -> None:
        """A strategy that fails at this has been faulted by its runner already."""
        spec = self._runner.spec
        if self.snapshot.status != Status.FAULTED:
            self._needs = spec.strategy(spec.inputs).needs()

    async def _warm(self) -> None:
        instrument = self._loaded.spec.terms.instrument
        self._warmed = await in_thread(candles_stored, instrument, self._needs)
        self._last_candle = self._warmed[-1].open_time if self._warmed else 0
        if self.snapshot.status != Status.FAULTED:
            await self._step(events.Warmed(now_ms(), self._warmed))

    async def _candles(self) -> None:
        """Those that closed since the last one; where too many did, all are read anew."""
        if (
            self._over
            or self.snapshot.status not in DECIDING
            or not is_due(self._needs, self._last_candle, now_ms())
        ):
            return
        instrument = self._loaded.spec.terms.instrument
        for candle in await in_thread(candles_stored, instrument, self._needs):
            if candle.open_time > self._last_candle:
                self._last_candle = candle.open_time
                await self._step(events.CandleClosed(now_ms(), candle))

    # --- telling -------------------------------------------------------------------------------------------
    async def _beat(self) -> None:
        """A heartbeat every few seconds, with the reason why nothing is done as it is now."""
        if self._over or _clock() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = _clock()
        reason, checked_at = self._reason()
        if not await in_thread(services.bot_beat, claim=self.held, reason=reason, checked_at=checked_at):
            raise LeaseLost(f"{self.held.pk} is not ours any more")
        self._announce()

    def _reason(self) -> tuple[str, int]:
        snapshot = self.snapshot
        if self._tick is None and snapshot.status in (*DECIDING, *BEGINNING):
            return NO_PRICES, now_ms()
        if snapshot.status in BEGINNING and self._needs.candles > len(self._warmed):
            return f"Candles: {len(self._warmed)} of {self._needs.candles} are there.", now_ms()
        return snapshot.reason or snapshot.held_back, snapshot.checked_at

    def _announce(self, *, always: bool = False) -> None:
        said = (self.snapshot.status.value, self._reason()[0])
        if said == self._said and not always:
            return
        if self._said is None or self._said[0] != said[0]:
            self._log(*said)
        self._said = said
        self._tell_owner(
            str(self._loaded.user.pk),
            [{
                "type": "bot", "id": str(self.held.pk), "status": said[0], "reason": said[1],
                "position": str(self.snapshot.position.size), "orders": len(self.snapshot.live),
                "at": now_ms(),
            }],
        )  # fmt: skip

    def _log(self, status: str, reason: str) -> None:
        """A line whenever it stands otherwise than before; why it is idle from moment to moment is on its card."""
        level = logging.WARNING if status == Status.FAULTED else logging.INFO
        said = {
            "bot": str(self.held.pk),
            "user_id": str(self._loaded.user.pk),
            "status": status,
            "reason": reason,
        }
        logger.log(level, "bot stands", extra=said)


def _clock() -> float:
    return asyncio.get_running_loop().time()
