"""Bot actor: runs one claimed bot. Collects its events, has them decided, and stores each decision."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from bots import services
from bots.domain import events
from bots.domain.inbox import Inbox
from bots.domain.lifecycle import ACTIVE, STARTUP, Status, StopPolicy
from bots.domain.runner import Decision, Runner
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import missing_order_updates, missing_position_updates, needs_position_check
from bots.sdk import Candle, DataRequirements, Tick
from bots.services import BotAssignment, DecisionBatch, Heartbeat, LoadedRun
from bots.supervisor.candles import is_due
from bots.supervisor.clock import now_ms, steady
from bots.supervisor.context import SupervisorContext
from bots.supervisor.strategy_executor import CallbackTimeout, StrategyCall, Watchdog
from core.leases import LeaseLost, task_is_running
from wallets.domain.status import TERMINAL

POSITION_CHECK = 60.0  # s between comparisons of the bot's position with the wallet's
CANDLE_TIMEOUT = 30.0  # s, for candles that the feed worker may still be fetching
NO_PRICES = "No current prices from the exchange."


class BotActor:
    """Actor of one claimed bot. The worker calls `update` once a second, `nudge` when something of the bot
    has just changed, and `on_tick` for each new tick.

    `run` is the only writer: it processes one event after the other, and stores a decision's snapshot and
    order requests in one transaction before the next event. While the actor is idle, the strategy executor
    decides its ticks in one batch with those of other bots; a decision with something to store wakes it.
    """

    def __init__(self, assignment: BotAssignment, context: SupervisorContext, *, give_up: str = "") -> None:
        self.claim = assignment.claim
        self._assignment = assignment
        self._context = context
        self._give_up = give_up
        self._woken = asyncio.Event()
        self._own_due = True
        self._inbox = Inbox()
        self._watchdog = Watchdog()
        self._tick: Tick | None = None
        self._requirements = DataRequirements()
        self._loaded_candles: tuple[Candle, ...] = ()
        self._last_candle = 0
        self._started_at = self._position_checked_at = 0.0
        self._published: tuple[str, str] | None = None
        # `_tick_pending`: while this actor is idle, the executor decides a tick for it.
        self._is_idle = self._tick_pending = self._woken_meanwhile = False
        self._pending_call: StrategyCall | None = None

    # --- from the worker -----------------------------------------------------------------------------
    def update(self, assignment: BotAssignment) -> None:
        changed = assignment != self._assignment
        self._assignment = assignment
        if changed:
            self._woken.set()
        elif self._is_idle and self._position_check_due():
            self.nudge()
        elif self._is_idle and self._candle_due():
            self._context.candle_limiter.acquire(self, self._woken.set)

    def nudge(self) -> None:
        self._own_due = True
        self._woken.set()

    def on_tick(self, event: events.TickReceived | None) -> StrategyCall | None:
        """The call that decides on this tick if the actor is idle; otherwise the tick waits in the inbox."""
        self._tick = event.tick if event else None
        if event is None:
            return None
        if (
            self._is_idle
            and not self._tick_pending
            and not self._woken.is_set()
            and self.snapshot.status in ACTIVE
        ):
            self._tick_pending = True
            return StrategyCall(self._runner, (event,), self._on_decided)
        self._inbox.put(event)
        self._woken.set()
        return None

    def heartbeat(self) -> Heartbeat | None:
        """Heartbeat with the current reason; a new reason is also published to the owner's pages.

        None while the actor is busy: storing a decision then writes a heartbeat as well.
        """
        if not self._is_idle or self._tick_pending:
            return None
        self._publish_status()
        return Heartbeat(self.claim.pk, self.claim.epoch, *self._reason())

    # --- the run -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Run until the run has ended or the task is cancelled. Raises `LeaseLost` when the claim is lost."""
        try:
            await self._run()
        finally:
            self._context.candle_limiter.release(self)

    async def _run(self) -> None:
        self._loaded: LoadedRun = await self._context.in_thread(services.run_load, claim=self.claim)
        self._runner = Runner(self._loaded.spec, self._loaded.snapshot)
        self._stored: Snapshot = self._loaded.snapshot
        self._number, self._last_fill_id = self._loaded.last_decision, self._loaded.last_fill_id
        self._run_ended, self._started_at = False, steady()
        self._position_checked_at = self._started_at
        await self._step(events.Claimed(now_ms()))
        if self._give_up:
            await self._step(events.Crashed(now_ms(), self._give_up))
        self._read_requirements()
        await self._load_candles()
        while not self._run_ended and task_is_running():
            await self._store_pending_call()
            await self._apply_desired_state()
            await self._sync_orders()
            await self._process_inbox()
            await self._deliver_candles()
            self._context.candle_limiter.release(self)
            if not self._run_ended:
                await self._wait()

    async def _wait(self) -> None:
        """Wait until there is something to do and a pending tick has been decided."""
        self._is_idle = True
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                if not self._tick_pending:
                    return
                self._woken_meanwhile = True
        finally:
            self._is_idle = self._woken_meanwhile = False

    def _on_decided(self, call: StrategyCall) -> None:
        """A tick was decided. Most decisions change nothing that is stored and do not wake `run`."""
        self._tick_pending = False
        try:
            (decision,) = self._watchdog.check(call)
        except Exception as problem:  # noqa: BLE001  raised again by `_store_pending_call`
            call.problem = problem
            decision = None
        if decision is None or decision.durable or decision.requests:
            self._pending_call = call
            self._woken.set()
        elif self._woken_meanwhile:
            self._woken.set()

    async def _store_pending_call(self) -> None:
        if (call := self._pending_call) is not None:
            self._pending_call = None
            await self._store_result(call, call.result)

    @property
    def market_key(self) -> tuple[str, str]:
        """Venue and symbol."""
        return self._assignment.venue, self._assignment.symbol

    @property
    def snapshot(self) -> Snapshot:
        """The runner's current snapshot."""
        return self._runner.snapshot

    async def _process_inbox(self) -> None:
        while not self._run_ended and (event := self._inbox.get()) is not None:
            if isinstance(event, events.TickReceived) and self.snapshot.status in STARTUP:
                if not await self._start_strategy(event):
                    return
            else:
                await self._step(event)
            await self._sync_orders()

    async def _start_strategy(self, tick: events.TickReceived) -> bool:
        """Start the strategy on the first tick, once candles are loaded or `CANDLE_TIMEOUT` has passed."""
        missing = self._requirements.candles - len(self._loaded_candles)
        if missing > 0 and steady() - self._started_at < CANDLE_TIMEOUT:
            await self._load_candles()
            if self._requirements.candles > len(self._loaded_candles):
                return False
        await self._step(tick)
        await self._step(events.Started(now_ms()), replace(tick, now=now_ms()))
        return True

    # --- events --------------------------------------------------------------------------------------
    async def _step(self, *batch: events.Event, last_fill_id: int | None = None) -> None:
        """Decide on these events and store the result at once."""
        if self._run_ended or not batch:
            return
        done: asyncio.Future[StrategyCall] = asyncio.get_running_loop().create_future()
        call = StrategyCall(self._runner, batch, lambda call: None if done.done() else done.set_result(call))
        self._context.executor.submit(call)
        await done
        await self._store_result(call, lambda: self._watchdog.check(call), last_fill_id)

    async def _store_result(
        self,
        call: StrategyCall,
        get_decisions: Callable[[], Sequence[Decision]],
        last_fill_id: int | None = None,
    ) -> None:
        batch = call.events
        try:
            decisions = get_decisions()
        except CallbackTimeout as timeout:
            # A late decision is discarded; a thread may still be executing the old runner.
            self._runner, call.tick = Runner(self._runner.spec, self._stored), self._stored.tick
            batch, last_fill_id = (events.Crashed(now_ms(), str(timeout)),), None
            self._own_due = True  # the discarded events included fills, perhaps: they are synchronised again
            decisions = [self._runner.on_event(batch[0])]
        if any(decision.durable or decision.requests for decision in decisions):
            await self._store(batch, call.tick, decisions, last_fill_id or self._last_fill_id)

    async def _store(
        self,
        batch: tuple[events.Event, ...],
        tick: Tick | None,
        decisions: Sequence[Decision],
        last_fill: int,
    ) -> None:
        if not self._context.lease_is_safe():
            raise LeaseLost(f"{self.claim.pk}: the lease could not be renewed in time")
        requests = tuple(request for decision in decisions for request in decision.requests)
        made = DecisionBatch(
            batch, tick, decisions[-1].snapshot, requests, self._number + 1, last_fill,
            self._runner.spec.inputs_version,
        )  # fmt: skip
        committed = await self._context.in_thread(
            services.decision_commit, claim=self.claim, loaded=self._loaded, made=made
        )
        self._number += 1
        self._last_fill_id, self._stored, self._run_ended = last_fill, made.snapshot, committed.run_ended
        if committed.needs_sync:
            self.nudge()
        self._publish_status(always=bool(requests))

    # --- own orders and fills --------------------------------------------------------------------------
    async def _sync_orders(self) -> None:
        """Deliver missing own events. Fills first: an order that they fill completely has then ended already
        when its state is compared."""
        if self._run_ended or not self._own_due:
            return
        self._own_due = False
        client_ids = frozenset(order.client_id for order in self.snapshot.live)
        check_position, last_fill = needs_position_check(self.snapshot), self._last_fill_id
        own_state = await self._context.in_thread(
            services.own_order_state,
            bot_id=self.claim.pk,
            client_ids=client_ids,
            after=last_fill,
            check_position=check_position,
        )
        last_seq = self.snapshot.last_seq
        fills = [fill.to_event(now_ms(), last_seq + number) for number, fill in enumerate(own_state.fills, 1)]
        if fills:
            await self._step(*fills, last_fill_id=own_state.fills[-1].pk)
        await self._step(*missing_position_updates(self.snapshot, own_state.position, now_ms()))
        ended = any(view.status in TERMINAL for view in own_state.order_views.values())
        if fills or ended or self._position_check_due():
            await self._check_position()
        await self._step(*missing_order_updates(self.snapshot, client_ids, own_state.order_views, now_ms()))

    def _position_check_due(self) -> bool:
        return self.snapshot.status in ACTIVE and steady() - self._position_checked_at >= POSITION_CHECK

    async def _check_position(self) -> None:
        """Compare the bot's position with the wallet's, and pause while both cannot be true."""
        if self._run_ended or self.snapshot.status not in ACTIVE:
            return
        conflict = await self._context.in_thread(services.position_conflict, bot_id=self.claim.pk)
        self._position_checked_at = steady()
        if conflict != self.snapshot.conflict:
            await self._step(events.PositionChecked(now_ms(), conflict))

    # --- desired state ---------------------------------------------------------------------------------
    async def _apply_desired_state(self) -> None:
        assignment, snapshot = self._assignment, self.snapshot
        if not assignment.running and (
            snapshot.status not in (Status.STOPPING, Status.STOPPED, Status.FAULTED)
            or snapshot.policy != assignment.stop_policy
        ):
            policy = StopPolicy(assignment.stop_policy or StopPolicy.CANCEL_OWN)
            await self._step(events.StopRequested(now_ms(), policy, assignment.stop_reason))
        elif assignment.inputs_version > self._runner.spec.inputs_version and snapshot.status in ACTIVE:
            inputs = await self._context.in_thread(
                services.inputs_load, bot_id=self.claim.pk, version=assignment.inputs_version
            )
            await self._step(events.InputsChanged(now_ms(), inputs, assignment.inputs_version))
            self._read_requirements()
            await self._load_candles()

    # --- candles -----------------------------------------------------------------------------------------
    def _read_requirements(self) -> None:
        """Read the strategy's data requirements. If that fails, the runner has already faulted the run."""
        spec = self._runner.spec
        if self.snapshot.status != Status.FAULTED:
            self._requirements = spec.strategy(spec.inputs).requirements()

    async def _stored_candles(self) -> tuple[Candle, ...]:
        return await self._context.candle_cache.read(self._loaded.spec.terms.instrument, self._requirements)

    def _candle_due(self) -> bool:
        return self.snapshot.status in ACTIVE and is_due(self._requirements, self._last_candle, now_ms())

    async def _load_candles(self) -> None:
        self._loaded_candles = await self._stored_candles()
        self._last_candle = self._loaded_candles[-1].open_time if self._loaded_candles else 0
        if self.snapshot.status != Status.FAULTED:
            await self._step(events.CandlesLoaded(now_ms(), self._loaded_candles))

    async def _deliver_candles(self) -> None:
        """Deliver the candles that closed since the last one."""
        if self._run_ended or not self._candle_due():
            return
        for candle in await self._stored_candles():
            if candle.open_time > self._last_candle:
                self._last_candle = candle.open_time
                await self._step(events.CandleClosed(now_ms(), candle))

    # --- status ----------------------------------------------------------------------------------------
    def _reason(self) -> tuple[str, int]:
        snapshot = self.snapshot
        if self._tick is None and snapshot.status in (*ACTIVE, *STARTUP):
            return NO_PRICES, now_ms()
        if snapshot.status in STARTUP and self._requirements.candles > len(self._loaded_candles):
            return f"Loading candles: {len(self._loaded_candles)} of {self._requirements.candles}.", now_ms()
        return snapshot.reason or snapshot.blocked_reason, snapshot.reason_at

    def _publish_status(self, *, always: bool = False) -> None:
        status = (self.snapshot.status.value, self._reason()[0])
        if status == self._published and not always:
            return
        if self._published is None or self._published[0] != status[0]:
            self._context.log(self.claim.pk, self._loaded.user.pk, *status)
        self._published = status
        self._context.publish_status(self.claim.pk, self._loaded.user.pk, self.snapshot, status[1])
