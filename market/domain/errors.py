"""Exception hierarchy of venue communication. Errors carry data and format their own message.

Definitive (`VenueRejected`, `ParseError`) and transient (`VenueUnavailable`) failures are different
types, because only transient ones may be retried without further checks.
"""

MAX_SAMPLE = 120


class MarketError(Exception):
    """Base class of all errors of this module."""


class ParseError(MarketError):
    """A venue sent data that cannot be parsed. `sample` is the beginning of the data."""

    def __init__(self, problem: str, sample: object = "") -> None:
        self.problem = problem
        self.sample = str(sample)[:MAX_SAMPLE]
        super().__init__(f"{problem}: {self.sample}" if self.sample else problem)


class VenueError(MarketError):
    """A request to a venue failed."""

    def __init__(self, venue: str, problem: str) -> None:
        self.venue = venue
        self.problem = problem
        super().__init__(f"{venue}: {problem}")


class VenueRejected(VenueError):
    """The venue rejected the request; a retry will not help."""


class VenueUnavailable(VenueError):
    """The venue is unreachable or rate-limits the client; a later retry may help."""


class VenueUnreadable(VenueUnavailable):
    """The venue answered with data that cannot be decoded as a whole."""
