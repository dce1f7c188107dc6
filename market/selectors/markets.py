"""The board: instruments with their ticks, sorted as asked."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from market.domain.formatting import decimal_parse
from market.models import Instrument
from market.selectors.candles import sparklines
from market.selectors.instruments import instrument_list, price_decimals
from market.selectors.live import ticks_known, venue_time
from market.selectors.venues import VenueState, venue_states

BOARD_ROWS = 300
MOVERS = 3


@dataclass(frozen=True)
class BoardRow:
    """One instrument: `tick` is the stream's body, empty when unknown; `spark` may be empty."""

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
        """As its venue's; None when this instrument never had a tick that could age."""
        return self.venue.age_ms if self.tick else None

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid, in quote units."""
        bid, ask = self.number("bid"), self.number("ask")
        return None if bid is None or ask is None else ask - bid

    @property
    def spread_bp(self) -> Decimal | None:
        """The spread in basis points of the middle."""
        bid, ask = self.number("bid"), self.number("ask")
        if bid is None or ask is None or bid + ask <= 0:
            return None
        return (ask - bid) / (bid + ask) * 20_000


@dataclass(frozen=True)
class Board:
    """`rows` are at most 300 of `total`; the movers are of all of them."""

    rows: list[BoardRow]
    total: int
    rising: list[BoardRow]
    falling: list[BoardRow]
    venues: list[VenueState]


_KEYS: dict[str, Callable[[BoardRow], Any]] = {
    "name": lambda row: row.instrument.symbol.lower(),
    "venue": lambda row: row.venue.title.lower(),
    "last": lambda row: row.number("last"),
    "change": lambda row: row.number("change24h"),
    "volume": lambda row: row.number("volume24h"),
    "mark": lambda row: row.number("mark"),
    "spread": lambda row: row.spread_bp,
}
SORTS = tuple(_KEYS)


def board_get(
    *, venue: str = "", kind: str = "", q: str = "", sort: str = "-volume", limit: int = BOARD_ROWS
) -> Board:
    """Instruments that match, sorted by one of `SORTS` ("-" reverses); unknown values come last."""
    venues = venue_states()
    rows = _rows(instrument_list(venue=venue, kind=kind, q=q), venues)
    ranked = _sorted([row for row in rows if row.number("change24h") is not None], "-change")
    shown = _sorted(rows, sort)[:limit]
    return Board(
        rows=_with_sparks(shown),
        total=len(rows),
        rising=[row for row in ranked[:MOVERS] if (row.number("change24h") or 0) > 0],
        falling=[row for row in ranked[: -MOVERS - 1 : -1] if (row.number("change24h") or 0) < 0],
        venues=venues,
    )


def board_row(instrument: Instrument) -> BoardRow:
    """The row of one instrument, without a sparkline."""
    return _rows([instrument], venue_states())[0]


def _rows(instruments: Iterable[Instrument], venues: list[VenueState]) -> list[BoardRow]:
    states = {venue.name: venue for venue in venues}
    ticks = {name: ticks_known(name) for name in states}
    return [
        BoardRow(instrument, states[venue], ticks[venue].get(instrument.symbol, {}))
        for instrument in instruments
        if (venue := instrument.venue.name) in states
    ]


def _sorted(rows: list[BoardRow], sort: str) -> list[BoardRow]:
    key = _KEYS[sort.lstrip("-")]
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


def _with_sparks(rows: list[BoardRow]) -> list[BoardRow]:
    lines: dict[int, list[float]] = {}
    for venue in {row.venue.name for row in rows}:
        here = [row for row in rows if row.venue.name == venue]
        now = venue_time({row.instrument.symbol: row.tick for row in here}, int(time.time() * 1000))
        lines |= sparklines((row.instrument.pk for row in here), now)
    return [BoardRow(row.instrument, row.venue, row.tick, lines.get(row.instrument.pk, [])) for row in rows]
