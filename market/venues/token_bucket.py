"""A request budget: weight that refills with time. Pure; the shell sleeps."""


class Budget:
    """`capacity` units, refilled at `per_minute`. What is taken is booked; what has to wait is not."""

    def __init__(self, *, capacity: float, per_minute: float) -> None:
        self._capacity = capacity
        self._rate = per_minute / 60
        self._level = capacity
        self._at = 0.0

    def take(self, weight: float, now: float, *, floor: float = 0.0) -> float:
        """Book `weight` at `now` (s) if `floor` is left then. Else book nothing, and say in how many
        seconds to try again. A weight that never fits is let through when the budget is full."""
        self._refill(now)
        need = min(weight + floor, self._capacity)
        if self._level >= need:
            self._level -= weight
            return 0.0
        return (need - self._level) / self._rate

    def book(self, weight: float, now: float) -> None:
        """An answer turned out to cost this much more; those who come wait for it."""
        self._refill(now)
        self._level -= weight

    def exhaust(self, now: float) -> None:
        """The venue says that we asked too much, whatever we counted."""
        self._refill(now)
        self._level = min(self._level, 0.0)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now
