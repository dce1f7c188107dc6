"""Frames of a venue to decode: recorded ones where they lie beside the project, and those of our simulator."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from market.domain.instruments import Instrument
from market.simulator import info
from market.simulator.faults import Faults
from market.simulator.limits import LENIENT, Account
from market.simulator.streams import Session, Streams
from market.simulator.universe import UNIVERSE
from market.simulator.world import World
from market.venues.hyperliquid.instruments import perps_read, spots_read

START = 1_763_650_000_000
BLOCK_MS = 100
RECORDED = "ws/hftbacktest/hyperliquid/*.log.gz"
REPEATED = 20
KINDS = ("bbo", "trades", "activeAssetCtx")


@dataclass(frozen=True)
class Capture:
    """Frames in the order in which they came; a batch is what lies between two flushes of the feed."""

    name: str
    batches: Sequence[Sequence[bytes]]

    def frames(self) -> int:
        return sum(map(len, self.batches))

    def only(self, channels: frozenset[str], name: str) -> "Capture":
        """The frames of these channels."""
        kept = [
            [frame for frame in batch if orjson.loads(frame).get("channel") in channels]
            for batch in self.batches
        ]
        return replace(self, name=name, batches=[batch for batch in kept if batch])


class Venue:
    """A simulated venue without sockets: its lists, and what one reader of everything is sent."""

    def __init__(self, hurry: float = 1.0) -> None:
        listings = tuple(replace(listing, rate=listing.rate * hurry) for listing in UNIVERSE)
        self.world = World(seed=1, now=START, listings=listings)

    def ask(self, request: Any) -> Any:
        """The answer of `POST /info`, decoded."""
        return orjson.loads(orjson.dumps(info.answer(self.world, request).body))

    def instruments(self) -> list[Instrument]:
        spot = self.ask({"type": "spotMeta"})
        return perps_read("simulator", self.ask({"type": "meta"})) + spots_read("simulator", spot)

    def listen(self, frames: int) -> Capture:
        """Run the market until so many frames were sent."""
        batches: list[list[bytes]] = [[]]
        streams = Streams(self.world, LENIENT, Faults(self.world))
        session = Session(lambda frame: batches[-1].append(frame), Account(), START)
        streams.open(session)
        for wanted in self._everything():
            asked = orjson.dumps({"method": "subscribe", "subscription": wanted}).decode()
            streams.receive(session, asked, START)
        now = START
        while sum(map(len, batches)) < frames:
            now += BLOCK_MS
            batches.append([])
            streams.publish(self.world.step(now), now)
        return Capture("simulated", batches)

    def _everything(self) -> list[dict[str, Any]]:
        wanted: list[dict[str, Any]] = [{"type": "allMids"}]
        for coin in self.world.markets:
            wanted += [{"type": kind, "coin": coin} for kind in KINDS]
            wanted += [{"type": "candle", "coin": coin, "interval": "1m"}]
            wanted += [{"type": "l2Book", "coin": coin, "fast": True}]
        return wanted


def recorded(folder: Path) -> Capture | None:
    """What a real venue sent, often over; None where there is no recording."""
    frames = [
        line.split(b" ", 1)[1]
        for path in sorted(folder.glob(RECORDED))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    return Capture("recorded", [[frame] for frame in frames] * REPEATED) if frames else None
