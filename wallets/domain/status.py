"""The life of an order: its states, and which may follow which."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """*Denied* is our no, *rejected* the venue's; *unknown* means that nobody has asked yet."""

    PENDING = "pending"  # ours alone: nothing has left the house
    SUBMITTING = "submitting"  # written down with nonce and validity; perhaps sent
    UNKNOWN = "unknown"  # sent, not answered: validity is waited out, then the venue is asked
    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    CANCELLING = "cancelling"  # open or partly filled, and a cancel is on its way
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DENIED = "denied"
    EXPIRED = "expired"  # too old to be sent: it never reached the venue


TERMINAL = frozenset(
    {
        OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.DENIED,
        OrderStatus.EXPIRED,
    }
)  # fmt: skip
LIVE = frozenset(OrderStatus) - TERMINAL
AT_VENUE = frozenset({OrderStatus.OPEN, OrderStatus.PARTLY_FILLED, OrderStatus.CANCELLING})
IN_DOUBT = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class TradingState(StrEnum):
    """Of a wallet, a user, or the house; the strictest of the three counts."""

    ACTIVE = "active"
    REDUCING = "reducing"  # only what makes a position smaller
    HALTED = "halted"  # nothing but cancels


STRICTNESS = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


def strictest(*states: TradingState) -> TradingState:
    return max(states, key=STRICTNESS.index, default=TradingState.ACTIVE)
