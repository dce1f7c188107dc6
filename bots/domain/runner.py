"""One life of a bot: a snapshot and an event in, a decision out. The same events decide the same again.

The runner keeps nothing of its own but candles, which are given to it again after a restart. Own events
that a snapshot has seen are taken once, and requests are numbered, so that replaying what came after a
snapshot asks for the same orders under the same ids.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from traceback import format_exception
from typing import Any
from uuid import UUID

from bots.domain import events
from bots.domain.bookkeeping import booked
from bots.domain.codec import encode
from bots.domain.desk import Desk, Request
from bots.domain.judging import Junk, Wishes, judged
from bots.domain.lifecycle import BEGINNING, DECIDING, ENDED, Signal, Status, StopPolicy, moved
from bots.domain.snapshot import Snapshot
from bots.sdk.context import Context, OwnOrder, Terms
from bots.sdk.dice import Dice
from bots.sdk.events import Fill, OrderNews
from bots.sdk.intents import Level
from bots.sdk.plain import plain_decode, plain_encode
from bots.sdk.strategy import Strategy
from market.domain.events import Candle

STATE_LARGEST = 65_536
TRACE_KEPT = 8_000


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
        self._state: Any = plain_decode(json.loads(self.snapshot.state))
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
            case events.OrderChanged():
                self._call(event.now, "on_order", OrderNews(event.level_id, event.state, event.reason))
            case events.Traded(level_id=level_id, side=side, price=price, size=size):
                fill = Fill(level_id, side, price, size, event.fee, event.fee_asset, event.now)
                self._call(event.now, "on_fill", fill)
            case _ if self.snapshot.status in DECIDING:
                self._tell_market(event)

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
        self._state = plain_decode(json.loads(self.snapshot.state))

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
            orders={
                order.level.id: OwnOrder(order.level, order.left, order.state) for order in snapshot.live
            },
            tick=snapshot.tick,
            candles=self._candles,
            dice=Dice(str(self.spec.run), snapshot.drawn),
            state=self._state,
            intents=[],
            closing=snapshot.closing,
        )
        answer = getattr(self.spec.strategy(self.spec.inputs), callback)(context, *told)
        if answer is not None:
            raise Junk(f"{callback} returned {type(answer).__name__}; callbacks return nothing.")
        wishes = judged(context.intents, self.spec.terms.instrument.rules)
        wanted = wishes.applied(snapshot.wanted)
        state = _written(context.state)
        self._state = context.state
        self._change(state=state, drawn=context.dice.drawn)
        self._apply(now, wishes, wanted)

    def _apply(self, now: int, wishes: Wishes, wanted: tuple[Level, ...]) -> None:
        if wishes.close:
            self._change(closing=True, wanted=())
        elif not self.snapshot.closing and wanted != self.snapshot.wanted:
            self._change(wanted=wanted)
        if self.snapshot.status not in DECIDING:
            return
        if wishes.idle:
            self._signal(Signal.REST)
            self._change(reason=wishes.idle, checked_at=now)
        elif wishes.wants_orders:
            self._signal(Signal.WORK)
            self._change(reason="", checked_at=now)

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
        """Would a restart, or whoever replays the journal, miss anything of it?"""
        if isinstance(event, events.InputsChanged) or (
            candles is not self._candles and candles != self._candles
        ):
            return True
        return replace(self.snapshot, tick=before.tick, checked_at=before.checked_at) != before

    def _why(self, event: events.Event) -> dict[str, Any]:
        return {
            "run": str(self.spec.run),
            "event": encode(event),
            "inputs": self.spec.inputs_version,
            "code": self.spec.code,
        }

    def _signal(self, signal: Signal) -> None:
        self._change(status=moved(self.snapshot.status, signal))

    def _change(self, **changes: Any) -> None:
        self.snapshot = replace(self.snapshot, **changes)


def _written(state: object) -> str:
    written = json.dumps(plain_encode(state), separators=(",", ":"), sort_keys=True)
    if not isinstance(state, dict) or len(written) > STATE_LARGEST:
        raise Junk(f"The state is no dictionary of at most {STATE_LARGEST} bytes.")
    return written


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
