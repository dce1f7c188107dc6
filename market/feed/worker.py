"""Feed worker `market-feed`: a Channels worker that claims venues and runs one task for each."""

import asyncio
import logging
import uuid
from typing import Any

from django.conf import settings
from django.db.models import Q

from core.errors import DATABASE_ERRORS
from core.leases import Claim, LeaseLost, claim, is_still_owner, release
from core.threads import in_thread
from core.workers import WorkerConsumer
from market.feed.venue_feed import VenueFeed
from market.hub import Publisher
from market.models import Venue
from market.services import venue_ensure
from market.venues import venue_feed, venue_kind

logger = logging.getLogger(__name__)

CHANNEL = "market-feed"
PAUSE_AFTER_CRASH = 5.0


def venues_free(worker: uuid.UUID) -> list[tuple[Claim, bool]]:
    """Claim the enabled venues of the settings that have no live owner: (claim, simulated) each."""
    for name in settings.VENUES:
        kind = venue_kind(name)
        venue_ensure(name=name, title=kind.title, simulated=kind.simulated)
    claims = claim(Venue, worker, where=Q(enabled=True, name__in=settings.VENUES))
    simulated = dict(Venue.objects.values_list("name", "simulated"))
    return [(venue_claim, simulated[venue_claim.pk]) for venue_claim in claims]


def venues_to_release(claims: list[Claim]) -> list[Claim]:
    """The claims of venues that were disabled or that another worker has claimed."""
    enabled = set(Venue.objects.filter(enabled=True).values_list("name", flat=True))
    return [item for item in claims if item.pk not in enabled or not is_still_owner(item)]


def _crashed(task: asyncio.Task[None]) -> bool:
    if not task.done() or task.cancelled():
        return False
    return task.exception() is not None and not isinstance(task.exception(), LeaseLost)


class FeedConsumer(WorkerConsumer):
    """Feed worker: runs one `VenueFeed` task for each venue that this process has claimed."""

    channel = CHANNEL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._feeds: dict[str, VenueFeed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, Claim] = {}
        self._not_before: dict[str, float] = {}

    async def interest_changed(self, message: dict[str, Any]) -> None:
        for name, feed in self._feeds.items():
            if message.get("venue", name) == name:
                feed.interest_changed()

    async def reconcile(self) -> None:
        await self._stop_ended()
        assert self.keeper.worker is not None
        for venue_claim, simulated in await in_thread(venues_free, self.keeper.worker):
            self._start(venue_claim, simulated=simulated)

    def _start(self, venue_claim: Claim, *, simulated: bool) -> None:
        name = str(venue_claim.pk)
        publisher = Publisher(name, venue_claim.epoch, simulated=simulated)
        feed = VenueFeed(venue_feed(name), publisher, venue_claim, safe=self.keeper.is_safe)
        self._claims[name], self._feeds[name] = venue_claim, feed
        self._tasks[name] = asyncio.create_task(feed.run(), name=f"feed {name}")
        logger.info("venue claimed", extra={"venue": name, "epoch": venue_claim.epoch})

    async def _stop_ended(self) -> None:
        """Cancel feeds of disabled or lost venues, reap ended tasks and release their claims."""
        for venue_claim in await in_thread(venues_to_release, list(self._claims.values())):
            self._tasks[str(venue_claim.pk)].cancel()
        now = asyncio.get_running_loop().time()
        ended = [name for name, task in self._tasks.items() if task.done() or task.cancelling()]
        for name in ended:
            # A crashed venue stays claimed during the pause, so that it is not restarted every second.
            pause = PAUSE_AFTER_CRASH if _crashed(self._tasks[name]) else 0.0
            if now >= self._not_before.setdefault(name, now + pause):
                await self._reap(name)

    async def _reap(self, name: str) -> None:
        (result,) = await asyncio.gather(self._tasks.pop(name), return_exceptions=True)
        venue_claim = self._claims.pop(name)
        self._feeds.pop(name)
        self._not_before.pop(name, None)
        if isinstance(result, LeaseLost):
            logger.warning("venue lost", extra={"venue": name, "reason": str(result)})
        elif isinstance(result, Exception):
            logger.error("venue crashed", extra={"venue": name}, exc_info=result)
        await in_thread(release, venue_claim)

    async def drain(self) -> None:
        """Stop all venues at once, then release their claims."""
        for task in self._tasks.values():
            task.cancel()
        for name in list(self._tasks):
            try:
                await self._reap(name)
            except DATABASE_ERRORS as problem:
                logger.warning("venue not released", extra={"venue": name, "reason": str(problem)})
