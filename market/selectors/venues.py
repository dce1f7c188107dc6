"""Venues and what their feeds last said of themselves."""

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
    """`age_ms` is that of the venue's newest frame; None when the feed never spoke or Redis is away.

    `status` is live, late or down; a feed that has been silent for more than 3 s is down.
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
    """Milliseconds since each venue's feed worker was last heard of, by venue name."""
    return {name: status.silent_ms for name, status in hub.venue_statuses().items()}


def venue_get(name: str) -> Venue | None:
    return Venue.objects.filter(name=name, enabled=True).first()


def venue_states() -> list[VenueState]:
    """Every enabled venue, by title."""
    venues = list(Venue.objects.filter(enabled=True).order_by("title"))
    said = _statuses(venue.name for venue in venues)
    return [_state(venue, said.get(venue.name)) for venue in venues]


def _statuses(names: Iterable[str]) -> dict[str, hub.VenueStatus]:
    try:
        return hub.venue_statuses(names)
    except redis.RedisError:
        logger.debug("venue states are unknown", exc_info=True)
        return {}


def _state(venue: Venue, said: hub.VenueStatus | None) -> VenueState:
    if said is None:
        return VenueState(venue.name, venue.title, venue.simulated, "down", None)
    status = said.status if said.silent_ms <= STALE_MS else "down"
    simulated = venue.simulated or said.simulated
    return VenueState(venue.name, venue.title, simulated, status, said.age_ms + said.silent_ms)
