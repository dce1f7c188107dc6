"""What may become of an order: one table. A fact that the venue tells has a move from every state.

*Unknown* leads nowhere but through the venue: to what it says, or, when it never saw the order, back to
pending, from where the order is sent again under the same id, cancelled or lapses.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from wallets.domain.errors import IllegalMove
from wallets.domain.status import AT_VENUE, IN_DOUBT, LIVE, TERMINAL, OrderStatus

_S = OrderStatus


class OrderEvent(StrEnum):
    # --- ours ---
    TAKEN = "taken"  # written down to be sent
    UNSENT = "unsent"  # nothing left us, or the venue refused the envelope
    DOUBTED = "doubted"  # sent, no answer
    DENIED = "denied"  # the rules changed while it waited
    LAPSED = "lapsed"  # too old to be sent
    CANCELLED_HERE = "cancelled_here"
    CANCEL_SENT = "cancel_sent"
    # --- the venue's ---
    ACCEPTED = "accepted"  # an answer, or it is listed as open
    REFUSED = "refused"
    NEVER_SEEN = "never_seen"  # it was asked after the validity had passed
    FILLED_PARTLY = "filled_partly"
    FILLED_WHOLLY = "filled_wholly"
    ENDED = "ended"  # cancelled, by whomever
    FORGOTTEN = "forgotten"  # it had accepted the order and does not know it any more


def _to(target: OrderStatus, sources: Iterable[OrderStatus]) -> dict[OrderStatus, OrderStatus]:
    return dict.fromkeys(sources, target)


def _stay(*sources: OrderStatus) -> dict[OrderStatus, OrderStatus]:
    return {source: source for source in sources}


TABLE: dict[OrderEvent, dict[OrderStatus, OrderStatus]] = {
    OrderEvent.TAKEN: {_S.PENDING: _S.SUBMITTING},
    OrderEvent.UNSENT: {_S.SUBMITTING: _S.PENDING, _S.UNKNOWN: _S.PENDING},
    OrderEvent.DOUBTED: {_S.SUBMITTING: _S.UNKNOWN, **_stay(_S.UNKNOWN)},
    OrderEvent.DENIED: {_S.PENDING: _S.DENIED},
    OrderEvent.LAPSED: {_S.PENDING: _S.EXPIRED},
    OrderEvent.CANCELLED_HERE: {_S.PENDING: _S.CANCELLED},
    OrderEvent.CANCEL_SENT: {
        _S.OPEN: _S.CANCELLING,
        _S.PARTLY_FILLED: _S.CANCELLING,
        **_stay(_S.CANCELLING),
    },
    # An answer can be slower than the stream: what is known already stays.
    OrderEvent.ACCEPTED: {
        **_to(_S.OPEN, (_S.PENDING, *IN_DOUBT)),
        **_stay(*AT_VENUE, *TERMINAL),
    },
    OrderEvent.REFUSED: {
        **_to(_S.REJECTED, (_S.PENDING, *IN_DOUBT, _S.OPEN)),
        **_to(_S.CANCELLED, (_S.PARTLY_FILLED, _S.CANCELLING)),
        **_stay(*TERMINAL),
    },
    OrderEvent.NEVER_SEEN: _to(_S.PENDING, IN_DOUBT),
    # Also of an order that we thought had never arrived: it must not be sent again.
    OrderEvent.FILLED_PARTLY: {
        **_to(_S.PARTLY_FILLED, (_S.PENDING, *IN_DOUBT, _S.OPEN, _S.PARTLY_FILLED)),
        **_stay(_S.CANCELLING, *TERMINAL),
    },
    # A cancel that lost the race: everything was filled after all.
    OrderEvent.FILLED_WHOLLY: {
        **_to(_S.FILLED, (*LIVE, _S.CANCELLED, _S.FILLED)),
        **_stay(_S.REJECTED, _S.DENIED, _S.EXPIRED),
    },
    OrderEvent.ENDED: {**_to(_S.CANCELLED, LIVE), **_stay(*TERMINAL)},
    OrderEvent.FORGOTTEN: _to(_S.CANCELLED, AT_VENUE),
}


def after(status: OrderStatus | str, event: OrderEvent) -> OrderStatus:
    """The state that follows. Raises `IllegalMove` when the table has none."""
    try:
        return TABLE[event][OrderStatus(status)]
    except KeyError:
        raise IllegalMove(f"{event} of an order that is {status}") from None


def fill_event(filled: Decimal, size: Decimal) -> OrderEvent:
    return OrderEvent.FILLED_WHOLLY if filled >= size else OrderEvent.FILLED_PARTLY


def fill_flags(status: OrderStatus | str, filled: Decimal, size: Decimal) -> list[str]:
    """What is odd about a fill that comes to an order in `status` and makes it `filled` in all."""
    late = status in TERMINAL and status != OrderStatus.FILLED
    return ["late_fill"] * late + ["overfill"] * (filled > size)


# --- what a refusal of a whole action means --------------------------------------------------------
Meaning = Literal["reject", "again", "key_gone", "doubt"]

# "duplicate nonce": we never use one twice, so an earlier copy of this very request was admitted.
_DOUBT = ("duplicate nonce",)
_AGAIN = ("invalid nonce", "nonce too", "already expired", "too many cumulative requests", "rate limit")
_KEY_GONE = ("user or api wallet", "unable to recover signer")


def refusal_meaning(text: str) -> Meaning:
    """reject: final. again: nothing was done, send it anew. key_gone: the key may not trade any more.

    doubt: perhaps it was done; ask.
    """
    said = text.lower()
    if any(part in said for part in _DOUBT):
        return "doubt"
    if any(part in said for part in _AGAIN):
        return "again"
    return "key_gone" if any(part in said for part in _KEY_GONE) else "reject"
