"""`manage.py sync_instruments [VENUE …]`: update the instruments of venues without running a feed."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from market.domain.errors import MarketError
from market.domain.instruments import Instrument
from market.services import instrument_sync, venue_ensure
from market.venues import venue_feed, venue_kind


async def instruments_of(venue: str) -> list[Instrument]:
    """The instruments that a venue lists now."""
    feed = venue_feed(venue)
    try:
        return await feed.instruments()
    finally:
        await feed.close()


class Command(BaseCommand):
    help = "Create and update the instruments of venues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("venues", nargs="*", help="default: all in VENUES")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["venues"] or settings.VENUES:
            kind = venue_kind(name)
            try:
                instruments = asyncio.run(instruments_of(name))
            except MarketError as error:
                raise CommandError(str(error)) from error
            venue_ensure(name=name, title=kind.title, simulated=kind.simulated)
            ids = instrument_sync(venue=name, instruments=instruments)
            self.stdout.write(f"{name}: {len(ids)} instruments")
