"""`manage.py record --venue V --seconds N --out FILE.jsonl.gz`: write a venue's raw frames down."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.domain.errors import MarketError
from market.domain.events import Event
from market.domain.instruments import Instrument
from market.domain.subscriptions import Subscription
from market.feed.recording import Recorder
from market.venues import venue_feed

DEEP = 10


class Ignored:
    """A sink for somebody who wants the raw frames only."""

    def connected(self) -> None:
        return

    def disconnected(self, reason: str) -> None:
        return

    def event(self, event: Event) -> None:
        return


def wanted(instruments: list[Instrument], deep: list[str]) -> list[Subscription]:
    """Everything that the feed would ask for if `deep` were being looked at."""
    symbols = [instrument.symbol for instrument in instruments if instrument.trading]
    return [
        Subscription("mids"),
        *(Subscription(kind, s) for s in deep or symbols[:DEEP] for kind in ("fast_book", "book", "trades")),
        *(Subscription(kind, s) for kind in ("quote", "context") for s in symbols),
        *(Subscription("candle", s, "1m") for s in symbols),
    ]


async def record(venue: str, seconds: float, out: Path, deep: list[str]) -> int:
    """Returns the number of frames written."""
    listing = venue_feed(venue)
    try:
        instruments = await listing.instruments()
    finally:
        await listing.close()
    with Recorder(out, venue, instruments) as recorder:
        feed = venue_feed(venue, tap=recorder)
        feed.desire(wanted(instruments, deep))
        listening = asyncio.create_task(feed.run(Ignored()))
        await asyncio.wait({listening}, timeout=seconds)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await feed.close()
        return recorder.frames


class Command(BaseCommand):
    help = "Record the raw frames of a venue with their receive times."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--venue", required=True)
        parser.add_argument("--seconds", type=float, required=True)
        parser.add_argument("--out", type=Path, required=True, help="FILE.jsonl.gz")
        parser.add_argument("--symbols", default="", help="whose books and trades; default: the first ten")

    def handle(self, *args: Any, **options: Any) -> None:
        deep = [symbol for symbol in options["symbols"].split(",") if symbol]
        try:
            frames = asyncio.run(record(options["venue"], options["seconds"], options["out"], deep))
        except MarketError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{frames} frames in {options['out']}")
