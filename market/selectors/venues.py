"""Queries of venues, the status last reported by their feeds, and their instruments."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import redis
from django.db.models import Q, QuerySet

from market import hub
from market.domain.instruments import (
    Direction,
    InstrumentRules,
    InstrumentStatus,
    Kind,
    LeverageTier,
    decimals_of,
)
from market.domain.instruments import Instrument as DomainInstrument
from market.models import Instrument, Venue

logger = logging.getLogger(__name__)

STALE_MS = 3_000


@dataclass(frozen=True)
class VenueState:
    """State of a venue: `age_ms` is the age of its newest frame; None without a report or without Redis.

    `status` is live, late or down; a feed without a report for more than 3 s is down.
    """

    name: str
    title: str
    simulated: bool
    status: str
    age_ms: int | None
    problem: str = ""  # what of the venue's data is left out

    @property
    def stale(self) -> bool:
        return self.status != "live" or self.age_ms is None or self.age_ms > STALE_MS


def venue_ages() -> dict[str, int]:
    """Venue name → milliseconds since the last report of its feed worker."""
    return {name: status.silent_ms for name, status in hub.venue_statuses().items()}


def venue_problems() -> dict[str, str]:
    """Venue name → what of its data is left out, for venues where something is. Raises `redis.RedisError`."""
    return {name: status.problem for name, status in hub.venue_statuses().items() if status.problem}


def venue_get(name: str) -> Venue | None:
    return Venue.objects.filter(name=name, enabled=True).first()


def venue_states() -> list[VenueState]:
    """All enabled venues, ordered by title."""
    venues = list(Venue.objects.filter(enabled=True).order_by("title"))
    reports = _statuses(venue.name for venue in venues)
    return [_state(venue, reports.get(venue.name)) for venue in venues]


def _statuses(names: Iterable[str]) -> dict[str, hub.VenueStatus]:
    try:
        return hub.venue_statuses(names)
    except redis.RedisError:
        logger.debug("venue states not read", exc_info=True)
        return {}


def _state(venue: Venue, report: hub.VenueStatus | None) -> VenueState:
    if report is None:
        return VenueState(venue.name, venue.title, venue.simulated, "down", None)
    status = report.status if report.silent_ms <= STALE_MS else "down"
    simulated = venue.simulated or report.simulated
    age_ms = report.age_ms + report.silent_ms
    return VenueState(venue.name, venue.title, simulated, status, age_ms, report.problem)


def instrument_get(venue: str, symbol: str) -> Instrument | None:
    """The instrument with its venue, or None; instruments of disabled venues are excluded."""
    rows = Instrument.objects.select_related("venue").filter(venue__enabled=True)
    return rows.filter(venue=venue, symbol=symbol).first()


def instrument_list(*, venue: str = "", kind: str = "", q: str = "") -> QuerySet[Instrument]:
    """Trading instruments of enabled venues. Each word of `q` is part of the symbol, base or quote."""
    rows = Instrument.objects.select_related("venue").filter(
        venue__enabled=True, status=Instrument.Status.TRADING
    )
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
    return decimals_of(_rules(instrument).tick_at(last))


def _rules(row: Instrument) -> InstrumentRules:
    return InstrumentRules(
        tick_size=row.tick_size,
        size_step=row.size_step,
        significant_figures=row.significant_figures,
        min_notional=row.min_notional,
        min_size=row.min_size,
        max_size=row.max_size,
        contract_size=row.contract_size,
        direction=cast("Direction", row.contract_direction),
    )


def instruments_named(venue: str, symbols: Iterable[str]) -> dict[str, Instrument]:
    """Symbol → instrument in one query, including those not trading; unknown symbols are absent."""
    rows = Instrument.objects.filter(venue=venue, symbol__in=set(symbols))
    return {row.symbol: row for row in rows}


def instrument_rules(row: Instrument) -> DomainInstrument:
    """Convert a row to the domain type."""
    tiers = tuple(
        LeverageTier(None if notional is None else Decimal(notional), leverage)
        for notional, leverage in row.leverage_tiers
    )
    return DomainInstrument(
        venue=row.venue_id,
        symbol=row.symbol,
        kind=cast("Kind", row.kind),
        base=row.base,
        quote=row.quote,
        rules=_rules(row),
        max_leverage=row.max_leverage,
        status=cast("InstrumentStatus", row.status),
        settle_asset=row.settle_asset,
        listed_at=row.listed_at,
        expires_at=row.expires_at,
        leverage_tiers=tiers,
    )
