"""Waiting out: why an order whose answer was lost is never done twice.

Every order is sent with an expiry that the venue obeys. Once that moment is past, whatever was on its
way has arrived or never will. Only then is the venue asked about it, by the order's client id, and only
when it never saw that id is the order sent again, under the same id.
"""

VALIDITY = 5_000  # ms that an order may be on its way
MARGIN = 3_000  # ms for two clocks to differ, and for the venue to show what it did


def settled_before(now: int, margin: int = MARGIN) -> int:
    """The fate of whatever was valid until this moment, or less long, is settled by `now` (venue's ms)."""
    return now - margin
