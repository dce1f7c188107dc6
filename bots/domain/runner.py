"""One life of a bot: a snapshot and an event in, a decision out. The same events decide the same again.

The runner keeps nothing of its own but candles, which are given to it again after a restart. Own events
that a snapshot has seen are taken once, and requests are numbered, so that replaying what came after a
snapshot asks for the same orders under the same ids.
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
from bots.domain.codec import encode
from bots.domain.intent_validation import NOTHING, Junk, Wishes, judged, state_written
from bots.domain.lifecycle import BEGINNING, DECIDING, ENDED, Signal, Status, StopPolicy, moved
from bots.domain.order_planner import Desk, Request
from bots.domain.orders import Live
from bots.domain.reducer import booked
from bots.domain.snapshot import Snapshot
from bots.sdk.context import Context, OwnOrder, Terms
from bots.sdk.events import Fill, OrderNews
from bots.sdk.intents import Level
from bots.sdk.json_codec import plain_decode, plain_same
from bots.sdk.rng import Dice
from bots.sdk.strategy import Strategy
from market.domain.events import Candle

PASSING = ("tick", "checked_at", "reason")
TRACE_KEPT = 8_000
_lasting = attrgetter(*(field.name for field in fields(Snapshot) if field.name not in PASSING))


@dataclass(frozen=True, slots=True)
class Spec:
    """What a run is. `code` is the hash of the strategy's source, `inputs` come from `inputs_read`."""

    run: UUID
    strategy: type[Strategy]
    terms: Terms
    inputs: dict[str, Any]
    inputs_version: int
    code: str
    on_fault: StopPolicy = StopPolicy.CANCEL_OWN


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of one event. `durable` is False when nothing changed that a restart would miss."""

    snapshot: Snapshot
    requests: tuple[Request, ...]
    durable: bool
    why: dict[str, Any]


class Runner:
    """Call `on_event` with a `Claimed` first; the shell stores each durable decision before it acts on it."""

    def __init__(self, spec: Spec, snapshot: Snapshot | None = None) -> None:
        self.spec = spec
        self.snapshot = snapshot if snapshot is not None else Snapshot()
        self._state = self._decoded()
        self._kept = self._decoded()  # never handed out: what the state was when it was written last
        self._seed = str(spec.run)
        self._orders: tuple[tuple[Live, ...], Mapping[str, OwnOrder]] = ((), MappingProxyType({}))
        self._candles: tuple[Candle, ...] = ()
        self._window = 0

    def on_event(self, event: events.Event) -> Decision:
        """Decide. Raises nothing that a strategy did: that is in the snapshot."""
        before, candles = self.snapshot, self._candles
        if isinstance(event, events.Own) and event.seq <= before.seen:
            return Decision(before, (), durable=False, why={})
        if isinstance(event, events.InputsChanged):
            self.spec = replace(self.spec, inputs=event.inputs, inputs_version=event.version)
        self.snapshot = booked(before, event, self.spec.terms.instrument)
        self._proceed(event)
        requests: tuple[Request, ...] = ()
        why: dict[str, Any] = {}
        if self._unsettled(before, event):
            why = self._why(event)
            desk = Desk(self.spec.run, self.spec.terms, self.snapshot, why)
            desk.act(event.now)
            self.snapshot, requests = desk.snapshot, tuple(desk.requests)
        return Decision(self.snapshot, requests, self._durable(event, before, candles), why)

    # --- the course of life ------------------------------------------------------------------------
    def _proceed(self, event: events.Event) -> None:
        match event:
            case events.Claimed():
                self._signal(Signal.CLAIM)
                self._guarded(event.now, self._read_needs)
            case events.Warmed():
                self._warm(event)
            case events.Started() if self.snapshot.status not in (*ENDED, Status.STOPPING):
                self._signal(Signal.START)
                self._change(reason="", checked_at=event.now)
                self._call(event.now, "on_start")
            case events.StopAsked():
                self._stop(event)
            case events.Crashed():
                self._fault(event.now, event.reason, "")
            case _:
                self._tell(event)

    def _warm(self, event: events.Warmed) -> None:
        self._candles = event.candles
        self._guarded(event.now, self._read_needs)
        if self.snapshot.status in BEGINNING:
            self._signal(Signal.WARM)

    def _tell(self, event: events.Event) -> None:
        """The strategy's own callback. Before the start it hears only what happened to its orders while no
        worker had the run, so that `on_start` finds everything told; what it then wants waits for the start.
        """
        match event:
            case events.OrderChanged() if self._replaced(event):
                pass  # its level stands on: the order that took its place is told of
            case events.OrderChanged():
                self._call(event.now, "on_order", OrderNews(event.level_id, event.state, event.reason))
            case events.Traded(level_id=level_id, side=side, price=price, size=size):
                fill = Fill(level_id, side, price, size, event.fee, event.fee_asset, event.now)
                self._call(event.now, "on_fill", fill)
            case _ if self.snapshot.status in DECIDING:
                self._tell_market(event)

    def _replaced(self, event: events.OrderChanged) -> bool:
        """Did we end it ourselves by putting another one in its place?"""
        heirs = (order.replaces for order in self.snapshot.live)
        return event.state == "cancelled" and event.client_id in heirs

    def _tell_market(self, event: events.Event) -> None:
        now = event.now
        match event:
            case events.Ticked():
                self._call(now, "on_tick", event.tick)
            case events.CandleClosed() if self._append(event.candle):
                self._call(now, "on_candle", event.candle)
            case events.BookShown():
                self._call(now, "on_book", event.book)
            case events.InputsChanged():
                self._guarded(now, self._read_needs)
                self._call(now, "on_start")

    def _stop(self, event: events.StopAsked) -> None:
        if self.snapshot.status == Status.STOPPED:
            return
        if self.snapshot.status in DECIDING:
            self._call(event.now, "on_stop")
        close = event.policy == StopPolicy.CANCEL_AND_CLOSE_OWN
        reason = self.snapshot.reason if self.snapshot.status == Status.FAULTED else event.reason
        self._change(policy=event.policy, closing=close, wanted=(), reason=reason, checked_at=event.now)
        self._signal(Signal.STOP)

    def _fault(self, now: int, reason: str, trace: str) -> None:
        if self.snapshot.status in ENDED:
            return
        policy = self.snapshot.policy or self.spec.on_fault
        close = policy == StopPolicy.CANCEL_AND_CLOSE_OWN
        self._signal(Signal.FAULT)
        self._change(reason=reason, checked_at=now, trace=trace, policy=policy, closing=close, wanted=())
        self._state = self._decoded()

    # --- callbacks -----------------------------------------------------------------------------------
    def _call(self, now: int, callback: str, *told: object) -> None:
        if self.snapshot.status in DECIDING | BEGINNING:
            self._guarded(now, lambda: self._converse(now, callback, told))

    def _guarded(self, now: int, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001  the strategy's own mistakes end its run, and nothing else
            trace = "".join(format_exception(error))[-TRACE_KEPT:]
            reason = str(error) if isinstance(error, Junk) else f"{type(error).__name__}: {error}"
            self._fault(now, reason, trace)

    def _converse(self, now: int, callback: str, told: tuple[object, ...]) -> None:
        snapshot = self.snapshot
        context = Context(
            now=now,
            terms=self.spec.terms,
            position=snapshot.position,
            orders=self._own_orders(snapshot.live),
            tick=snapshot.tick,
            candles=self._candles,
            dice=Dice(self._seed, snapshot.drawn),
            state=self._state,
            intents=[],
            closing=snapshot.closing,
        )
        answer = getattr(self.spec.strategy(self.spec.inputs), callback)(context, *told)
        if answer is not None:
            raise Junk(f"{callback} returned {type(answer).__name__}; callbacks return nothing.")
        wishes = (
            judged(context.intents, self.spec.terms.instrument.rules) if context.intents != [] else NOTHING
        )
        wanted = wishes.applied(snapshot.wanted)
        self._remember(context)
        self._apply(now, wishes, wanted)

    def _own_orders(self, live: tuple[Live, ...]) -> Mapping[str, OwnOrder]:
        """By level id; made anew when the orders are others, which at most ticks they are not."""
        if self._orders[0] is not live:
            own = {order.level.id: OwnOrder(order.level, order.left, order.state) for order in live}
            self._orders = live, MappingProxyType(own)
        return self._orders[1]

    def _remember(self, context: Context) -> None:
        """Write the strategy's state down if it is another one."""
        state = self.snapshot.state
        if not plain_same(context.state, self._kept):
            state = state_written(context.state)
            self._kept = plain_decode(json.loads(state))
        self._state = context.state
        if state is not self.snapshot.state or context.dice.drawn != self.snapshot.drawn:
            self._change(state=state, drawn=context.dice.drawn)

    def _decoded(self) -> Any:
        return plain_decode(json.loads(self.snapshot.state))

    def _apply(self, now: int, wishes: Wishes, wanted: tuple[Level, ...]) -> None:
        if wishes.close:
            self._change(closing=True, wanted=())
        elif not self.snapshot.closing and wanted != self.snapshot.wanted:
            self._change(wanted=wanted)
        if self.snapshot.status not in DECIDING:
            return
        if wishes.idle:
            self._signal(Signal.REST, reason=wishes.idle, checked_at=now)
        elif wishes.wants_orders:
            self._signal(Signal.WORK, reason="", checked_at=now)

    def _read_needs(self) -> None:
        self._window = self.spec.strategy(self.spec.inputs).needs().candles

    def _append(self, candle: Candle) -> bool:
        if self._candles and candle.open_time <= self._candles[-1].open_time:
            return False
        self._candles = (*self._candles, candle)[-self._window :] if self._window else ()
        return True

    # --- bookkeeping ---------------------------------------------------------------------------------
    def _unsettled(self, before: Snapshot, event: events.Event) -> bool:
        """Could there be anything to do? Most ticks change nothing, and then nothing is compared."""
        now = self.snapshot
        same = now.wanted is before.wanted and now.live is before.live and now.closing == before.closing
        settled = same and now.status in DECIDING and not now.held_back and not now.closing
        return not settled or isinstance(event, events.Started | events.InputsChanged)

    def _durable(self, event: events.Event, before: Snapshot, candles: tuple[Candle, ...]) -> bool:
        """Would a restart, or whoever replays the journal, miss anything of it?

        Prices, and the figures in the reason of a bot that stays idle, come again by themselves.
        """
        now = self.snapshot
        read = candles is not self._candles and candles != self._candles
        words = now.reason != before.reason and now.status != Status.IDLE
        return isinstance(event, events.InputsChanged) or read or words or _lasting(now) != _lasting(before)

    def _why(self, event: events.Event) -> dict[str, Any]:
        return {
            "run": str(self.spec.run),
            "event": encode(event),
            "inputs": self.spec.inputs_version,
            "code": self.spec.code,
        }

    def _signal(self, signal: Signal, **changes: Any) -> None:
        self._change(status=moved(self.snapshot.status, signal), **changes)

    def _change(self, **changes: Any) -> None:
        self.snapshot = replace(self.snapshot, **changes)


def replay(spec: Spec, snapshot: Snapshot | None, journal: Iterable[events.Event]) -> list[Decision]:
    """The decisions that follow from these events after this snapshot."""
    runner = Runner(spec, snapshot)
    return [runner.on_event(event) for event in journal]


def preview(spec: Spec, tick: events.Ticked, candles: Sequence[Candle]) -> tuple[tuple[Level, ...], str]:
    """The levels that a new bot would quote now, and why it would not, for the page that creates it."""
    now = tick.now
    first = (
        events.Claimed(now),
        events.Warmed(now, tuple(candles)),
        events.Ticked(now, tick.tick),
        events.Started(now),
        tick,
    )
    last = replay(spec, None, first)[-1].snapshot
    return last.wanted, last.reason
