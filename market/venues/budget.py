"""A request budget: weight that refills with time. Pure; the shell sleeps."""


class Budget:
    """`capacity` units, refilled at `per_minute`. Requests go in the order in which they reserve.

    A polite request leaves `reserve` units untouched, so that an urgent one need not wait for it.
    """

    def __init__(self, *, capacity: float, per_minute: float, reserve: float = 0) -> None:
        self._capacity = capacity
        self._rate = per_minute / 60
        self._reserve = reserve
        self._level = capacity
        self._at = 0.0

    def take(self, weight: float, now: float, *, urgent: bool = False) -> float:
        """Book `weight` at `now` (s). Returns how long to wait before sending."""
        self._refill(now)
        self._level -= weight
        floor = 0.0 if urgent else self._reserve
        return max(0.0, (floor - self._level) / self._rate)

    def exhaust(self, now: float) -> None:
        """The venue says that we asked too much, whatever we counted."""
        self._refill(now)
        self._level = min(self._level, 0.0)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now
