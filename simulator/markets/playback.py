"""Playback of recorded candles: the price follows a file, mapped onto the wall clock.

Within a candle the path goes open, nearer extreme, other extreme, close. Before the anchor, recorded
time is wall time minus a whole number of candles; after it, playback runs `speed` times as fast, and
starts over when the recording ends.
"""

import csv
import gzip
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import NamedTuple

from simulator.markets.candles import DAY, INTERVALS, MINUTE, Bar, fold
from simulator.markets.universe import Listing

MIN_REMAINING = 7 * DAY
KNOTS = (0.0, 0.3, 0.7, 1.0)
_NAME = re.compile(r"(?P<symbol>[A-Za-z0-9_]+)-(?P<interval>\d+[mhdw])\.csv\.gz")


class Recording(NamedTuple):
    """The candles of one file, in units and lots, oldest first."""

    listing: Listing
    interval: int
    bars: tuple[Bar, ...]

    @property
    def begin(self) -> int:
        return self.bars[0].time

    @property
    def end(self) -> int:
        return self.bars[-1].time + self.interval


@dataclass(frozen=True)
class Playback:
    """Mapping of recorded time to wall time: recorded time `at` plays at wall time `since`."""

    since: int
    at: int
    end: int
    speed: float = 1.0

    def recorded(self, time: int) -> int:
        """The recorded time that plays at wall time `time`."""
        if time <= self.since:
            return self.at - (self.since - time)
        return self.at + int((time - self.since) * self.speed) % (self.end - self.at)

    def segments(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """The recorded intervals that play in wall time [begin, end), in order."""
        if begin < self.since:
            yield self.recorded(begin), self.recorded(min(end, self.since))
            begin = self.since
        left = int((end - begin) * self.speed)
        at = self.recorded(begin)
        while left > 0:
            length = min(left, self.end - at)
            yield at, at + length
            left -= length
            at = self.at


def playback_start(
    recordings: Iterable[Recording], now: int, *, speed: float, start: int | None = None
) -> Playback:
    """Start playback at recorded time `start`, by default with seven to eight days left to play.

    The time of day is preserved, so that history before now has the hours at which it was recorded; with
    `start`, the shift is a whole number of candles.
    """
    loaded = list(recordings)
    end = min(recording.end for recording in loaded)
    grain = DAY if start is None else max(recording.interval for recording in loaded)
    target = max(end - MIN_REMAINING, loaded[0].begin + grain) if start is None else start
    shift = -((target - now) // grain) * grain
    at = now - shift
    if not min(recording.begin for recording in loaded) <= at < end:
        raise ValueError("the recordings hold nothing at that time")
    return Playback(now, at, end, speed)


def recordings_load(folder: File, listings: Iterable[Listing]) -> dict[str, Recording]:
    """The files of `folder` that belong to a listing, by coin; the finest interval wins.

    Files are named `<SYMBOL>-<interval>.csv.gz`: `BTC` or `BTCUSDT` is the perpetual, `PURR_USDC` spot.
    """
    by_name = _file_names(listings)
    found: dict[str, Recording] = {}
    for file in sorted(folder.glob("*.csv.gz")):
        match = _NAME.fullmatch(file.name)
        listing = by_name.get(match["symbol"]) if match else None
        interval = INTERVALS.get(match["interval"]) if match else None
        if listing is None or interval is None or interval > DAY:
            continue
        if listing.coin not in found or interval < found[listing.coin].interval:
            found[listing.coin] = _recording_read(file, listing, interval)
    return found


def _file_names(listings: Iterable[Listing]) -> dict[str, Listing]:
    names: dict[str, Listing] = {}
    for listing in listings:
        if listing.delisted:
            continue
        if listing.tokens:
            names[f"{listing.tokens[0]}_USDC"] = listing
        else:
            names |= {listing.coin: listing, f"{listing.coin}USDT": listing}
    return names


def _recording_read(file: File, listing: Listing, interval: int) -> Recording:
    lots = 10**listing.size_decimals
    with gzip.open(file, "rt", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        bars = tuple(
            Bar(
                int(time), listing.units(float(opened)), listing.units(float(high)),
                listing.units(float(low)), listing.units(float(close)), round(float(volume) * lots), 0,
            )
            for time, opened, high, low, close, volume in rows
        )  # fmt: skip
    if not bars:
        raise ValueError(f"{file.name} holds no candles")
    return Recording(listing, interval, bars)


class RecordedPath:
    """Price path of a recording."""

    def __init__(self, recording: Recording, playback: Playback) -> None:
        self._interval = recording.interval
        self._bars = recording.bars
        self._times = [bar.time for bar in recording.bars]
        self._playback = playback
        self._floor = recording.listing.floor
        self._trades_per_ms = recording.listing.rate / 1000
        self.start = playback.since - (playback.at - recording.begin)

    def price(self, time: int) -> int:
        return self._price(self._playback.recorded(time))

    def lots_per_second(self, time: int) -> float:
        bar = self._bars[self._index(self._playback.recorded(time))]
        return bar.volume / self._interval * 1000 * self._playback.speed

    def span(self, begin: int, end: int) -> Bar:
        parts = [self._segment(*segment) for segment in self._playback.segments(begin, end)]
        trades = round((end - begin) * self._trades_per_ms)
        return fold(parts)._replace(time=begin, trades=trades)

    def coarse(self, begin: int, end: int) -> Bar:
        if end > self._playback.since:
            return fold(self.span(time, min(time + MINUTE, end)) for time in range(begin, end, MINUTE))
        first, last = (bisect_left(self._times, self._playback.recorded(time)) for time in (begin, end))
        if end - begin < self._interval or first == last:
            return self.span(begin, end)
        return fold(self._bars[first:last])._replace(
            time=begin, trades=round((end - begin) * self._trades_per_ms)
        )

    # --- recorded time -------------------------------------------------------------------------
    def _index(self, at: int) -> int:
        return max(0, bisect_right(self._times, at) - 1)

    def _knots(self, bar: Bar) -> tuple[tuple[int, int], ...]:
        near, far = bar.low, bar.high
        if bar.high - bar.open < bar.open - bar.low:
            near, far = far, near
        times = (bar.time + int(share * self._interval) for share in KNOTS)
        return tuple(zip(times, (bar.open, near, far, bar.close), strict=True))

    def _price(self, at: int) -> int:
        """Price at a recorded time; a gap in the recording repeats the last close."""
        bar = self._bars[self._index(at)]
        before = self._knots(bar)[0]
        for knot in self._knots(bar)[1:]:
            if at < knot[0]:
                rise = (knot[1] - before[1]) * (at - before[0])
                return before[1] + rise // (knot[0] - before[0])
            before = knot
        return bar.close

    def _segment(self, begin: int, end: int) -> Bar:
        first, last = self._index(begin), self._index(end - 1)
        opened, close = self._price(begin), self._price(end - 1)
        knot_prices = [
            price
            for bar in self._bars[first : last + 1]
            for time, price in self._knots(bar)
            if begin <= time < end
        ]
        high, low = max(opened, close, *knot_prices), min(opened, close, *knot_prices)
        opened, high, low, close = (self._floor(price) for price in (opened, high, low, close))
        return Bar(begin, opened, high, low, close, self._volume(begin, end), 0)

    def _volume(self, begin: int, end: int) -> int:
        first, last = self._index(begin), self._index(end - 1)
        return sum(self._traded(bar, end) - self._traded(bar, begin) for bar in self._bars[first : last + 1])

    def _traded(self, bar: Bar, at: int) -> int:
        """The part of the candle's volume traded before `at`: linear in time, complete at its end."""
        return bar.volume * min(max(at - bar.time, 0), self._interval) // self._interval
