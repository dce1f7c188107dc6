"""Expiry: why an order is never executed twice when its response was lost.

Every order is sent with a validity that the venue enforces. After it, a request in flight has arrived or
never will. Only then the order is queried at the venue by its client order id, and only when the venue never
received that id the order is sent again, under the same id. The durations are the venue's own
(`market.venues.base.Validity`).
"""

from market.venues import venue_adapter
from market.venues.base import RequestKind, Validity


def request_validity(venue: str, request: RequestKind = "place") -> Validity:
    """The validity of a kind of request at the venue."""
    return venue_adapter(venue).validity(request)


def final_before(now: int, settle: int) -> int:
    """Requests valid until the returned time or earlier have a final result at `now` (venue time, ms)."""
    return now - settle
