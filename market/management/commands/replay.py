"""`manage.py replay FILE [--speed X] [--venue V]`: replay a recording through the live feed.

The frames take the same path as live ones, up to the browser. Meanwhile the command holds the venue's lease,
the venue is shown as simulated, and nothing is stored.
"""

import asyncio
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from channels.db import database_sync_to_async
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from core.leases import Claim, LeaseKeeper, claim, release
from market.domain.errors import MarketError
from market.feed.recording import Recording, ReplayFeed, recording_open
from market.feed.venue_feed import VenueFeed
from market.hub import Publisher
from market.models import Venue
from market.services import venue_ensure
from market.venues import venue_codec, venue_kind

CHANNEL = "replay"
LAST_FLUSH = 0.5
DEFAULT_VENUE = "hyperliquid-sim"


def venue_claim(venue: str, worker: uuid.UUID) -> Claim | None:
    """Claim the lease of a venue; None when a feed worker holds it."""
    kind = venue_kind(venue)
    venue_ensure(name=venue, title=kind.title, simulated=kind.simulated)
    return next(iter(claim(Venue, worker, where=Q(pk=venue))), None)


async def replay(venue: str, recording: Recording, speed: float) -> ReplayFeed:
    """Play the recording to its end. Raises `CommandError` when the venue is leased."""
    keeper = LeaseKeeper(CHANNEL)
    worker = await keeper.start()
    try:
        lease = await database_sync_to_async(venue_claim)(venue, worker)
        if lease is None:
            raise CommandError(f"{venue} is driven by a feed worker; stop it or name another --venue")
        try:
            return await _play(venue, recording, speed, lease, keeper)
        finally:
            await database_sync_to_async(release)(lease)
    finally:
        await keeper.stop()


async def _play(
    venue: str, recording: Recording, speed: float, lease: Claim, keeper: LeaseKeeper
) -> ReplayFeed:
    feed = ReplayFeed(venue, recording, venue_codec(venue), speed=speed)
    publisher = Publisher(venue, lease.epoch, simulated=True)
    feed_task = asyncio.create_task(VenueFeed(feed, publisher, lease, safe=keeper.is_safe, store=False).run())
    finished_task = asyncio.create_task(feed.finished.wait())
    await asyncio.wait({feed_task, finished_task}, return_when=asyncio.FIRST_COMPLETED)
    if not feed_task.done():
        await asyncio.sleep(LAST_FLUSH)
    feed_task.cancel()
    finished_task.cancel()
    await asyncio.gather(feed_task, finished_task, return_exceptions=True)
    if not feed_task.cancelled() and (problem := feed_task.exception()):
        raise problem
    return feed


class Command(BaseCommand):
    help = "Play a recording through the feed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--speed", type=float, default=1.0, help="2 plays twice as fast")
        parser.add_argument("--venue", help="default: the one that was recorded")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] <= 0:
            raise CommandError("--speed must be more than 0")
        venue = options["venue"]
        try:
            recording = recording_open(
                options["file"], venue or DEFAULT_VENUE, venue_codec(venue or DEFAULT_VENUE)
            )
        except (MarketError, OSError) as error:
            raise CommandError(str(error)) from error
        venue = venue or recording.venue or DEFAULT_VENUE
        feed = asyncio.run(replay(venue, recording, options["speed"]))
        self.stdout.write(f"{feed.played} frames played as {venue}, {feed.rejected} not understood")
