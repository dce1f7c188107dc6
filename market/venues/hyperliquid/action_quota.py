"""How many actions an account may still send: the venue gives ten thousand, and one for every USDC traded.

Who used it up may send one in ten seconds. Orders are slowed before that, so that cancels and exits,
which are never slowed here, meet a venue that still listens. Pure.
"""

from dataclasses import dataclass

ASK_EVERY = 300.0
SCARCE = 0.10  # of the cap
PAUSE_WHEN_SCARCE = 1.0
PAUSE_WHEN_GONE = 10.0


@dataclass
class Allowance:
    """Of one account. Times are seconds of any monotonic clock."""

    used: int = 0
    cap: int | None = None  # nobody has asked yet
    asked_at: float = float("-inf")
    free_at: float = float("-inf")  # when the next order may go

    def is_due(self, now: float) -> bool:
        """The venue should be asked again; taken as done."""
        if now - self.asked_at < ASK_EVERY:
            return False
        self.asked_at = now
        return True

    def told(self, used: int, cap: int) -> None:
        """What the venue says."""
        self.used, self.cap = used, cap

    def spent(self, count: int) -> None:
        """An action with that many orders was sent."""
        self.used += count

    def is_gone(self, now: float) -> None:
        """The venue refused: it is to be asked, and until then there is nothing."""
        self.free_at = now + PAUSE_WHEN_GONE
        self.cap = min(self.used, self.cap or self.used)
        self.asked_at = float("-inf")

    def turn(self, now: float, patience: float) -> float | None:
        """Seconds to wait before this order; the next one waits for its own turn after that. None, and no
        turn, when it is more than `patience`."""
        start = max(now, self.free_at)
        if start - now > max(0.0, patience):
            return None
        self.free_at = start + self._spacing()
        return start - now

    def _spacing(self) -> float:
        if self.cap is None or self.cap - self.used >= SCARCE * self.cap:
            return 0.0
        return PAUSE_WHEN_SCARCE if self.used < self.cap else PAUSE_WHEN_GONE
