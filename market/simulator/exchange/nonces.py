"""Nonces of one signer: the hundred highest are remembered, and only newer or unused ones pass."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from market.simulator.exchange.errors import Refused

KEPT = 100
DAY = 86_400_000
BEHIND, AHEAD = 2 * DAY, DAY


@dataclass(slots=True)
class NonceLine:
    """Ascending."""

    used: list[int] = field(default_factory=list)

    def admit(self, nonce: int, now: int) -> None:
        """Take the nonce, or raise `Refused`."""
        lowest, highest = now - BEHIND, now + AHEAD
        if nonce >= highest:
            raise Refused(f"Invalid nonce: nonce too high {nonce} > {highest}")
        if len(self.used) >= KEPT:
            lowest = max(lowest, self.used[0])
        place = bisect_left(self.used, nonce)
        if place < len(self.used) and self.used[place] == nonce:
            raise Refused(f"Invalid nonce: duplicate nonce {nonce}")
        if nonce <= lowest:
            raise Refused(f"Invalid nonce: nonce too low {nonce} < {lowest}")
        self.remember(nonce)

    def remember(self, nonce: int) -> None:
        insort(self.used, nonce)
        del self.used[:-KEPT]
