"""Price model: the price path of each instrument, and its shocks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simulator.markets.numbers import mix
from simulator.markets.paths import Path, ScaledPath, SeededPath, Shock, ShockedPath, Walk
from simulator.markets.playback import Playback, RecordedPath, Recording
from simulator.markets.universe import Listing

Shocks = Mapping[str, Iterable[Iterable[int]]]  # coin → rows of `Shock`


@dataclass(frozen=True)
class PriceSource:
    """Source of prices: a seed, or recordings with their playback."""

    seed: int
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    playback: Playback | None = None


class PriceModel:
    """Price paths of all instruments, by coin in `paths`."""

    def __init__(self, listings: Iterable[Listing], source: PriceSource, shocks: Shocks) -> None:
        self._source = source
        self._common = Walk(mix(source.seed, 0))
        self._shocked: dict[str, ShockedPath] = {}
        self.paths: dict[str, Path] = {}
        by_coin = {listing.coin: listing for listing in listings}
        for listing in by_coin.values():
            self.paths[listing.coin] = self._path(listing, by_coin.get(listing.tracks or ""), shocks)

    def _path(self, listing: Listing, leader: Listing | None, shocks: Shocks) -> Path:
        source, coin = self._source, listing.coin
        path: Path
        if coin in source.recordings and source.playback:
            path = RecordedPath(source.recordings[coin], source.playback)
        elif leader:
            return ScaledPath(listing, leader, self.paths[leader.coin])
        else:
            path = SeededPath(listing, source.seed, self._common)
        self._shocked[coin] = ShockedPath(path, [Shock(*row) for row in shocks.get(coin, ())])
        return self._shocked[coin]

    def shock(self, coin: str, time: int, change: int) -> None:
        """Add a shock: from `time` on the price is `change` hundredths of a per cent higher (negative: lower).

        Raises `KeyError` for a coin without a path of its own.
        """
        self._shocked[coin].shock(time, change)

    def shocks(self) -> dict[str, list[tuple[int, int]]]:
        """All shocks, as plain rows."""
        return {
            coin: [(shock.time, shock.change) for shock in path.shocks]
            for coin, path in self._shocked.items()
            if path.shocks
        }
