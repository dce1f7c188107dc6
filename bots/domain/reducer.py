"""What an event changes before anybody decides: orders, position, the newest price."""

from dataclasses import replace
from typing import assert_never

from bots.domain import events
from bots.domain.ledger import BotFill
from bots.domain.lifecycle import backoff
from bots.domain.orders import Live
from bots.domain.pnl import after_fee, kept, traded
from bots.domain.snapshot import Refusals, Snapshot
from bots.sdk.intents import Level
from market.domain.instruments import Instrument


def booked(snapshot: Snapshot, event: events.Event, instrument: Instrument) -> Snapshot:
    """The snapshot after the event as such."""
    match event:
        case events.Ticked():
            return replace(snapshot, tick=event.tick)
        case events.OrderChanged() | events.Traded() | events.FundingPaid() | events.Remains():
            snapshot = replace(_own(snapshot, event, instrument), seen=event.seq)
            closed = snapshot.closing and not snapshot.position.size and not snapshot.live
            return replace(snapshot, closing=False, held_back="") if closed else snapshot
    return snapshot


def _own(snapshot: Snapshot, event: events.Own, instrument: Instrument) -> Snapshot:
    match event:
        case events.OrderChanged():
            return _order_changed(snapshot, event)
        case events.Traded():
            return _traded(snapshot, event, instrument)
        case events.FundingPaid():
            position = replace(snapshot.position, funding=snapshot.position.funding + event.amount)
            return replace(snapshot, position=position)
        case events.Remains():
            return _remaining(snapshot, event)
    assert_never(event)


def _order_changed(snapshot: Snapshot, event: events.OrderChanged) -> Snapshot:
    order = snapshot.order(event.client_id)
    if order is None:
        return snapshot
    if event.state in ("placing", "open", "cancelling"):
        return _still_live(snapshot, order, event)
    ours = order.state == "cancelling" and event.state == "cancelled"
    refusals = snapshot.refusals
    if event.state == "refused" and order.state != "cancelling":
        refusals = _refused(refusals, order.level.id, event.now)
    return replace(
        snapshot,
        live=_without(snapshot.live, order),
        wanted=snapshot.wanted if ours else _spent(snapshot.wanted, order.level),
        refusals=refusals,
    )


def _still_live(snapshot: Snapshot, order: Live, event: events.OrderChanged) -> Snapshot:
    """An order that we asked to cancel is `cancelling` until it is told why it is not: late news of its
    opening is no news."""
    if order.state == "cancelling" and not event.reason:
        return snapshot
    live = tuple(replace(each, state=event.state) if each is order else each for each in snapshot.live)
    refusals = tuple(each for each in snapshot.refusals if each.level_id != order.level.id)
    return replace(snapshot, live=live, refusals=refusals if event.state == "open" else snapshot.refusals)


def _traded(snapshot: Snapshot, event: events.Traded, instrument: Instrument) -> Snapshot:
    fill = BotFill(event.ref, event.side, event.price, event.size, event.fee, event.fee_asset, event.now)
    position = traded(snapshot.position, event.side, event.price, event.size)
    snapshot = replace(snapshot, position=after_fee(position, fill, instrument.base, instrument.quote))
    order = snapshot.order(event.client_id)
    if order is None:
        return snapshot
    left = order.left - event.size
    if left > 0:
        live = tuple(replace(each, left=left) if each is order else each for each in snapshot.live)
        return replace(snapshot, live=live)
    return replace(
        snapshot,
        live=_without(snapshot.live, order),
        wanted=_spent(snapshot.wanted, order.level),
    )


def _remaining(snapshot: Snapshot, event: events.Remains) -> Snapshot:
    """What went by no order of ours is not traded again: that would open the opposite."""
    gone = abs(snapshot.position.size - event.size)
    snapshot = replace(snapshot, position=kept(snapshot.position, event.size), covered=event.covered)
    if not gone:
        return snapshot
    told = f"{gone.normalize():f} of its position went at the venue by no order of ours."
    return replace(snapshot, reason=f"{snapshot.reason} {told}".strip())


def _without(live: tuple[Live, ...], gone: Live) -> tuple[Live, ...]:
    return tuple(order for order in live if order is not gone)


def _spent(wanted: tuple[Level, ...], level: Level) -> tuple[Level, ...]:
    """A level whose order ended without our doing is not placed again until the strategy wants it again."""
    return tuple(each for each in wanted if each.id != level.id)


def _refused(refusals: tuple[Refusals, ...], level_id: str, now: int) -> tuple[Refusals, ...]:
    former = next((each.count for each in refusals if each.level_id == level_id), 0)
    others = tuple(each for each in refusals if each.level_id != level_id and each.until > now)
    return (*others, Refusals(level_id, former + 1, now + backoff(former + 1)))
