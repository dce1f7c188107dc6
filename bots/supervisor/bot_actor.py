"""One bot, from its claim to its release: what it hears, what it decides, and that this is stored first."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from bots import services
from bots.domain import events
from bots.domain.inbox import Inbox
from bots.domain.lifecycle import BEGINNING, DECIDING, Status, StopPolicy
from bots.domain.runner import Decision, Runner
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import asks_what_remains, untold, untold_money
from bots.sdk import Candle, Needs, Tick
from bots.services import Beat, Loaded, Made, Wanted
from bots.supervisor.candles import is_due
from bots.supervisor.clock import now_ms, steady
from bots.supervisor.context import Surroundings
from bots.supervisor.strategy_executor import Call, Overrun, Watchdog
from market.leases import LeaseLost, task_goes_on

WARM_PATIENCE = 30.0  # for candles that the feed may still be fetching
NO_PRICES = "There are no fresh prices from the venue."


class BotDesk:
    """`look` comes once a second, `nudge` when something of the bot's has just changed, `hear` with ticks.

    `run` is the only writer: it takes one event after the other, and what a decision changes is stored
    together with what it asks for before the next event is taken. While it rests, ticks are decided
    together with those of the other bots, and it is woken by a decision that there is something to store of.
    """

    def __init__(self, wanted: Wanted, around: Surroundings, *, give_up: str = "") -> None:
        self.held = wanted.claim
        self._wanted = wanted
        self._around = around
        self._give_up = give_up
        self._woken = asyncio.Event()
        self._own_due = True
        self._inbox = Inbox()
        self._watchdog = Watchdog()
        self._tick: Tick | None = None
        self._needs = Needs()
        self._warmed: tuple[Candle, ...] = ()
        self._last_candle = 0
        self._began = 0.0
        self._said: tuple[str, str] | None = None
        self._resting = self._out = self._stirred = False  # a tick is decided for us while we rest: it is out
        self._brought: Call | None = None

    # --- from the worker -----------------------------------------------------------------------------
    def look(self, wanted: Wanted) -> None:
        changed = wanted != self._wanted
        self._wanted = wanted
        if changed:
            self._woken.set()
        elif self._resting and self._candle_due():
            self._around.turns.ask(self, self._woken.set)

    def nudge(self) -> None:
        self._own_due = True
        self._woken.set()

    def hear(self, event: events.Ticked | None) -> Call | None:
        """The call that decides on this tick, when nothing else comes first; otherwise it waits."""
        self._tick = event.tick if event else None
        if event is None:
            return None
        if self._resting and not self._out and not self._woken.is_set() and self.snapshot.status in DECIDING:
            self._out = True
            return Call(self._runner, (event,), self._back)
        self._inbox.put(event)
        self._woken.set()
        return None

    def beat(self) -> Beat | None:
        """A sign of life, with the reason why nothing is done as it is now; the owner is told of a new one.

        None while it is busy: what it stores then is a sign of life as well.
        """
        if not self._resting or self._out:
            return None
        self._announce()
        return Beat(self.held.pk, self.held.epoch, *self._reason())

    # --- the run -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the run has ended or the task is cancelled. Raises `LeaseLost` when it is not ours any more."""
        try:
            await self._run()
        finally:
            self._around.turns.leave(self)

    async def _run(self) -> None:
        self._loaded: Loaded = await self._around.in_thread(services.run_load, claim=self.held)
        self._runner = Runner(self._loaded.spec, self._loaded.snapshot)
        self._stored: Snapshot = self._loaded.snapshot
        self._number, self._fills_until = self._loaded.decisions, self._loaded.fills_until
        self._over, self._began = False, steady()
        await self._step(events.Claimed(now_ms()))
        if self._give_up:
            await self._step(events.Crashed(now_ms(), self._give_up))
        self._needs_read()
        await self._warm()
        while not self._over and task_goes_on():
            await self._take_brought()
            await self._mind_wishes()
            await self._hear_own()
            await self._take_all()
            await self._candles()
            self._around.turns.leave(self)
            if not self._over:
                await self._rest()

    async def _rest(self) -> None:
        """Until there is something to do, and the tick that is out is back."""
        self._resting = True
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                if not self._out:
                    return
                self._stirred = True
        finally:
            self._resting = self._stirred = False

    def _back(self, call: Call) -> None:
        """A tick was decided. Most change nothing that is stored, and then nobody is woken."""
        self._out = False
        try:
            (decision,) = self._watchdog.judged(call)
        except Exception as problem:  # noqa: BLE001  raised again by `_take_brought`
            call.problem = problem
            decision = None
        if decision is None or decision.durable or decision.requests:
            self._brought = call
            self._woken.set()
        elif self._stirred:
            self._woken.set()

    async def _take_brought(self) -> None:
        if (call := self._brought) is not None:
            self._brought = None
            await self._settle(call, call.answer)

    @property
    def place(self) -> tuple[str, str]:
        """Venue and symbol."""
        return self._wanted.venue, self._wanted.symbol

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
        if missing > 0 and steady() - self._began < WARM_PATIENCE:
            await self._warm()
            if self._needs.candles > len(self._warmed):
                return False
        await self._step(tick)
        await self._step(events.Started(now_ms()), replace(tick, now=now_ms()))
        return True

    # --- events --------------------------------------------------------------------------------------
    async def _step(self, *told: events.Event, fills_until: int | None = None) -> None:
        """Decide on these, and store what comes of them at once."""
        if self._over or not told:
            return
        answer: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        call = Call(self._runner, told, lambda call: None if answer.done() else answer.set_result(call))
        self._around.decider.ask(call)
        await answer
        await self._settle(call, lambda: self._watchdog.judged(call), fills_until)

    async def _settle(
        self, call: Call, judged: Callable[[], Sequence[Decision]], fills_until: int | None = None
    ) -> None:
        told = call.events
        try:
            decisions = judged()
        except Overrun as overrun:
            # What it said too late is not done; a thread may still be inside the old runner.
            self._runner, call.tick = Runner(self._runner.spec, self._stored), self._stored.tick
            told, fills_until = (events.Crashed(now_ms(), str(overrun)),), None
            self._own_due = True  # the fills that it was being told are told again, to what is left of it
            decisions = [self._runner.on_event(told[0])]
        if any(decision.durable or decision.requests for decision in decisions):
            await self._store(told, call.tick, decisions, fills_until or self._fills_until)

    async def _store(
        self, told: tuple[events.Event, ...], tick: Tick | None, decisions: Sequence[Decision], until: int
    ) -> None:
        if not self._around.safe():
            raise LeaseLost(f"{self.held.pk}: the lease could not be renewed in time")
        requests = tuple(request for decision in decisions for request in decision.requests)
        made = Made(
            told, tick, decisions[-1].snapshot, requests, self._number + 1, until, self._runner.spec.inputs_version
        )  # fmt: skip
        committed = await self._around.in_thread(
            services.decision_commit, claim=self.held, loaded=self._loaded, made=made
        )
        self._number += 1
        self._fills_until, self._stored, self._over = until, made.snapshot, committed.over
        if committed.news:
            self.nudge()
        self._announce(always=bool(requests))

    # --- own orders and fills --------------------------------------------------------------------------
    async def _hear_own(self) -> None:
        """Fills first, so that an order which they fill up has ended already when its state is compared."""
        if self._over or not self._own_due:
            return
        self._own_due = False
        asked = frozenset(order.client_id for order in self.snapshot.live)
        remains, until = asks_what_remains(self.snapshot), self._fills_until
        facts = await self._around.in_thread(
            services.own_facts, bot_id=self.held.pk, client_ids=asked, after=until, remains=remains
        )
        seen = self.snapshot.seen
        fills = [fill.told(now_ms(), seen + number) for number, fill in enumerate(facts.fills, 1)]
        if fills:
            await self._step(*fills, fills_until=facts.fills[-1].pk)
        await self._step(*untold_money(self.snapshot, facts.money, now_ms()))
        await self._step(*untold(self.snapshot, asked, facts.standings, now_ms()))

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
            inputs = await self._around.in_thread(
                services.inputs_load, bot_id=self.held.pk, version=wanted.inputs_version
            )
            await self._step(events.InputsChanged(now_ms(), inputs, wanted.inputs_version))
            self._needs_read()
            await self._warm()

    # --- candles -----------------------------------------------------------------------------------------
    def _needs_read(self) -> None:
        """A strategy that fails at this has been faulted by its runner already."""
        spec = self._runner.spec
        if self.snapshot.status != Status.FAULTED:
            self._needs = spec.strategy(spec.inputs).needs()

    async def _stored_candles(self) -> tuple[Candle, ...]:
        return await self._around.shelf.read(self._loaded.spec.terms.instrument, self._needs)

    def _candle_due(self) -> bool:
        return self.snapshot.status in DECIDING and is_due(self._needs, self._last_candle, now_ms())

    async def _warm(self) -> None:
        self._warmed = await self._stored_candles()
        self._last_candle = self._warmed[-1].open_time if self._warmed else 0
        if self.snapshot.status != Status.FAULTED:
            await self._step(events.Warmed(now_ms(), self._warmed))

    async def _candles(self) -> None:
        """Those that closed since the last one; where too many did, all are read anew."""
        if self._over or not self._candle_due():
            return
        for candle in await self._stored_candles():
            if candle.open_time > self._last_candle:
                self._last_candle = candle.open_time
                await self._step(events.CandleClosed(now_ms(), candle))

    # --- telling -------------------------------------------------------------------------------------------
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
            self._around.log(self.held.pk, self._loaded.user.pk, *said)
        self._said = said
        self._around.announce(self.held.pk, self._loaded.user.pk, self.snapshot, said[1])
