"""Price paths: random walks that are pure functions of seed and time.

The price at any time can be computed without the prices before it. So history, the present and the time in
which the simulator was not running are consistent by construction, and a restart needs no gap handling.
"""

from collections.abc import Iterable
from math import exp, log, pi, sin, sqrt
from typing import NamedTuple, Protocol

from simulator.markets.candles import DAY, MINUTE, Bar, History, fold
from simulator.markets.numbers import gauss, mix, seed_of
from simulator.markets.universe import Listing

LISTED = 1_685_577_600_000  # 2023-06-01: the start of all price history
FASTEST = 2_000
OCTAVES = 12  # 2 s, 8 s, ... 97 days
LIKE_BROWNIAN = 0.55  # with a period ratio of four, makes the deviation grow as the square root of time
COMMON_SIGMA = 0.016
SLICES = 6
EXACT_UP_TO = 15 * MINUTE
SECONDS_OF_DAY = 86_400
WHOLE = 10_000  # hundredths of a per cent


class Path(History, Protocol):
    """Price path: price at any time, and the usual trading volume at that time."""

    def price(self, time: int) -> int:
        """Price in units, at least 1; not rounded to a tick."""
        ...

    def lots_per_second(self, time: int) -> float:
        """Usual volume at that time."""
        ...


class _Octave:
    """Smooth noise of one period: a random value at each multiple of it, interpolated by a cubic in between."""

    __slots__ = ("_amplitude", "_key", "_piece", "period")

    def __init__(self, key: int, period: int) -> None:
        self._key = key
        self.period = period
        self._amplitude = LIKE_BROWNIAN * sqrt(period / DAY)
        self._piece = (-1, 0.0, 0.0)

    def piece(self, index: int) -> tuple[int, float, float]:
        """Index, value at the beginning and rise. The cached tuple is replaced in one step: two threads may call."""
        piece = self._piece
        if piece[0] != index:
            begin = self._amplitude * gauss(self._key, index)
            piece = self._piece = (index, begin, self._amplitude * gauss(self._key, index + 1) - begin)
        return piece


class Walk:
    """Random walk with a standard deviation of about 1 per day, a pure function of seed and time."""

    def __init__(self, seed: int) -> None:
        self._octaves = [_Octave(mix(seed, number), FASTEST * 4**number) for number in range(OCTAVES)]

    def at(self, time: int) -> float:
        total = 0.0
        for octave in self._octaves:
            index, rest = divmod(time, octave.period)
            _, begin, rise = octave.piece(index)
            share = rest / octave.period
            total += begin + rise * share * share * (3.0 - 2.0 * share)
        return total


class SeededPath:
    """Price path of one instrument: its own walk plus its share (beta) of the common walk."""

    start = LISTED

    def __init__(self, listing: Listing, seed: int, common: Walk) -> None:
        self._listing = listing
        self._key = mix(seed, seed_of(listing.coin))
        self._own = Walk(self._key)
        self._common = common
        self._log = log(listing.units(listing.price))
        self._priced = (-1, 0)
        self._wick = 0.35 * sqrt(listing.sigma**2 + (listing.beta * COMMON_SIGMA) ** 2)
        lots_a_day: float = listing.daily / listing.price * 10**listing.size_decimals
        self._lots = lots_a_day / SECONDS_OF_DAY

    def price(self, time: int) -> int:
        priced = self._priced  # adjacent bars need the price between them twice
        if priced[0] != time:
            priced = self._priced = (time, self._price(time))
        return priced[1]

    def _price(self, time: int) -> int:
        drift = self._listing.sigma * self._own.at(time)
        drift += self._listing.beta * COMMON_SIGMA * self._common.at(time)
        return max(1, round(exp(self._log + drift)))

    def lots_per_second(self, time: int) -> float:
        # Volume is highest in the UTC afternoon, as in the recorded markets.
        return self._lots * (1.0 + 0.35 * sin(2 * pi * (time % DAY / DAY - 0.4)))

    def span(self, begin: int, end: int) -> Bar:
        opened, close = (self._listing.floor(self.price(time)) for time in (begin, end))
        reach = self._wick * sqrt((end - begin) / DAY)
        high = self._listing.floor(round(max(opened, close) * (1 + reach * abs(gauss(self._key, begin, 1)))))
        low = self._listing.floor(round(min(opened, close) * (1 - reach * abs(gauss(self._key, begin, 2)))))
        activity = exp(0.5 * gauss(self._key, begin, 3) - 0.125) * (end - begin) / 1000
        volume = round(self.lots_per_second(begin) * activity)
        return Bar(begin, opened, high, max(1, low), close, volume, round(self._listing.rate * activity))

    def coarse(self, begin: int, end: int) -> Bar:
        length = end - begin
        step = MINUTE if length <= EXACT_UP_TO else length // SLICES
        return fold(self.span(time, min(time + step, end)) for time in range(begin, end, step))


class Shock(NamedTuple):
    """Price shock: from `time` on, prices differ by `change` hundredths of a per cent."""

    time: int
    change: int


class ShockedPath:
    """A path with shocks: its price times every shock until then. Prices before a shock do not change."""

    def __init__(self, path: Path, shocks: Iterable[Shock] = ()) -> None:
        self._path = path
        self.shocks = list(shocks)
        self.start = path.start

    def shock(self, time: int, change: int) -> None:
        self.shocks.append(Shock(time, change))

    def price(self, time: int) -> int:
        return self._shocked_price(self._path.price(time), time)

    def _shocked_price(self, price: int, time: int) -> int:
        for shock in self.shocks:
            if shock.time <= time:
                price = max(1, price * (WHOLE + shock.change) // WHOLE)
        return price

    def lots_per_second(self, time: int) -> float:
        return self._path.lots_per_second(time)

    def span(self, begin: int, end: int) -> Bar:
        return self._shocked_bar(self._path.span(begin, end))

    def coarse(self, begin: int, end: int) -> Bar:
        return self._shocked_bar(self._path.coarse(begin, end))

    def _shocked_bar(self, bar: Bar) -> Bar:
        """Apply a shock as if it came between bars; live bars are built from trades and show its exact time."""
        if not self.shocks:
            return bar
        opened, high, low, close = (self._shocked_price(price, bar.time) for price in bar[1:5])
        return Bar(bar.time, opened, high, low, close, bar.volume, bar.trades)


class ScaledPath:
    """The path of another instrument in this instrument's units: for a spot pair that tracks a perpetual."""

    def __init__(self, listing: Listing, leader: Listing, path: Path) -> None:
        self._path = path
        self._scale: int = 10 ** (listing.price_decimals - leader.price_decimals)
        lots: float = 10 ** (listing.size_decimals - leader.size_decimals)
        self._share = listing.daily / leader.daily * lots
        self._trade_share = listing.rate / leader.rate
        self.start = path.start

    def price(self, time: int) -> int:
        return self._path.price(time) * self._scale

    def lots_per_second(self, time: int) -> float:
        return self._path.lots_per_second(time) * self._share

    def span(self, begin: int, end: int) -> Bar:
        return self._scaled(self._path.span(begin, end))

    def coarse(self, begin: int, end: int) -> Bar:
        return self._scaled(self._path.coarse(begin, end))

    def _scaled(self, bar: Bar) -> Bar:
        opened, high, low, close = (price * self._scale for price in bar[1:5])
        volume, trades = round(bar.volume * self._share), round(bar.trades * self._trade_share)
        return Bar(bar.time, opened, high, low, close, volume, trades)
