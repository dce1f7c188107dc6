"""Runner of a bot: a deterministic state machine. A snapshot and an event in, a decision out.

The runner holds no state besides the snapshot except candles, which are loaded again after a restart.
Own events up to the snapshot's `last_seq` are ignored, and requests are numbered, so that a replay of the
events after a snapshot requests the same orders under the same client ids.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from traceback import format_exception
from types import MappingProxyType
from typing import Any
from uuid import UUID

from bots.domain import events
from bots.domain.codec import FORMAT, encode
from bots.domain.intent_validation import (
    NOTHING,
    InvalidIntents,
    ValidIntents,
    state_written,
    validate_intents,
)
from bots.domain.lifecycle import ACTIVE, STARTUP, TERMINAL, Status, StopPolicy, Transition, next_status
from bots.domain.order_planner import OrderPlanner, Request
from bots.domain.orders import LiveOrder
from bots.domain.reducer import apply_event
from bots.domain.snapshot import Snapshot
from bots.sdk.context import Context, OpenOrder, Terms
from bots.sdk.events import Fill, OrderUpdate
from bots.sdk.intents import Level
from bots.sdk.json_codec import json_decode, json_equal
from bots.sdk.rng import SeededRandom
from bots.sdk.strategy import Strategy
from market.domain.events import Candle

TRANSIENT_FIELDS = ("tick", "reason_at", "reason")
MAX_TRACEBACK = 8_000
_lasting = attrgetter(*(field.name for field in fields(Snapshot) if field.name not in TRANSIENT_FIELDS))


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Definition of a run. `code_hash` is that of the strategy's source, `inputs` come from `parse_inputs`."""

    run: UUID
    strategy: type[Strategy]
    terms: Terms
    inputs: dict[str, Any]
    inputs_version: int
    code_hash: str
    on_fault: StopPolicy = StopPolicy.CANCEL_OWN


@dataclass(frozen=True, slots=True)
class Decision:
    """Result of one event. `durable` is False when nothing changed that a restart would lose."""

    snapshot: Snapshot
    requests: tuple[Request, ...]
    durable: bool
    provenance: dict[str, Any]


