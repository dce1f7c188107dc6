"""Expiry: why an order is never executed twice when its response was lost.

Every order is sent with an expiry that the venue enforces. After it, a request in flight has arrived or
never will. Only then the order is queried at the venue by its client order id, and only when the venue never
received that id the order is sent again, under the same id.
"""

VALIDITY = 5_000  # ms from signing within which the venue accepts an order
SAFETY_MARGIN = 3_000  # ms for a difference of the clocks, and for the venue to show the result


def final_before(now: int, margin: int = SAFETY_MARGIN) -> int:
    """Requests valid until the returned time or earlier have a final result at `now` (venue time, ms)."""
    return now - margin
