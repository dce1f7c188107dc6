"""Markets table: instruments with their ticks, filtered and sorted."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.formatting import decimal_parse
from market.models import Instrument
from market.selectors.candles import sparklines
from market.selectors.live import ticks_or_none, venue_time
from market.selectors.venues import VenueState, instrument_list, price_decimals, venue_states

BOARD_ROWS = 300
TOP_MOVERS = 3


@dataclass(frozen=True)
class MarketRow:
    """One row of the markets table: `tick` is the stream body, empty when unknown; `spark` may be empty."""

    instrument: Instrument
    venue: VenueState
    tick: dict[str, Any]
    spark: list[float] = field(default_factory=list)

    def number(self, name: str) -> Decimal | None:
        return decimal_parse(self.tick.get(name))

    @property
    def topic(self) -> str:
        return f"ticks.{self.venue.name}"

    @property
    def decimals(self) -> int:
        return price_decimals(self.instrument, self.number("last") or self.number("mark"))

    @property
    def stale(self) -> bool:
        return self.venue.stale or not self.tick

    @property
    def age_ms(self) -> int | None:
        """Age of the venue's newest frame, ms; None when this instrument has no tick."""
        return self.venue.age_ms if self.tick else None

    @property
    def spread(self) -> Decimal | None:
        """Ask minus bid, in quote units."""
        bid, ask = self.number("bid"), self.number("ask")
        return None if bid is None or ask is None else ask - bid

    @property
    def spread_bp(self) -> Decimal | None:
        """The spread in basis points of the mid price."""
        bid, ask = self.number("bid"), self.number("ask")
        if bid is None or ask is None or bid + ask <= 0:
            return None
        return (ask - bid) / (bid + ask) * 20_000


@dataclass(frozen=True)
class MarketTable:
    """Markets table: `rows` are at most 300 of `total`; gainers and losers are taken from all rows."""

    rows: list[MarketRow]
    total: int
    gainers: list[MarketRow]
    losers: list[MarketRow]
    venues: list[VenueState]


_SORT_KEYS: dict[str, Callable[[MarketRow], Any]] = {
    "name": lambda row: row.instrument.symbol.lower(),
    "venue": lambda row: row.venue.title.lower(),
    "last": lambda row: row.number("last"),
    "change": lambda row: row.number("change24h"),
    "volume": lambda row: row.number("volume24h"),
    "mark": lambda row: row.number("mark"),
    "spread": lambda row: row.spread_bp,
}
SORTS = tuple(_SORT_KEYS)


def market_table(
    *, venue: str = "", kind: str = "", q: str = "", sort: str = "-volume", limit: int = BOARD_ROWS
) -> MarketTable:
    """The matching instruments, sorted by one of `SORTS` ("-" is descending); unknown values are last."""
    venues = venue_states()
    rows = _rows(instrument_list(venue=venue, kind=kind, q=q), venues)
    ranked = _sorted([row for row in rows if row.number("change24h") is not None], "-change")
    shown = _sorted(rows, sort)[:limit]
    return MarketTable(
        rows=_with_sparklines(shown),
        total=len(rows),
        gainers=[row for row in ranked[:TOP_MOVERS] if (row.number("change24h") or 0) > 0],
        losers=[row for row in ranked[: -TOP_MOVERS - 1 : -1] if (row.number("change24h") or 0) < 0],
        venues=venues,
    )


def market_row(instrument: Instrument) -> MarketRow:
    """The row of one instrument, without a sparkline."""
    return _rows([instrument], venue_states())[0]


def _rows(instruments: Iterable[Instrument], venues: list[VenueState]) -> list[MarketRow]:
    states = {venue.name: venue for venue in venues}
    ticks = {name: ticks_or_none(name) for name in states}
    return [
        MarketRow(instrument, states[venue], ticks[venue].get(instrument.symbol, {}))
        for instrument in instruments
        if (venue := instrument.venue.name) in states
    ]


def _sorted(rows: list[MarketRow], sort: str) -> list[MarketRow]:
    key = _SORT_KEYS[sort.lstrip("-")]
    with_value = [row for row in rows if key(row) is not None]
    without_value = [row for row in rows if key(row) is None]
    return sorted(with_value, key=key, reverse=sort.startswith("-")) + without_value


def _with_sparklines(rows: list[MarketRow]) -> list[MarketRow]:
    lines: dict[int, list[float]] = {}
    for venue in {row.venue.name for row in rows}:
        venue_rows = [row for row in rows if row.venue.name == venue]
        now = venue_time({row.instrument.symbol: row.tick for row in venue_rows}, int(time.time() * 1000))
        lines |= sparklines((row.instrument.pk for row in venue_rows), now)
    return [MarketRow(row.instrument, row.venue, row.tick, lines.get(row.instrument.pk, [])) for row in rows]
