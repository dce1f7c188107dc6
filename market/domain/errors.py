"""What can go wrong between us and a venue: one tree. Errors carry data and write their own sentence.

Definitive (`VenueRefused`, `ParseError`) and transient (`VenueUnavailable`) failures are different
types, because only the second may be tried again blindly.
"""

SAMPLE_KEPT = 120


class MarketError(Exception):
    """Root of this tree."""


class ParseError(MarketError):
    """A venue said something that we do not understand. `sample` is the beginning of what it said."""

    def __init__(self, problem: str, sample: object = "") -> None:
        self.problem = problem
        self.sample = str(sample)[:SAMPLE_KEPT]
        super().__init__(f"{problem}: {self.sample}" if self.sample else problem)


class VenueError(MarketError):
    """A request to a venue was not answered as asked."""

    def __init__(self, venue: str, problem: str) -> None:
        self.venue = venue
        self.problem = problem
        super().__init__(f"{venue}: {problem}")


class VenueRefused(VenueError):
    """The venue understood and said no; asking again will not help."""


class VenueUnavailable(VenueError):
    """The venue is away or asks us to slow down; asking later may help."""
