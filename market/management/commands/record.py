"""`manage.py record --venue V --seconds N --out FILE.jsonl.gz`: record a venue's raw frames to a file."""

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


class DiscardingSink:
    """Event sink that discards all events: only the raw frames are recorded."""

    def connected(self) -> None:
        return

    def disconnected(self, reason: str) -> None:
        return

    def event(self, event: Event) -> None:
        return


def subscriptions_for(instruments: list[Instrument], deep: list[str]) -> list[Subscription]:
    """All subscriptions of the feed, with order books and trades of the `deep` symbols."""
    symbols = [instrument.symbol for instrument in instruments if instrument.trading]
    return [
        Subscription("mids"),
        *(Subscription(kind, s) for s in deep or symbols[:DEEP] for kind in ("fast_book", "book", "trades")),
        *(Subscription(kind, s) for kind in ("quote", "context") for s in symbols),
        *(Subscription("candle", s, "1m") for s in symbols),
    ]


async def record(venue: str, seconds: float, out: Path, deep: list[str]) -> int:
    """Record for `seconds`. Returns the number of frames written."""
    listing = venue_feed(venue)
    try:
        instruments = await listing.instruments()
    finally:
        await listing.close()
    with Recorder(out, venue, instruments) as recorder:
        feed = venue_feed(venue, tap=recorder)
        feed.set_subscriptions(subscriptions_for(instruments, deep))
        feed_task = asyncio.create_task(feed.run(DiscardingSink()))
        await asyncio.wait({feed_task}, timeout=seconds)
        feed_task.cancel()
        await asyncio.gather(feed_task, return_exceptions=True)
        await feed.close()
        return recorder.frames


class Command(BaseCommand):
    help = "Record the raw frames of a venue with their receive times."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--venue", required=True)
        parser.add_argument("--seconds", type=float, required=True)
        parser.add_argument("--out", type=Path, required=True, help="FILE.jsonl.gz")
        parser.add_argument(
            "--symbols",
            default="",
            help="symbols to record order books and trades of; default: the first ten",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        deep = [symbol for symbol in options["symbols"].split(",") if symbol]
        try:
            frames = asyncio.run(record(options["venue"], options["seconds"], options["out"], deep))
        except MarketError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{frames} frames in {options['out']}")
