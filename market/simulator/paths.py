"""Where prices go: a walk that is a pure function of seed and time.

Because any moment's price can be computed without the moments before it, history, the present and the
time that passed while nobody ran the simulator agree with each other by construction, and a restart
needs no bridge.
"""

from collections.abc import Iterable
from math import exp, log, pi, sin, sqrt
from typing import NamedTuple, Protocol

from market.simulator.candles import DAY, MINUTE, Bar, History, fold
from market.simulator.numbers import gauss, mix, seed_of
from market.simulator.universe import Listing

LISTED = 1_685_577_600_000  # 2023-06-01: nothing is older
FASTEST = 2_000
OCTAVES = 12  # 2 s, 8 s, ... 97 days
LIKE_BROWNIAN = 0.55  # with periods four times apart, makes the deviation grow as the root of time
COMMON_SIGMA = 0.016
SLICES = 6
EXACT_UP_TO = 15 * MINUTE
SECONDS_OF_DAY = 86_400
WHOLE = 10_000  # hundredths of a per cent


class Path(History, Protocol):
    """A price at any time, and how much is traded around it."""

    def price(self, time: int) -> int:
        """Units, at least 1; not rounded to a tick."""
        ...

    def lots_per_second(self, time: int) -> float:
        """What the market usually trades at that time."""
        ...


class _Octave:
    """Smooth noise of one period: a random value at each multiple of it, eased in between."""

    __slots__ = ("_amplitude", "_key", "_piece", "period")

    def __init__(self, key: int, period: int) -> None:
        self._key = key
        self.period = period
        self._amplitude = LIKE_BROWNIAN * sqrt(period / DAY)
        self._piece = (-1, 0.0, 0.0)

    def piece(self, index: int) -> tuple[int, float, float]:
        """Index, value at the beginning and rise. Two threads may ask at once, so it is replaced whole."""
        piece = self._piece
        if piece[0] != index:
            begin = self._amplitude * gauss(self._key, index)
            piece = self._piece = (index, begin, self._amplitude * gauss(self._key, index + 1) - begin)
        return piece


class Walk:
    """A wandering number that moves about 1 a day. The same for the same seed and time, in any order."""

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
    """The walk of one instrument: its own movements and its share of the common ones."""

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
        priced = self._priced  # neighbouring bars ask for the price between them twice
        if priced[0] != time:
            priced = self._priced = (time, self._price(time))
        return priced[1]

    def _price(self, time: int) -> int:
        drift = self._listing.sigma * self._own.at(time)
        drift += self._listing.beta * COMMON_SIGMA * self._common.at(time)
        return max(1, round(exp(self._log + drift)))

    def lots_per_second(self, time: int) -> float:
        # Busiest in the afternoon, UTC, as the recorded markets are.
        return self._lots * (1.0 + 0.35 * sin(2 * pi * (time % DAY / DAY - 0.4)))

    def span(self, begin: int, end: int) -> Bar:
        opened, close = (self._listing.floor(self.price(time)) for time in (begin, end))
        reach = self._wick * sqrt((end - begin) / DAY)
        high = self._listing.floor(round(max(opened, close) * (1 + reach * abs(gauss(self._key, begin, 1)))))
        low = self._listing.floor(round(min(opened, close) * (1 - reach * abs(gauss(self._key, begin, 2)))))
        busy = exp(0.5 * gauss(self._key, begin, 3) - 0.125) * (end - begin) / 1000
        volume = round(self.lots_per_second(begin) * busy)
        return Bar(begin, opened, high, max(1, low), close, volume, round(self._listing.rate * busy))

    def coarse(self, begin: int, end: int) -> Bar:
        length = end - begin
        step = MINUTE if length <= EXACT_UP_TO else length // SLICES
        return fold(self.span(time, min(time + step, end)) for time in range(begin, end, step))


class Shock(NamedTuple):
    """From `time` on, prices are `change` hundredths of a per cent off."""

    time: int
    change: int


class ShockedPath:
    """A path that was pushed: what it says, times every push until then. The past does not change."""

    def __init__(self, path: Path, shocks: Iterable[Shock] = ()) -> None:
        self._path = path
        self.shocks = list(shocks)
        self.start = path.start

    def shock(self, time: int, change: int) -> None:
        self.shocks.append(Shock(time, change))

    def price(self, time: int) -> int:
        return self._pushed(self._path.price(time), time)

    def _pushed(self, price: int, time: int) -> int:
        for shock in self.shocks:
            if shock.time <= time:
                price = max(1, price * (WHOLE + shock.change) // WHOLE)
        return price

    def lots_per_second(self, time: int) -> float:
        return self._path.lots_per_second(time)

    def span(self, begin: int, end: int) -> Bar:
        return self._pushed_bar(self._path.span(begin, end))

    def coarse(self, begin: int, end: int) -> Bar:
        return self._pushed_bar(self._path.coarse(begin, end))

    def _pushed_bar(self, bar: Bar) -> Bar:
        """As if the push came between bars: live bars are folded from trades and show it where it was."""
        if not self.shocks:
            return bar
        opened, high, low, close = (self._pushed(price, bar.time) for price in bar[1:5])
        return Bar(bar.time, opened, high, low, close, bar.volume, bar.trades)


class ScaledPath:
    """The path of another instrument in this one's units: a spot pair that tracks its perpetual."""

    def __init__(self, listing: Listing, leader: Listing, path: Path) -> None:
        self._path = path
        self._scale: int = 10 ** (listing.price_decimals - leader.price_decimals)
        lots: float = 10 ** (listing.size_decimals - leader.size_decimals)
        self._share = listing.daily / leader.daily * lots
        self._calm = listing.rate / leader.rate
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
        volume, trades = round(bar.volume * self._share), round(bar.trades * self._calm)
        return Bar(bar.time, opened, high, low, close, volume, trades)
