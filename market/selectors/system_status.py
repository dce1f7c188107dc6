"""System status for the status page: database, Redis, workers and venue leases."""

import logging
from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.db import DatabaseError
from django.db.models.functions import Now

from core.models import Worker
from market import hub
from market.models import Venue
from market.selectors.venues import VenueState, venue_states

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerState:
    """One worker process and the remaining time of its lease by the database's clock, in seconds.

    Host and process id are omitted, because the status page is public.
    """

    id: str
    channel: str
    started_at: datetime
    lease_seconds: float

    @property
    def alive(self) -> bool:
        return self.lease_seconds > 0


@dataclass(frozen=True)
class VenueLease:
    """A venue and the worker that holds its feed."""

    state: VenueState
    owner: WorkerState | None
    epoch: int


@dataclass(frozen=True)
class SystemStatus:
    """System status. Without a database `workers` and `venues` are unknown and therefore empty."""

    database: bool
    redis: bool
    workers: list[WorkerState] = field(default_factory=list)
    venues: list[VenueLease] = field(default_factory=list)


def system_status() -> SystemStatus:
    """Current system status. Does not raise when the database or Redis is unavailable."""
    redis_available = _is_redis_available()
    try:
        workers = _workers()
        return SystemStatus(
            database=True, redis=redis_available, workers=list(workers.values()), venues=_venues(workers)
        )
    except DatabaseError:
        logger.warning("the database does not answer", exc_info=True)
        return SystemStatus(database=False, redis=redis_available)


def _workers() -> dict[str, WorkerState]:
    """Worker id → state. Workers with an expired lease are included until they are swept."""
    rows = Worker.objects.annotate(now=Now()).order_by("channel", "-started_at")
    return {
        str(row.pk): WorkerState(
            str(row.pk)[:8], row.channel, row.started_at, (row.lease_until - row.now).total_seconds()
        )
        for row in rows
    }


def _venues(workers: dict[str, WorkerState]) -> list[VenueLease]:
    owners = {
        name: (str(owner), epoch)
        for name, owner, epoch in Venue.objects.values_list("name", "owner", "owner_epoch")
    }
    return [
        VenueLease(state, workers.get(owners[state.name][0]), owners[state.name][1])
        for state in venue_states()
        if state.name in owners
    ]


def _is_redis_available() -> bool:
    try:
        hub.venue_statuses(["none"])
    except redis.RedisError:
        return False
    return True
