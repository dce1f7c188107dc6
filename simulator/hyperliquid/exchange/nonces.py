"""Nonce window of a signer: stores the 100 highest nonces; a nonce must be unused and above the lowest of them."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from simulator.hyperliquid.exchange.errors import Refused

MAX_NONCES = 100
DAY = 86_400_000
BEHIND, AHEAD = 2 * DAY, DAY


@dataclass(slots=True)
class NonceWindow:
    """Used nonces of one signer, ascending."""

    used: list[int] = field(default_factory=list)

    def admit(self, nonce: int, now: int) -> None:
        """Use the nonce. Raises `Refused` when it is too low, too high or a duplicate."""
        lowest, highest = now - BEHIND, now + AHEAD
        if nonce >= highest:
            raise Refused(f"Invalid nonce: nonce too high {nonce} > {highest}")
        if len(self.used) >= MAX_NONCES:
            lowest = max(lowest, self.used[0])
        place = bisect_left(self.used, nonce)
        if place < len(self.used) and self.used[place] == nonce:
            raise Refused(f"Invalid nonce: duplicate nonce {nonce}")
        if nonce <= lowest:
            raise Refused(f"Invalid nonce: nonce too low {nonce} < {lowest}")
        self.remember(nonce)

    def remember(self, nonce: int) -> None:
        insort(self.used, nonce)
        del self.used[:-MAX_NONCES]
