"""Captures of venue frames for decoding benchmarks: from the simulator, and recordings where present."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from market.domain.instruments import Instrument
from market.venues.hyperliquid.instruments import perps_read, spots_read
from simulator.hyperliquid import info
from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.limits import LENIENT, ClientLimits
from simulator.hyperliquid.streams import Session, Streams
from simulator.markets.universe import UNIVERSE
from simulator.markets.world import World

START = 1_763_650_000_000
BLOCK_MS = 100
RECORDED = "ws/hftbacktest/hyperliquid/*.log.gz"
REPEATED = 20
KINDS = ("bbo", "trades", "activeAssetCtx")


@dataclass(frozen=True)
class Capture:
    """Frames in the order of receipt; a batch is what arrives between two flushes of the feed."""

    name: str
    batches: Sequence[Sequence[bytes]]

    def frames(self) -> int:
        return sum(map(len, self.batches))

    def only(self, channels: frozenset[str], name: str) -> "Capture":
        """The frames of these channels."""
        batches = [
            [frame for frame in batch if orjson.loads(frame).get("channel") in channels]
            for batch in self.batches
        ]
        return replace(self, name=name, batches=[batch for batch in batches if batch])


class CaptureVenue:
    """Simulated venue without sockets: its metadata, and the frames of a client subscribed to everything."""

    def __init__(self, time_scale: float = 1.0) -> None:
        listings = tuple(replace(listing, rate=listing.rate * time_scale) for listing in UNIVERSE)
        self.world = World(seed=1, now=START, listings=listings)

    def post_info(self, request: Any) -> Any:
        """The decoded response of `POST /info`."""
        return orjson.loads(orjson.dumps(info.answer(self.world, request).body))

    def instruments(self) -> list[Instrument]:
        spot = self.post_info({"type": "spotMeta"})
        return perps_read("hyperliquid-sim", self.post_info({"type": "meta"})) + spots_read(
            "hyperliquid-sim", spot
        )

    def capture(self, frames: int) -> Capture:
        """Run the market until `frames` frames were sent."""
        batches: list[list[bytes]] = [[]]
        streams = Streams(self.world, LENIENT, Faults(self.world))
        session = Session(lambda frame: batches[-1].append(frame), ClientLimits(), START)
        streams.open(session)
        for subscription in self._subscriptions():
            request = orjson.dumps({"method": "subscribe", "subscription": subscription}).decode()
            streams.receive(session, request, START)
        now = START
        while sum(map(len, batches)) < frames:
            now += BLOCK_MS
            batches.append([])
            streams.publish(self.world.step(now), now)
        return Capture("simulated", batches)

    def _subscriptions(self) -> list[dict[str, Any]]:
        subscriptions: list[dict[str, Any]] = [{"type": "allMids"}]
        for coin in self.world.markets:
            subscriptions += [{"type": kind, "coin": coin} for kind in KINDS]
            subscriptions += [{"type": "candle", "coin": coin, "interval": "1m"}]
            subscriptions += [{"type": "l2Book", "coin": coin, "fast": True}]
        return subscriptions


def recorded(folder: Path) -> Capture | None:
    """Recorded frames of the real venue, repeated; None when there is no recording."""
    frames = [
        line.split(b" ", 1)[1]
        for path in sorted(folder.glob(RECORDED))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    return Capture("recorded", [[frame] for frame in frames] * REPEATED) if frames else None
