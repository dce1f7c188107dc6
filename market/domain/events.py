"""Public market data events of a venue: immutable, times are venue times in ms.

On the streaming path prices and sizes stay the venue's decimal strings: they are forwarded, compared and
displayed, never computed with. `Candle` uses Decimal because candles are aggregated and stored.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
INTERVALS: dict[str, int] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask. An empty side is None."""

    symbol: str
    bid: str | None
    ask: str | None
    time: int


@dataclass(frozen=True, slots=True)
class Context:
    """Asset context: mark price, price 24 h ago, volume in quote units, funding rate, open interest."""

    symbol: str
    mark: str
    previous_day: str
    volume24h: str
    mid: str | None = None
    oracle: str | None = None
    funding: str | None = None
    open_interest: str | None = None


@dataclass(frozen=True, slots=True)
class Mids:
    """Mid prices of many instruments."""

    mids: dict[str, str]


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade; `side` is the taker's."""

    symbol: str
    price: str
    size: str
    side: Side
    time: int
    id: str


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades of one instrument, oldest first."""

    symbol: str
    trades: tuple[Trade, ...]


Level = tuple[str, str]  # price, size


@dataclass(frozen=True, slots=True)
class Book:
    """A full book snapshot: bids from the best down, asks from the best up.

    `shallow` marks a frequently sent book of the top few levels only.
    """

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time: int
    shallow: bool = False


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low, close and volume (base units) of [open_time, open_time + interval)."""

    symbol: str
    interval: str
    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


Event = Quote | Context | Mids | Trades | Book | Candle
