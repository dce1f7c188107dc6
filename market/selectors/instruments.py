"""Queries of instruments, and the number of decimals of their prices."""

from collections.abc import Iterable
from decimal import Decimal
from typing import cast

from django.db.models import Q, QuerySet

from market.domain.instruments import Instrument as DomainInstrument
from market.domain.instruments import Kind, Rules
from market.models import Instrument


def instrument_get(venue: str, symbol: str) -> Instrument | None:
    """The instrument with its venue, or None; instruments of disabled venues are excluded."""
    rows = Instrument.objects.select_related("venue").filter(venue__enabled=True)
    return rows.filter(venue=venue, symbol=symbol).first()


def instrument_list(*, venue: str = "", kind: str = "", q: str = "") -> QuerySet[Instrument]:
    """Trading instruments of enabled venues. Each word of `q` is part of the symbol, base or quote."""
    rows = Instrument.objects.select_related("venue").filter(venue__enabled=True, trading=True)
    if venue:
        rows = rows.filter(venue=venue)
    if kind:
        rows = rows.filter(kind=kind)
    for word in q.replace("/", " ").split():
        rows = rows.filter(Q(symbol__icontains=word) | Q(base__icontains=word) | Q(quote__icontains=word))
    return rows.order_by("venue", "symbol")


def price_decimals(instrument: Instrument, last: Decimal | None) -> int:
    """Number of decimals to display for prices of this instrument near `last`."""
    if last is None or last <= 0:
        return instrument.price_decimals
    rules = Rules(
        instrument.size_decimals,
        instrument.price_decimals,
        instrument.significant_figures,
        instrument.min_notional,
    )
    return max(0, -rules.tick_at(last).normalize().adjusted())


def instruments_named(venue: str, symbols: Iterable[str]) -> dict[str, Instrument]:
    """Symbol → instrument in one query, including those not trading; unknown symbols are absent."""
    rows = Instrument.objects.filter(venue=venue, symbol__in=set(symbols))
    return {row.symbol: row for row in rows}


def instrument_rules(row: Instrument) -> DomainInstrument:
    """Convert a row to the domain type."""
    rules = Rules(row.size_decimals, row.price_decimals, row.significant_figures, row.min_notional)
    return DomainInstrument(
        venue=row.venue_id,
        symbol=row.symbol,
        kind=cast("Kind", row.kind),
        base=row.base,
        quote=row.quote,
        rules=rules,
        max_leverage=row.max_leverage,
        trading=row.trading,
    )
