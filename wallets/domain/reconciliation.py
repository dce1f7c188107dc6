"""Reconciliation: compares local state with a venue snapshot and returns actions and differences. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from market.domain.orders import (
    AccountState,
    AccountType,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from wallets.domain.status import AT_VENUE, OrderStatus

AccountEvent = VenueOrder | VenueFill | VenueFunding | VenueMovement
Balances = Mapping[tuple[AccountType, str], Decimal]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class VenueSnapshot:
    """An account as read: its state, events since `since` (ms) and open orders, and its state again."""

    before: AccountState
    since: int
    open_orders: Sequence[VenueOrder]
    fills: Sequence[VenueFill]
    fundings: Sequence[VenueFunding]
    movements: Sequence[VenueMovement]
    after: AccountState
    rejected_events: str = ""  # what was left out of the lists of fills, payments and transfers
    rejected_state: str = ""  # what was left out of the list of open orders and of the account

    @property
    def problem(self) -> str:
        """What could not be decoded, in sentences; empty when everything was."""
        return " ".join(filter(None, (self.rejected_events, self.rejected_state)))


@dataclass(frozen=True, slots=True)
class LocalOrder:
    """A stored order. `cancel_answered`: the venue accepted a cancel, so the order should not be open.

    `incomplete`: some fields are not known yet; the venue's list of open orders has them.
    """

    id: UUID
    venue_id: str
    client_id: str
    status: OrderStatus
    cancel_answered: bool = False
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class LocalState:
    """Local state: live orders, and the references (`ref_of`) of the snapshot's events already applied.

    `ended`: orders that ended before the snapshot was taken and that the venue lists as open.
    """

    live: Sequence[LocalOrder]
    refs: frozenset[str]
    ended: Sequence[LocalOrder] = ()


# --- actions ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ApplyEvent:
    """Apply an event that was not applied yet."""

    event: AccountEvent


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """Query an order that is open here and not listed by the venue."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class RetryCancel:
    """Cancel again: the venue accepted a cancel and still lists the order as open."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class Reopen:
    """Reopen an order that ended here and that the venue lists as open: the venue is authoritative."""

    order: VenueOrder


Action = ApplyEvent | QueryOrder | RetryCancel | Reopen


def ref_of(event: AccountEvent) -> str:
    """The unique reference of an event in the ledger; empty for orders, which have no postings."""
    match event:
        case VenueFill():
            return f"fill:{event.venue_id}:{event.trade_id}"
        case VenueFunding():
            return f"funding:{event.symbol}:{event.time}"
        case VenueMovement():
            return f"movement:{event.ref}"
        case VenueOrder():
            return ""


def reconcile(state: LocalState, snapshot: VenueSnapshot) -> list[Action]:
    """The actions that bring local state in line, events by time. Events only come from the snapshot."""
    return [*_listed(state, snapshot), *_missing(state, snapshot), *_unlisted(state, snapshot)]


def _listed(state: LocalState, snapshot: VenueSnapshot) -> list[Action]:
    """Actions for orders that the venue lists as open."""
    local, ended = _by_id(state.live), _by_id(state.ended)
    actions: list[Action] = []
    for listed in snapshot.open_orders:
        order = _lookup(local, listed)
        if _lookup(ended, listed):
            actions.append(Reopen(listed))
        elif order is None or order.incomplete or order.status not in AT_VENUE:
            actions.append(ApplyEvent(listed))
        elif order.cancel_answered:
            actions.append(RetryCancel(order.id))
    return actions


def _by_id(orders: Iterable[LocalOrder]) -> dict[str, LocalOrder]:
    """By venue order id, by client order id while there is none."""
    return {order.venue_id or order.client_id: order for order in orders}


def _lookup(orders: Mapping[str, LocalOrder], listed: VenueOrder) -> LocalOrder | None:
    return orders.get(listed.venue_id) or orders.get(listed.client_id or "")


def _missing(state: LocalState, snapshot: VenueSnapshot) -> list[Action]:
    events = _unique([*snapshot.fills, *snapshot.fundings, *snapshot.movements])
    return [ApplyEvent(event) for ref, event in events.items() if ref not in state.refs]


def _unique(events: Iterable[VenueFill | VenueFunding | VenueMovement]) -> dict[str, AccountEvent]:
    """By reference, without duplicates: pages may overlap."""
    return {ref_of(event): event for event in sorted(events, key=lambda event: event.time)}


def _unlisted(state: LocalState, snapshot: VenueSnapshot) -> list[Action]:
    venue_ids = {order.venue_id for order in snapshot.open_orders}
    client_ids = {order.client_id for order in snapshot.open_orders if order.client_id}
    return [
        QueryOrder(order.id)
        for order in state.live
        if order.status in AT_VENUE and order.venue_id not in venue_ids and order.client_id not in client_ids
    ]


# --- differences --------------------------------------------------------------------------------------
def is_stable(snapshot: VenueSnapshot, newest: int) -> bool:
    """Did the account stay unchanged while it was read, so that it can be compared with the ledger?

    `newest` is the time of the newest applied event, in ms of the venue's clock.
    """
    before, after = snapshot.before, snapshot.after
    same_cash = _nonzero(before.cash) == _nonzero(after.cash)
    is_complete = not (before.rejected or after.rejected)
    return is_complete and same_cash and sizes(before) == sizes(after) and newest <= before.time


def _nonzero(cash: Balances) -> dict[tuple[AccountType, str], Decimal]:
    return {key: amount for key, amount in cash.items() if amount}


def sizes(state: AccountState) -> dict[str, Decimal]:
    return {position.symbol: position.size for position in state.positions if position.size}


def cash_difference(local: Balances, venue: Balances) -> dict[tuple[AccountType, str], Decimal]:
    """Venue less ledger by account type and asset, where they differ."""
    differences = {key: venue.get(key, ZERO) - local.get(key, ZERO) for key in {*local, *venue}}
    return {key: differences[key] for key in sorted(differences) if differences[key]}


def size_difference(local: Mapping[str, Decimal], venue: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Venue less local position size by symbol, where they differ."""
    differences = {key: venue.get(key, ZERO) - local.get(key, ZERO) for key in {*local, *venue}}
    return {key: differences[key] for key in sorted(differences) if differences[key]}
