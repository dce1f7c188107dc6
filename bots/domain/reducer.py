"""Reducer of the bot snapshot: (snapshot, event) → snapshot with updated orders, position and tick.

It runs before the strategy decides on the event.
"""

from dataclasses import replace
from typing import assert_never

from bots.domain import events
from bots.domain.ledger import LedgerFill
from bots.domain.lifecycle import backoff
from bots.domain.orders import LiveOrder
from bots.domain.pnl import after_fee, apply_trade, reduce_to
from bots.domain.snapshot import LevelBackoff, Snapshot
from bots.sdk.intents import Level
from market.domain.instruments import Instrument


def apply_event(snapshot: Snapshot, event: events.Event, instrument: Instrument) -> Snapshot:
    """The snapshot after the event, before the strategy's callback."""
    match event:
        case events.TickReceived():
            return replace(snapshot, tick=event.tick)
        case events.PositionChecked():
            return replace(snapshot, conflict=event.conflict)
        case events.OrderUpdated() | events.OrderFilled() | events.FundingPaid() | events.PositionAdjusted():
            snapshot = replace(_apply_own_event(snapshot, event, instrument), last_seq=event.seq)
            closed = snapshot.closing and not snapshot.position.size and not snapshot.live
            return replace(snapshot, closing=False, blocked_reason="") if closed else snapshot
    return snapshot


def _apply_own_event(snapshot: Snapshot, event: events.OwnEvent, instrument: Instrument) -> Snapshot:
    match event:
        case events.OrderUpdated():
            return _apply_order_update(snapshot, event)
        case events.OrderFilled():
            return _apply_fill(snapshot, event, instrument)
        case events.FundingPaid():
            position = replace(snapshot.position, funding=snapshot.position.funding + event.amount)
            return replace(snapshot, position=position)
        case events.PositionAdjusted():
            return _apply_adjustment(snapshot, event)
    assert_never(event)


def _apply_order_update(snapshot: Snapshot, event: events.OrderUpdated) -> Snapshot:
    order = snapshot.order(event.client_id)
    if order is None:
        return snapshot
    if event.state in ("placing", "open", "cancelling"):
        return _update_live_order(snapshot, order, event)
    cancelled_by_bot = order.state == "cancelling" and event.state == "cancelled"
    refusals = snapshot.refusals
    if event.state == "rejected" and order.state != "cancelling":
        refusals = _add_refusal(refusals, order.level.id, event.now)
    return replace(
        snapshot,
        live=_without(snapshot.live, order),
        target=snapshot.target if cancelled_by_bot else _drop_level(snapshot.target, order.level),
        refusals=refusals,
    )


def _update_live_order(snapshot: Snapshot, order: LiveOrder, event: events.OrderUpdated) -> Snapshot:
    """Apply a non-terminal update. An order with a requested cancel stays `cancelling` until an update gives
    a reason why the cancel failed: a late `open` update without a reason is ignored."""
    if order.state == "cancelling" and not event.reason:
        return snapshot
    live = tuple(replace(each, state=event.state) if each is order else each for each in snapshot.live)
    refusals = tuple(each for each in snapshot.refusals if each.level_id != order.level.id)
    return replace(snapshot, live=live, refusals=refusals if event.state == "open" else snapshot.refusals)


def _apply_fill(snapshot: Snapshot, event: events.OrderFilled, instrument: Instrument) -> Snapshot:
    fill = LedgerFill(event.ref, event.side, event.price, event.size, event.fee, event.fee_asset, event.now)
    position = apply_trade(snapshot.position, event.side, event.price, event.size)
    snapshot = replace(snapshot, position=after_fee(position, fill, instrument.base, instrument.quote))
    order = snapshot.order(event.client_id)
    if order is None:
        return snapshot
    remaining = order.remaining - event.size
    if remaining > 0:
        live = tuple(replace(each, remaining=remaining) if each is order else each for each in snapshot.live)
        return replace(snapshot, live=live)
    return replace(
        snapshot,
        live=_without(snapshot.live, order),
        target=_drop_level(snapshot.target, order.level),
    )


def _apply_adjustment(snapshot: Snapshot, event: events.PositionAdjusted) -> Snapshot:
    """Reduce the position to what remains at the venue.

    The part that was closed externally is not closed again: that would open the opposite position.
    """
    missing = abs(snapshot.position.size - event.size)
    snapshot = replace(
        snapshot, position=reduce_to(snapshot.position, event.size), reduce_only_possible=event.covered
    )
    if not missing:
        return snapshot
    note = f"{missing.normalize():f} of its position was closed on the exchange without an order placed here."
    return replace(snapshot, reason=f"{snapshot.reason} {note}".strip())


def _without(live: tuple[LiveOrder, ...], removed: LiveOrder) -> tuple[LiveOrder, ...]:
    return tuple(order for order in live if order is not removed)


def _drop_level(target: tuple[Level, ...], level: Level) -> tuple[Level, ...]:
    """Drop a level after its order ended without the bot's request; it is placed again only when the
    strategy sets it again."""
    return tuple(each for each in target if each.id != level.id)


def _add_refusal(refusals: tuple[LevelBackoff, ...], level_id: str, now: int) -> tuple[LevelBackoff, ...]:
    previous = next((each.count for each in refusals if each.level_id == level_id), 0)
    others = tuple(each for each in refusals if each.level_id != level_id and each.retry_at > now)
    return (*others, LevelBackoff(level_id, previous + 1, now + backoff(previous + 1)))
