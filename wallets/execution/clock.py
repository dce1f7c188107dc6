"""Venue clock: estimates the venue's time and the round trip of requests."""

from collections import deque
from dataclasses import dataclass

SAMPLES = 9
SLOW_MS = 2_000  # a longer round trip is too inaccurate for a sample
WARN_MS = 1_000
ROUND_TRIP_MS = 200  # before the first request


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: int
    round_trip: int


class VenueClock:
    """`offset`: venue time less local time, in ms; None until it was measured.

    Every response with the venue's time is a sample. The sample with the shortest of the last round trips
    counts, because its error is at most half its round trip.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def sample(self, *, venue: int, sent: int, received: int) -> None:
        """The venue reported its time as `venue`, between `sent` and `received` (local ms)."""
        if 0 <= received - sent <= SLOW_MS:
            self._samples.append(_Sample(venue - (sent + received) // 2, received - sent))

    @property
    def offset(self) -> int | None:
        if not self._samples:
            return None
        return min(self._samples, key=lambda sample: sample.round_trip).offset

    @property
    def round_trip(self) -> int:
        """The longest of the last round trips, in ms."""
        return max((sample.round_trip for sample in self._samples), default=ROUND_TRIP_MS)

    def now(self, local: int) -> int:
        """The venue's time at the local time `local`, in ms."""
        return local + (self.offset or 0)

    def is_trusted(self, validity: int) -> bool:
        """False when the local clock is off or unknown by so much that an expiry would be wrong."""
        return self.offset is not None and abs(self.offset) <= validity // 2
