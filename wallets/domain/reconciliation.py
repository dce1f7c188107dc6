"""Our books against a picture of the account: what is missing, what to ask, what is left unexplained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from market.domain.orders import (
    AccountState,
    Pot,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from wallets.domain.status import AT_VENUE, OrderStatus

Fact = VenueOrder | VenueFill | VenueFunding | VenueMovement
Cash = Mapping[tuple[Pot, str], Decimal]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Picture:
    """An account as it was read: its state, facts since `since` (ms) and what is open, its state again."""

    before: AccountState
    since: int
    open_orders: Sequence[VenueOrder]
    fills: Sequence[VenueFill]
    fundings: Sequence[VenueFunding]
    movements: Sequence[VenueMovement]
    after: AccountState


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """A live order of ours. `cancel_answered`: the venue took a cancel of it, and it should be gone.

    `vague`: not all of it is known yet, and the venue's list tells the rest.
    """

    id: UUID
    venue_id: str
    client_id: str
    status: OrderStatus
    cancel_answered: bool = False
    vague: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the books hold: live orders, and the names (`ref_of`) of those of the picture's events they have.

    `over`: orders that ended before the picture was taken.
    """

    live: Sequence[KnownOrder]
    refs: frozenset[str]
    over: Sequence[KnownOrder] = ()


# --- what to do ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Book:
    """The books do not have this."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Ask:
    """Open with us, not listed by the venue: only it knows how the order ended."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class CancelAgain:
    """The venue took a cancel and lists the order all the same."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class Reopen:
    """Over with us, and all the same it stands at the venue: what the venue says is so."""

    order: VenueOrder


Action = Book | Ask | CancelAgain | Reopen


def ref_of(fact: Fact) -> str:
    """The one name of an event in the ledger; empty for orders, which move nothing."""
    match fact:
        case VenueFill():
            return f"fill:{fact.venue_id}:{fact.trade_id}"
        case VenueFunding():
            return f"funding:{fact.symbol}:{fact.time}"
        case VenueMovement():
            return f"movement:{fact.ref}"
        case VenueOrder():
            return ""


def reconcile(known: Known, picture: Picture) -> list[Action]:
    """Facts in the order of their time. Nothing is made up: every `Book` carries what the venue said."""
    return [*_listed(known, picture), *_missing(known, picture), *_unlisted(known, picture)]


def _listed(known: Known, picture: Picture) -> list[Action]:
    """Orders that the venue lists and we do not hold for open."""
    ours, over = _by_id(known.live), _by_id(known.over)
    actions: list[Action] = []
    for listed in picture.open_orders:
        order = _named(ours, listed)
        if _named(over, listed):
            actions.append(Reopen(listed))
        elif order is None or order.vague or order.status not in AT_VENUE:
            actions.append(Book(listed))
        elif order.cancel_answered:
            actions.append(CancelAgain(order.id))
    return actions


def _by_id(orders: Iterable[KnownOrder]) -> dict[str, KnownOrder]:
    """By the venue's id, by ours while there is none."""
    return {order.venue_id or order.client_id: order for order in orders}


def _named(orders: Mapping[str, KnownOrder], listed: VenueOrder) -> KnownOrder | None:
    return orders.get(listed.venue_id) or orders.get(listed.client_id or "")


def _missing(known: Known, picture: Picture) -> list[Action]:
    facts = _once([*picture.fills, *picture.fundings, *picture.movements])
    return [Book(fact) for ref, fact in facts.items() if ref not in known.refs]


def _once(facts: Iterable[VenueFill | VenueFunding | VenueMovement]) -> dict[str, Fact]:
    """By name: pages may overlap."""
    return {ref_of(fact): fact for fact in sorted(facts, key=lambda fact: fact.time)}


def _unlisted(known: Known, picture: Picture) -> list[Action]:
    venue_ids = {order.venue_id for order in picture.open_orders}
    client_ids = {order.client_id for order in picture.open_orders if order.client_id}
    return [
        Ask(order.id)
        for order in known.live
        if order.status in AT_VENUE and order.venue_id not in venue_ids and order.client_id not in client_ids
    ]


# --- what is left ----------------------------------------------------------------------------------
def is_quiet(picture: Picture, newest: int) -> bool:
    """Whether the account stood still while it was read, so that the books can be held against it.

    `newest` is the time of the newest event in the books, in the venue's ms.
    """
    before, after = picture.before, picture.after
    same_cash = _whole(before.cash) == _whole(after.cash)
    return same_cash and sizes(before) == sizes(after) and newest <= before.time


def _whole(cash: Cash) -> dict[tuple[Pot, str], Decimal]:
    return {key: amount for key, amount in cash.items() if amount}


def sizes(state: AccountState) -> dict[str, Decimal]:
    return {position.symbol: position.size for position in state.positions if position.size}


def cash_difference(books: Cash, venue: Cash) -> dict[tuple[Pot, str], Decimal]:
    """Venue less books, where they differ."""
    both = {key: venue.get(key, ZERO) - books.get(key, ZERO) for key in {*books, *venue}}
    return {key: both[key] for key in sorted(both) if both[key]}


def size_difference(books: Mapping[str, Decimal], venue: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Venue less books of positions by symbol, where they differ."""
    both = {key: venue.get(key, ZERO) - books.get(key, ZERO) for key in {*books, *venue}}
    return {key: both[key] for key in sorted(both) if both[key]}
