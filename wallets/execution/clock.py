"""The venue's clock, as far as we can tell, and how long a request takes."""

from collections import deque
from dataclasses import dataclass

SAMPLES = 9
SLOW_MS = 2_000  # a round trip that took longer says little about the time
WARN_MS = 1_000
ROUND_TRIP_MS = 200  # before the first request


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: int
    round_trip: int


class VenueClock:
    """`offset`: the venue's time less ours, in ms; None until it was measured.

    Every answer that carries the venue's time is a sample; the quickest of the last few counts, because
    half its round trip is how wrong it can be.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def sample(self, *, venue: int, asked: int, answered: int) -> None:
        """The venue said that it was `venue`, between `asked` and `answered` by our clock."""
        if 0 <= answered - asked <= SLOW_MS:
            self._samples.append(_Sample(venue - (asked + answered) // 2, answered - asked))

    @property
    def offset(self) -> int | None:
        if not self._samples:
            return None
        return min(self._samples, key=lambda sample: sample.round_trip).offset

    @property
    def round_trip(self) -> int:
        """The slowest of the last few, in ms."""
        return max((sample.round_trip for sample in self._samples), default=ROUND_TRIP_MS)

    def now(self, ours: int) -> int:
        """The venue's time when it is `ours` here."""
        return ours + (self.offset or 0)

    def is_trusted(self, validity: int) -> bool:
        """False when our clock is so wrong, or so unknown, that an expiry would mean something else."""
        return self.offset is not None and abs(self.offset) <= validity // 2
