"""The trades of one instrument as one line: in order, each once, with the hole after a gap filled first."""

from collections import deque
from collections.abc import Iterable

from market.domain.events import Trade

KEPT = 2048


class Tape:
    """While it is on hold (after a gap, until the missing trades arrive) nothing newer is let through."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], None] = {}
        self._held: deque[Trade] | None = None

    def hold(self) -> None:
        """Keep live trades back until `fill`."""
        if self._held is None:
            self._held = deque(maxlen=KEPT)

    def take(self, trades: Iterable[Trade]) -> list[Trade]:
        """Live trades, oldest first: those to publish now."""
        if self._held is not None:
            self._held.extend(trades)
            return []
        return self._fresh(trades)

    def fill(self, missing: Iterable[Trade]) -> list[Trade]:
        """Trades from the gap (none when they could not be had): they and the held ones, in time order."""
        held, self._held = self._held or (), None
        # Stable: trades of one millisecond keep the order in which the venue told them.
        return self._fresh(sorted([*missing, *held], key=lambda trade: trade.time))

    def _fresh(self, trades: Iterable[Trade]) -> list[Trade]:
        fresh = []
        for trade in trades:
            key = (trade.time, trade.id)
            if key not in self._seen:
                self._seen[key] = None
                fresh.append(trade)
        while len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]
        return fresh
