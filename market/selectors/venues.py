"""Queries of venues and the status last reported by their feeds."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import redis

from market import hub
from market.models import Venue

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

    @property
    def stale(self) -> bool:
        return self.status != "live" or self.age_ms is None or self.age_ms > STALE_MS


def venue_ages() -> dict[str, int]:
    """Venue name → milliseconds since the last report of its feed worker."""
    return {name: status.silent_ms for name, status in hub.venue_statuses().items()}


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
    return VenueState(venue.name, venue.title, simulated, status, report.age_ms + report.silent_ms)
