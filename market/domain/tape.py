"""Trade tape of one instrument: trades in order and without duplicates, with gaps filled first."""

from collections import deque
from collections.abc import Iterable

from market.domain.events import Trade

MAX_TRADES = 2048


class Tape:
    """Trade tape. While paused (after a gap, until the missing trades arrive) live trades are buffered."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], None] = {}
        self._paused: deque[Trade] | None = None

    def pause(self) -> None:
        """Buffer live trades until `fill`."""
        if self._paused is None:
            self._paused = deque(maxlen=MAX_TRADES)

    def add(self, trades: Iterable[Trade]) -> list[Trade]:
        """Add live trades, oldest first. Returns those to publish now."""
        if self._paused is not None:
            self._paused.extend(trades)
            return []
        return self._fresh(trades)

    def fill(self, missing: Iterable[Trade]) -> list[Trade]:
        """Add the trades of the gap (none when unavailable). Returns them and the buffered ones by time."""
        paused, self._paused = self._paused or (), None
        # The sort is stable: trades of one millisecond keep the order in which the venue sent them.
        return self._fresh(sorted([*missing, *paused], key=lambda trade: trade.time))

    def _fresh(self, trades: Iterable[Trade]) -> list[Trade]:
        fresh = []
        for trade in trades:
            key = (trade.time, trade.id)
            if key not in self._seen:
                self._seen[key] = None
                fresh.append(trade)
        while len(self._seen) > MAX_TRADES:
            del self._seen[next(iter(self._seen))]
        return fresh
