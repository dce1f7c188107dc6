"""The state of the house itself, for the status page."""

import logging
from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.db import DatabaseError
from django.db.models.functions import Now

from market import hub
from market.models import Venue, Worker
from market.selectors.venues import VenueState, venue_states

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerState:
    """One worker process and how long its lease still runs by the database's clock, in seconds.

    Host and process id stay inside the house: anybody may read this.
    """

    id: str
    channel: str
    started_at: datetime
    lease_seconds: float

    @property
    def alive(self) -> bool:
        return self.lease_seconds > 0


@dataclass(frozen=True)
class VenueCare:
    """A venue and the worker that holds its feed."""

    state: VenueState
    owner: WorkerState | None
    epoch: int


@dataclass(frozen=True)
class House:
    """Without a database `workers` and `venues` are empty: they are not known."""

    database: bool
    redis: bool
    workers: list[WorkerState] = field(default_factory=list)
    venues: list[VenueCare] = field(default_factory=list)


def house_state() -> House:
    """Never raises for what it reports on."""
    answers = _redis_answers()
    try:
        workers = _workers()
        return House(database=True, redis=answers, workers=list(workers.values()), venues=_venues(workers))
    except DatabaseError:
        logger.warning("the database does not answer", exc_info=True)
        return House(database=False, redis=answers)


def _workers() -> dict[str, WorkerState]:
    """By id. Those whose lease has ended are included until they are swept."""
    rows = Worker.objects.annotate(now=Now()).order_by("channel", "-started_at")
    return {
        str(row.pk): WorkerState(
            str(row.pk)[:8], row.channel, row.started_at, (row.lease_until - row.now).total_seconds()
        )
        for row in rows
    }


def _venues(workers: dict[str, WorkerState]) -> list[VenueCare]:
    held = {
        name: (str(owner), epoch)
        for name, owner, epoch in Venue.objects.values_list("name", "owner", "owner_epoch")
    }
    return [
        VenueCare(state, workers.get(held[state.name][0]), held[state.name][1])
        for state in venue_states()
        if state.name in held
    ]


def _redis_answers() -> bool:
    try:
        hub.venue_statuses(["none"])
    except redis.RedisError:
        return False
    return True
