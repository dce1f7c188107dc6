"""Inbox of one bot: events that wait while it is busy. Bounded, except for own events and commands."""

from collections import deque

from bots.domain.events import (
    BookUpdated,
    CandleClosed,
    Event,
    FundingPaid,
    OrderFilled,
    OrderUpdated,
    TickReceived,
    TimerFired,
)
from market.domain.events import INTERVALS

MAX_CANDLES = 512


class Inbox:
    """Event queue of one bot. Own events come out first, so that each decision sees the current position.

    Ticks, books and timers are conflated: only the newest of each kind waits. Candles wait in order; when
    there are too many, the oldest is dropped and `gap` says that the candles must be loaded again.
    """

    def __init__(self, interval: str | None = None) -> None:
        self._interval_ms = INTERVALS[interval] if interval else 0
        self._own: deque[Event] = deque()
        self._commands: deque[Event] = deque()
        self._candles: deque[CandleClosed] = deque(maxlen=MAX_CANDLES)
        self._newest: dict[type, Event] = {}
        self._last_open_time = 0
        self.gap = False

    def __len__(self) -> int:
        return len(self._own) + len(self._commands) + len(self._candles) + len(self._newest)

    def put(self, event: Event) -> None:
        match event:
            case OrderUpdated() | OrderFilled() | FundingPaid():
                self._own.append(event)
            case TickReceived() | BookUpdated() | TimerFired():
                self._newest.pop(type(event), None)  # inserted again at the end of the order
                self._newest[type(event)] = event
            case CandleClosed():
                self._put_candle(event)
            case _:
                self._commands.append(event)

    def get(self) -> Event | None:
        """The next event, or None when nothing waits."""
        for queue in (self._own, self._commands, self._candles):
            if queue:
                return queue.popleft()
        return self._newest.pop(next(iter(self._newest))) if self._newest else None

    def _put_candle(self, event: CandleClosed) -> None:
        open_time = event.candle.open_time
        has_gap = (
            self._interval_ms
            and self._last_open_time
            and open_time > self._last_open_time + self._interval_ms
        )
        if has_gap or len(self._candles) == MAX_CANDLES:
            self.gap = True
        if open_time > self._last_open_time:
            self._last_open_time = open_time
            self._candles.append(event)
