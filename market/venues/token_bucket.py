"""Token bucket of request weight. Pure; the caller sleeps."""


class TokenBucket:
    """Token bucket of `capacity` units, refilled at `per_minute`. Only granted weights are charged."""

    def __init__(self, *, capacity: float, per_minute: float) -> None:
        self._capacity = capacity
        self._rate = per_minute / 60
        self._level = capacity
        self._at = 0.0

    def try_acquire(self, weight: float, now: float, *, floor: float = 0.0) -> float:
        """Charge `weight` at `now` (s) if at least `floor` remains; returns 0.

        Otherwise charge nothing and return the seconds to wait. A weight above the capacity is granted when
        the bucket is full.
        """
        self._refill(now)
        need = min(weight + floor, self._capacity)
        if self._level >= need:
            self._level -= weight
            return 0.0
        return (need - self._level) / self._rate

    def charge(self, weight: float, now: float) -> None:
        """Charge weight without a check; later requests wait for it."""
        self._refill(now)
        self._level -= weight

    def drain(self, now: float) -> None:
        """Empty the bucket: the venue reported that the limit was exceeded."""
        self._refill(now)
        self._level = min(self._level, 0.0)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now
