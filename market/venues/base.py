"""The port through which a feed worker hears a venue. One implementation per protocol."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from market.domain.events import Candle, Context, Event, Trade
from market.domain.instruments import Instrument
from market.domain.subscriptions import Subscription


class Sink(Protocol):
    """What a feed tells its owner, synchronously and in order."""

    def connected(self) -> None:
        """A connection is open. Whatever happened since the last one was missed."""

    def disconnected(self, reason: str) -> None:
        """A connection is gone."""

    def event(self, event: Event) -> None:
        """The venue said this."""


Tap = Callable[[bytes, int], None]  # raw frame, receive time in ns since 1970


class Feed(Protocol):
    """Public data of one venue. Requests raise `VenueError` or `ParseError`."""

    venue: str

    async def instruments(self) -> list[Instrument]:
        """All that the venue lists, also what no longer trades."""

    async def contexts(self) -> list[Context]:
        """Mark, volume and price of yesterday of everything, in one go."""

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> list[Candle]:
        """Candles that opened in [start, end] (ms), oldest first, as many as the venue still has."""

    async def recent_trades(self, symbol: str) -> list[Trade]:
        """The newest trades, oldest first."""

    def desire(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        """Replace the set of streams wanted, the most important first. Returns those over the limit."""

    async def run(self, sink: Sink) -> None:
        """Stay connected until cancelled."""

    async def close(self) -> None:
        """Give back what `instruments`, `candles`, … opened."""
