"""Order status and trading state, with the sets of statuses used in queries."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Status of an order. *Denied* by the risk check, *rejected* by the venue; *unknown*: not queried yet."""

    PENDING = "pending"  # stored, not sent
    SUBMITTING = "submitting"  # stored with nonce and validity; possibly sent
    UNKNOWN = "unknown"  # sent without a response: queried at the venue once its validity has passed
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELLING = "cancelling"  # open or partially filled, and a cancel was sent
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
AT_VENUE = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELLING})
IN_FLIGHT = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class TradingState(StrEnum):
    """Trading state of a wallet, a user or the whole server; the strictest of the three applies."""

    ACTIVE = "active"
    REDUCING = "reducing"  # only orders that reduce a position
    HALTED = "halted"  # only cancels


STRICTNESS = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


def strictest(*states: TradingState) -> TradingState:
    return max(states, key=STRICTNESS.index, default=TradingState.ACTIVE)
