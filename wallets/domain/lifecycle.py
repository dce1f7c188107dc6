"""Order state machine: one transition table. Events reported by the venue have a transition from every state.

From *unknown* only the venue's response leads on: to the reported state or, if the venue never received the
order, back to pending, from where it is sent again under the same id, cancelled, or expires.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from wallets.domain.errors import IllegalTransition
from wallets.domain.status import AT_VENUE, IN_FLIGHT, LIVE, TERMINAL, OrderStatus

_S = OrderStatus


class OrderEvent(StrEnum):
    """What happens to an order: local events first, then events reported by the venue."""

    # --- local ---
    PREPARED = "prepared"  # its submission was stored
    NOT_SENT = "not_sent"  # nothing was sent, or the venue rejected the whole action
    RESULT_UNKNOWN = "result_unknown"  # sent, no response
    DENIED = "denied"  # the trading state changed while it was pending
    EXPIRED_LOCALLY = "expired_locally"  # too old to be sent
    CANCELLED_LOCALLY = "cancelled_locally"
    CANCEL_SENT = "cancel_sent"
    # --- from the venue ---
    ACCEPTED = "accepted"  # the response says so, or it is listed as open
    REJECTED = "rejected"
    NOT_FOUND = "not_found"  # queried after the validity had passed
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    ENDED = "ended"  # cancelled, by any party
    REAPPEARED = "reappeared"  # listed as open although terminal here before the query
    LOST = "lost"  # no longer found: accepted before, or "not found" proves nothing


def _to(target: OrderStatus, sources: Iterable[OrderStatus]) -> dict[OrderStatus, OrderStatus]:
    return dict.fromkeys(sources, target)


def _stay(*sources: OrderStatus) -> dict[OrderStatus, OrderStatus]:
    return {source: source for source in sources}


TRANSITIONS: dict[OrderEvent, dict[OrderStatus, OrderStatus]] = {
    OrderEvent.PREPARED: {_S.PENDING: _S.SUBMITTING},
    OrderEvent.NOT_SENT: {_S.SUBMITTING: _S.PENDING, _S.UNKNOWN: _S.PENDING},
    OrderEvent.RESULT_UNKNOWN: {_S.SUBMITTING: _S.UNKNOWN, **_stay(_S.UNKNOWN)},
    OrderEvent.DENIED: {_S.PENDING: _S.DENIED},
    OrderEvent.EXPIRED_LOCALLY: {_S.PENDING: _S.EXPIRED},
    OrderEvent.CANCELLED_LOCALLY: {_S.PENDING: _S.CANCELLED},
    OrderEvent.CANCEL_SENT: {
        _S.OPEN: _S.CANCELLING,
        _S.PARTIALLY_FILLED: _S.CANCELLING,
        **_stay(_S.CANCELLING),
    },
    # A response can be slower than the stream: a later state stays.
    OrderEvent.ACCEPTED: {
        **_to(_S.OPEN, (_S.PENDING, *IN_FLIGHT)),
        **_stay(*AT_VENUE, *TERMINAL),
    },
    OrderEvent.REJECTED: {
        **_to(_S.REJECTED, (_S.PENDING, *IN_FLIGHT, _S.OPEN)),
        **_to(_S.CANCELLED, (_S.PARTIALLY_FILLED, _S.CANCELLING)),
        **_stay(*TERMINAL),
    },
    OrderEvent.NOT_FOUND: _to(_S.PENDING, IN_FLIGHT),
    # Also from pending, when a query found nothing: the order must not be sent again.
    OrderEvent.PARTIALLY_FILLED: {
        **_to(_S.PARTIALLY_FILLED, (_S.PENDING, *IN_FLIGHT, _S.OPEN, _S.PARTIALLY_FILLED)),
        **_stay(_S.CANCELLING, *TERMINAL),
    },
    # From cancelled: the cancel lost the race and the order was filled completely.
    OrderEvent.FILLED: {
        **_to(_S.FILLED, (*LIVE, _S.CANCELLED, _S.FILLED)),
        **_stay(_S.REJECTED, _S.DENIED, _S.EXPIRED),
    },
    OrderEvent.ENDED: {**_to(_S.CANCELLED, LIVE), **_stay(*TERMINAL)},
    # The only way out of a terminal state: an order open at the venue must be cancellable here.
    OrderEvent.REAPPEARED: _to(_S.OPEN, TERMINAL),
    # An order without a known result that the venue cannot be asked about any more: only fills can change it.
    OrderEvent.LOST: {**_to(_S.CANCELLED, AT_VENUE), **_to(_S.EXPIRED, IN_FLIGHT)},
}


def next_status(status: OrderStatus | str, event: OrderEvent) -> OrderStatus:
    """The next state. Raises `IllegalTransition` when the table has none."""
    try:
        return TRANSITIONS[event][OrderStatus(status)]
    except KeyError:
        raise IllegalTransition(f"{event} of an order that is {status}") from None


def fill_event(filled: Decimal, size: Decimal) -> OrderEvent:
    return OrderEvent.FILLED if filled >= size else OrderEvent.PARTIALLY_FILLED


def fill_flags(status: OrderStatus | str, filled: Decimal, size: Decimal) -> list[str]:
    """Flags for a fill that reaches an order in `status` and brings its filled size to `filled`."""
    late = status in TERMINAL and status != OrderStatus.FILLED
    return ["late_fill"] * late + ["overfill"] * (filled > size)


def replacement_size(size: Decimal, late: Decimal) -> Decimal:
    """The size of a replacement of `size`, after `late` more of the replaced order was filled than was known."""
    return max(Decimal(0), size - max(Decimal(0), late))