class Runner:
    """Runner of one claim. The first event must be `Claimed`.

    The bot actor stores each durable decision before it executes the requests.
    """

    def __init__(self, spec: RunSpec, snapshot: Snapshot | None = None) -> None:
        self.spec = spec
        self.snapshot = snapshot if snapshot is not None else Snapshot()
        self._state = self._decode_state()
        self._stored_state = self._decode_state()  # a copy of the stored state, never given to a strategy
        self._seed = str(spec.run)
        self._orders: tuple[tuple[LiveOrder, ...], Mapping[str, OpenOrder]] = ((), MappingProxyType({}))
        self._candles: tuple[Candle, ...] = ()
        self._window = 0

    def on_event(self, event: events.Event) -> Decision:
        """Decide on one event. An error that the strategy raises is stored in the snapshot, not raised."""
        before, candles = self.snapshot, self._candles
        if isinstance(event, events.OwnEvent) and event.seq <= before.last_seq:
            return Decision(before, (), durable=False, provenance={})
        if isinstance(event, events.InputsChanged):
            self.spec = replace(self.spec, inputs=event.inputs, inputs_version=event.version)
        self.snapshot = apply_event(before, event, self.spec.terms.instrument)
        self._process(event)
        requests: tuple[Request, ...] = ()
        provenance: dict[str, Any] = {}
        if self._needs_planning(before, event):
            provenance = self._provenance(event)
            planner = OrderPlanner(self.spec.run, self.spec.terms, self.snapshot, provenance)
            planner.plan_orders(event.now)
            self.snapshot, requests = planner.snapshot, tuple(planner.requests)
        return Decision(self.snapshot, requests, self._durable(event, before, candles), provenance)

    # --- lifecycle ---------------------------------------------------------------------------------
    def _process(self, event: events.Event) -> None:
        match event:
            case events.Claimed():
                self._signal(Transition.CLAIM)
                self._guarded(event.now, self._read_requirements)
            case events.CandlesLoaded():
                self._warm(event)
            case events.Started() if self.snapshot.status not in (*TERMINAL, Status.STOPPING):
                self._signal(Transition.START)
                self._change(reason="", reason_at=event.now)
                self._call(event.now, "on_start")
            case events.StopRequested():
                self._stop(event)
            case events.PositionChecked() if self.snapshot.status in ACTIVE:
                self._pause_or_resume(event)
            case events.Crashed():
                self._fault(event.now, event.reason, "")
            case _:
                self._dispatch(event)

    def _warm(self, event: events.CandlesLoaded) -> None:
        self._candles = event.candles
        self._guarded(event.now, self._read_requirements)
        if self.snapshot.status in STARTUP:
            self._signal(Transition.WARM)

    def _dispatch(self, event: events.Event) -> None:
        """Call the strategy's callback for the event.

        Before the start only own events are dispatched: what happened to the orders while no supervisor had
        the run, so that `on_start` sees a complete state. Levels set there are placed after the start.
        """
        match event:
            case events.OrderUpdated() if self._replaced(event):
                pass  # its level is still live: the replacing order has its own updates
            case events.OrderUpdated():
                self._call(event.now, "on_order", OrderUpdate(event.level_id, event.state, event.reason))
            case events.OrderFilled(level_id=level_id, side=side, price=price, size=size):
                fill = Fill(level_id, side, price, size, event.fee, event.fee_asset, event.now)
                self._call(event.now, "on_fill", fill)
            case _ if self.snapshot.status in ACTIVE and not self.snapshot.conflict:
                self._dispatch_market(event)

    def _replaced(self, event: events.OrderUpdated) -> bool:
        """Whether the order was cancelled because another own order replaced it."""
        replaced_ids = (order.replaces for order in self.snapshot.live)
        return event.state == "cancelled" and event.client_id in replaced_ids

    def _dispatch_market(self, event: events.Event) -> None:
        now = event.now
        match event:
            case events.TickReceived():
                self._call(now, "on_tick", event.tick)
            case events.CandleClosed() if self._append(event.candle):
                self._call(now, "on_candle", event.candle)
            case events.BookUpdated():
                self._call(now, "on_book", event.book)
            case events.InputsChanged():
                self._guarded(now, self._read_requirements)
                self._call(now, "on_start")

    def _stop(self, event: events.StopRequested) -> None:
        if self.snapshot.status == Status.STOPPED:
            return
        if self.snapshot.status in ACTIVE:
            self._call(event.now, "on_stop")
        close = event.policy == StopPolicy.CANCEL_AND_CLOSE_OWN
        reason = self.snapshot.reason if self.snapshot.status == Status.FAULTED else event.reason
        self._change(policy=event.policy, closing=close, target=(), reason=reason, reason_at=event.now)
        self._signal(Transition.STOP)

    def _pause_or_resume(self, event: events.PositionChecked) -> None:
        """Rest while the bot's position and the wallet's cannot both be true; then start the strategy again."""
        if event.conflict:
            self._signal(Transition.REST, reason=event.conflict, reason_at=event.now)
        else:
            self._signal(Transition.WORK, reason="", reason_at=event.now)
            self._call(event.now, "on_start")

    def _fault(self, now: int, reason: str, trace: str) -> None:
        if self.snapshot.status in TERMINAL:
            return
        policy = self.snapshot.policy or self.spec.on_fault
        close = policy == StopPolicy.CANCEL_AND_CLOSE_OWN
        self._signal(Transition.FAULT)
        self._change(reason=reason, reason_at=now, traceback=trace, policy=policy, closing=close, target=())
        self._state = self._decode_state()

    # --- callbacks -----------------------------------------------------------------------------------
    def _call(self, now: int, callback: str, *args: object) -> None:
        if self.snapshot.status in ACTIVE | STARTUP:
            self._guarded(now, lambda: self._invoke(now, callback, args))

    def _guarded(self, now: int, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001  an error of the strategy ends its run, and nothing else
            trace = "".join(format_exception(error))[-MAX_TRACEBACK:]
            reason = str(error) if isinstance(error, InvalidIntents) else f"{type(error).__name__}: {error}"
            self._fault(now, reason, trace)

    def _invoke(self, now: int, callback: str, args: tuple[object, ...]) -> None:
        snapshot = self.snapshot
        context = Context(
            now=now,
            terms=self.spec.terms,
            position=snapshot.position,
            orders=self._own_orders(snapshot.live),
            tick=snapshot.tick,
            candles=self._candles,
            rng=SeededRandom(self._seed, snapshot.random_draws),
            state=self._state,
            intents=[],
            is_closing=snapshot.closing,
        )
        result = getattr(self.spec.strategy(self.spec.inputs), callback)(context, *args)
        if result is not None:
            raise InvalidIntents(f"{callback} returned {type(result).__name__}; callbacks return nothing.")
        intents = (
            validate_intents(context.intents, self.spec.terms.instrument.rules)
            if context.intents != []
            else NOTHING
        )
        target = intents.applied(snapshot.target)
        self._save_state(context)
        self._apply_intents(now, intents, target)

    def _own_orders(self, live: tuple[LiveOrder, ...]) -> Mapping[str, OpenOrder]:
        """Open orders by level id; rebuilt only when the live orders changed, which most ticks do not."""
        if self._orders[0] is not live:
            own = {order.level.id: OpenOrder(order.level, order.remaining, order.state) for order in live}
            self._orders = live, MappingProxyType(own)
        return self._orders[1]

    def _save_state(self, context: Context) -> None:
        """Store the strategy's state in the snapshot if it changed."""
        state = self.snapshot.state
        if not json_equal(context.state, self._stored_state):
            state = state_written(context.state)
            self._stored_state = json_decode(json.loads(state))
        self._state = context.state
        if state is not self.snapshot.state or context.rng.drawn != self.snapshot.random_draws:
            self._change(state=state, random_draws=context.rng.drawn)

    def _decode_state(self) -> Any:
        return json_decode(json.loads(self.snapshot.state))

    def _apply_intents(self, now: int, intents: ValidIntents, target: tuple[Level, ...]) -> None:
        if intents.close:
            self._change(closing=True, target=())
        elif not self.snapshot.closing and target != self.snapshot.target:
            self._change(target=target)
        if self.snapshot.status not in ACTIVE or self.snapshot.conflict:
            return
        if intents.idle:
            self._signal(Transition.REST, reason=intents.idle, reason_at=now)
        elif intents.has_orders:
            self._signal(Transition.WORK, reason="", reason_at=now)

    def _read_requirements(self) -> None:
        self._window = self.spec.strategy(self.spec.inputs).requirements().candles

    def _append(self, candle: Candle) -> bool:
        if self._candles and candle.open_time <= self._candles[-1].open_time:
            return False
        self._candles = (*self._candles, candle)[-self._window :] if self._window else ()
        return True

    # --- planning and durability ---------------------------------------------------------------------
    def _needs_planning(self, before: Snapshot, event: events.Event) -> bool:
        """Whether orders must be planned. Most ticks change nothing, and then no diff is computed."""
        now = self.snapshot
        same = now.target is before.target and now.live is before.live and now.closing == before.closing
        same = same and now.conflict == before.conflict
        unchanged = same and now.status in ACTIVE and not now.blocked_reason and not now.closing
        return not unchanged or isinstance(event, events.Started | events.InputsChanged)

    def _durable(self, event: events.Event, before: Snapshot, candles: tuple[Candle, ...]) -> bool:
        """Whether a restart or a replay of the journal would lose a change.

        Prices, and the numbers in the reason of a bot that stays idle, are not durable: the next ticks
        bring them again.
        """
        now = self.snapshot
        candles_changed = candles is not self._candles and candles != self._candles
        reason_changed = now.reason != before.reason and now.status != Status.IDLE
        return (
            isinstance(event, events.InputsChanged)
            or candles_changed
            or reason_changed
            or _lasting(now) != _lasting(before)
        )

    def _provenance(self, event: events.Event) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "run": str(self.spec.run),
            "event": encode(event),
            "inputs": self.spec.inputs_version,
            "code": self.spec.code_hash,
        }

    def _signal(self, signal: Transition, **changes: Any) -> None:
        self._change(status=next_status(self.snapshot.status, signal), **changes)

    def _change(self, **changes: Any) -> None:
        self.snapshot = replace(self.snapshot, **changes)


def replay(spec: RunSpec, snapshot: Snapshot | None, journal: Iterable[events.Event]) -> list[Decision]:
    """The decisions on these events, starting from this snapshot."""
    runner = Runner(spec, snapshot)
    return [runner.on_event(event) for event in journal]


def preview(
    spec: RunSpec, tick: events.TickReceived, candles: Sequence[Candle]
) -> tuple[tuple[Level, ...], str]:
    """The levels that a new bot would set now, and the reason if there are none, for the create-bot page."""
    now = tick.now
    startup_events = (
        events.Claimed(now),
        events.CandlesLoaded(now, tuple(candles)),
        events.TickReceived(now, tick.tick),
        events.Started(now),
        tick,
    )
    last = replay(spec, None, startup_events)[-1].snapshot
    return last.target, last.reason
