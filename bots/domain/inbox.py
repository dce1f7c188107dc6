"""What waits for a bot that is busy: bounded, except for what is about its own orders and money."""

from collections import deque

from bots.domain.events import (
    BookShown,
    CandleClosed,
    Event,
    FundingPaid,
    OrderChanged,
    Ticked,
    Traded,
    Woken,
)
from market.domain.events import INTERVALS

CANDLES_KEPT = 512


class Inbox:
    """Events of one bot. Own events come out first, so that every decision knows what the bot holds.

    Of ticks, of books and of wake-ups only the newest waits. Candles wait in order; where they are too
    many the oldest goes, and `gap` says that the strategy must be warmed up again.
    """

    def __init__(self, interval: str | None = None) -> None:
        self._width = INTERVALS[interval] if interval else 0
        self._own: deque[Event] = deque()
        self._asked: deque[Event] = deque()
        self._candles: deque[CandleClosed] = deque(maxlen=CANDLES_KEPT)
        self._newest: dict[type, Event] = {}
        self._last = 0
        self.gap = False

    def __len__(self) -> int:
        return len(self._own) + len(self._asked) + len(self._candles) + len(self._newest)

    def put(self, event: Event) -> None:
        match event:
            case OrderChanged() | Traded() | FundingPaid():
                self._own.append(event)
            case Ticked() | BookShown() | Woken():
                self._newest.pop(type(event), None)  # the newest of a kind also waits where the newest wait
                self._newest[type(event)] = event
            case CandleClosed():
                self._put_candle(event)
            case _:
                self._asked.append(event)

    def take(self) -> Event | None:
        """The next event, or None when nothing waits."""
        for waiting in (self._own, self._asked, self._candles):
            if waiting:
                return waiting.popleft()
        return self._newest.pop(next(iter(self._newest))) if self._newest else None

    def _put_candle(self, event: CandleClosed) -> None:
        opened = event.candle.open_time
        jumped = self._width and self._last and opened > self._last + self._width
        if jumped or len(self._candles) == CANDLES_KEPT:
            self.gap = True
        if opened > self._last:
            self._last = opened
            self._candles.append(event)
