"""`market-feed`: the Channels worker that claims venues and keeps one task for each."""

import asyncio
import logging
from typing import Any

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.utils import await_many_dispatch
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q

from market.feed.venue import VenueFeed
from market.hub import Publisher
from market.leases import Claim, Keeper, LeaseLost, claim, release, still_owned, task_goes_on
from market.models import Venue
from market.services import venue_ensure
from market.venues import venue_feed, venue_kind

logger = logging.getLogger(__name__)

CHANNEL = "market-feed"
PAUSE_AFTER_CRASH = 5.0
DATABASE_AWAY = (DatabaseError, InterfaceError)


def venues_free(worker: Any) -> list[tuple[Claim, bool]]:
    """Claim the enabled venues of the settings that nobody drives: (claim, simulated) each."""
    for name in settings.VENUES:
        kind = venue_kind(name)
        venue_ensure(name=name, title=kind.title, simulated=kind.simulated)
    claims = claim(Venue, worker, where=Q(enabled=True, name__in=settings.VENUES))
    simulated = dict(Venue.objects.values_list("name", "simulated"))
    return [(held, simulated[held.pk]) for held in claims]


def venues_to_leave(held: list[Claim]) -> list[Claim]:
    """Those that were disabled, or that another worker has taken."""
    enabled = set(Venue.objects.filter(enabled=True).values_list("name", flat=True))
    return [one for one in held if one.pk not in enabled or not still_owned(one)]


def _crashed(task: asyncio.Task[None]) -> bool:
    if not task.done() or task.cancelled():
        return False
    return task.exception() is not None and not isinstance(task.exception(), LeaseLost)


class FeedConsumer(AsyncConsumer):  # type: ignore[misc]
    """`wake` makes reality match the rows. Handlers only set events; the work lives in tasks.

    It listens to its worker's queue alone: Channels would give it a second, private channel in Redis,
    and let it die with its sockets whenever Redis does.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.base_send = send
        self._woken = asyncio.Event()
        self._feeds: dict[str, VenueFeed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, Claim] = {}
        self._not_before: dict[str, float] = {}
        self._keeper = Keeper(CHANNEL)
        life = asyncio.create_task(self._live(), name="feed worker")
        try:
            await await_many_dispatch([receive], self.dispatch)
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            await self._drain()

    # --- messages ----------------------------------------------------------------------------------
    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels' own dispatch closes database connections in a thread first, for every message.
        handler = {"wake": self.wake, "interest.changed": self.interest_changed}.get(message["type"])
        if handler is None:
            logger.warning("no handler", extra={"channel": CHANNEL, "reason": message["type"]})
            return
        await handler(message)

    async def wake(self, message: dict[str, Any]) -> None:
        self._woken.set()

    async def interest_changed(self, message: dict[str, Any]) -> None:
        for name, feed in self._feeds.items():
            if message.get("venue", name) == name:
                feed.interest_changed()

    # --- life ----------------------------------------------------------------------------------------
    async def _live(self) -> None:
        while task_goes_on():
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._reconcile()
            except Exception:
                logger.warning("no look at the venues", extra={"channel": CHANNEL}, exc_info=True)

    async def _reconcile(self) -> None:
        if self._keeper.worker is None:
            await self._keeper.start()
        if not self._keeper.safe():
            return  # the venues' own tasks stop themselves
        await self._sweep()
        assert self._keeper.worker is not None
        for held, simulated in await database_sync_to_async(venues_free)(self._keeper.worker):
            self._start(held, simulated=simulated)

    def _start(self, held: Claim, *, simulated: bool) -> None:
        name = str(held.pk)
        publisher = Publisher(name, held.epoch, simulated=simulated)
        feed = VenueFeed(venue_feed(name), publisher, held, safe=self._keeper.safe)
        self._claims[name], self._feeds[name] = held, feed
        self._tasks[name] = asyncio.create_task(feed.run(), name=f"feed {name}")
        logger.info("venue claimed", extra={"venue": name, "epoch": held.epoch})

    async def _sweep(self) -> None:
        """End what should not run, bury what ended, and let go of it."""
        for held in await database_sync_to_async(venues_to_leave)(list(self._claims.values())):
            self._tasks[str(held.pk)].cancel()
        now = asyncio.get_running_loop().time()
        ended = [name for name, task in self._tasks.items() if task.done() or task.cancelling()]
        for name in ended:
            # Until then it stays ours, so that a venue that crashes us is not tried every second.
            pause = PAUSE_AFTER_CRASH if _crashed(self._tasks[name]) else 0.0
            if now >= self._not_before.setdefault(name, now + pause):
                await self._bury(name)

    async def _bury(self, name: str) -> None:
        (result,) = await asyncio.gather(self._tasks.pop(name), return_exceptions=True)
        held = self._claims.pop(name)
        self._feeds.pop(name)
        self._not_before.pop(name, None)
        if isinstance(result, LeaseLost):
            logger.warning("venue lost", extra={"venue": name, "reason": str(result)})
        elif isinstance(result, Exception):
            logger.error("venue crashed", extra={"venue": name}, exc_info=result)
        await database_sync_to_async(release)(held)

    async def _drain(self) -> None:
        """Stop all venues at once, then give everything back."""
        for task in self._tasks.values():
            task.cancel()
        for name in list(self._tasks):
            try:
                await self._bury(name)
            except DATABASE_AWAY as problem:
                logger.warning("venue not released", extra={"venue": name, "reason": str(problem)})
        await self._keeper.stop()
