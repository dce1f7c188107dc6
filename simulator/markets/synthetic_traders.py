"""Synthetic traders: market makers with a ladder of quotes around the price, and takers that come in bursts.

All of their orders go through the matching engine, so that a client's order meets the same book. Makers
requote within the step in which the price moved: after any jump the price lies between the best bid and
the best ask.
"""

from collections.abc import Iterator
from math import exp
from random import Random

from market.domain.events import Side
from market.domain.matching import Filled, NewOrder, OrderBook
from simulator.markets.universe import Listing

MAKERS = "makers"
TAKERS = "takers"
NEAR = 22
FAR = (26, 32, 40, 52, 70, 95, 130, 180, 260, 380, 560, 850)  # ticks from the touch; for coarse views
SLACK = 4  # a quote n ticks deep is not moved until it is more than n // SLACK ticks from its target
CONSUMED_STAYS = 0.5  # probability that a consumed quote behind the touch is not replaced in this step
REFRESH_PER_SECOND = 1.6
WITHDRAW_PER_SECOND = 0.15
SIDES: tuple[Side, Side] = ("buy", "sell")
MAX_SLIPPAGE_TICKS = 12  # ticks past the touch that a taker is willing to pay
MIN_NOTIONAL = 10.0
BURST = 0.5  # share of trades that are triggered by another trade
DECAY_PER_SECOND = 2.0


class _Rung:
    """One quote of the ladder: its distance from the touch in ticks, and its resting order."""

    __slots__ = ("depth", "order_id", "price", "sign")

    def __init__(self, side: Side, depth: int) -> None:
        self.sign = -1 if side == "buy" else 1
        self.depth = depth
        self.order_id: int | None = None
        self.price = 0


class SyntheticTraders:
    """Synthetic traders of one instrument and its order book. Deterministic for a given `rng`."""

    def __init__(self, listing: Listing, rng: Random, ids: Iterator[int]) -> None:
        self.listing = listing
        self.book = OrderBook()
        self._rng = rng
        self._ids = ids
        self._ladder = {side: [_Rung(side, depth) for depth in (*range(NEAR), *FAR)] for side in SIDES}
        self._touch = (0, 0)
        self._withdrawn_side: Side | None = None
        self._excitation = 0.0
        self._buys = 0.5
        self._depth = 1.0

    def step(self, centre: int, elapsed: float, lots_per_second: float) -> list[Filled]:
        """Simulate `elapsed` seconds with the price at `centre` units. Returns the matches."""
        self._buys += max(-0.2, min(0.2, (centre - sum(self._touch) / 2) / centre * 2000)) * 0.1
        self._buys += (0.5 - self._buys) * min(1.0, elapsed)
        self._depth = max(1.0, lots_per_second / self.listing.rate * 6)
        taken = self._take(elapsed, lots_per_second) if self._touch[0] else []
        return taken + self._quote(centre, elapsed)

    # --- takers --------------------------------------------------------------------------------
    def _take(self, elapsed: float, lots_per_second: float) -> list[Filled]:
        self._excitation *= exp(-DECAY_PER_SECOND * elapsed)
        expected = (self.listing.rate * (1 - BURST) + self._excitation) * elapsed
        if self._rng.random() >= expected and expected < 1:
            return []
        fills: list[Filled] = []
        for _ in range(max(1, round(expected))):
            self._excitation += BURST * DECAY_PER_SECOND
            fills += self._one_taker(lots_per_second / self.listing.rate)
        return fills

    def _one_taker(self, mean_lots: float) -> list[Filled]:
        side: Side = "buy" if self._rng.random() < self._buys else "sell"
        touch = self._touch[1] if side == "buy" else self._touch[0]
        max_slippage = MAX_SLIPPAGE_TICKS * self.listing.tick_at(touch)
        limit = touch + max_slippage if side == "buy" else max(1, touch - max_slippage)
        smallest = MIN_NOTIONAL / self.listing.notional(touch, 1)
        lots = max(smallest, mean_lots * exp(self._rng.gauss(-0.6, 1.1)))
        order = NewOrder(next(self._ids), TAKERS, side, limit, round(lots) + 1, "ioc")
        return [event for event in self.book.submit(order) if isinstance(event, Filled)]

    # --- makers --------------------------------------------------------------------------------
    def _quote(self, centre: int, elapsed: float) -> list[Filled]:
        self._touch = self._touch_around(centre)
        self._change_withdrawn_side(elapsed)
        moved = [
            (rung, price)
            for side, touch in zip(SIDES, self._touch, strict=True)
            for rung, price in self._misplaced(side, touch, elapsed)
        ]
        for rung, _ in moved:
            if rung.order_id is not None:
                self.book.cancel(rung.order_id)
                rung.order_id = None
        return [fill for rung, price in moved if price for fill in self._place(rung, price)]

    def _touch_around(self, centre: int) -> tuple[int, int]:
        """Target best bid and ask, `spread` ticks apart, with the centre between them."""
        tick = self.listing.tick_at(centre)
        bid = self.listing.floor(max(tick, centre - (self.listing.spread - 1) * tick // 2))
        return bid, self.listing.ceil(max(centre + 1, bid + self.listing.spread * tick))

    def _change_withdrawn_side(self, elapsed: float) -> None:
        """At random times, one side withdraws its best quote for a while."""
        if self._rng.random() < WITHDRAW_PER_SECOND * elapsed:
            self._withdrawn_side = self._rng.choice((None, None, *SIDES))

    def _misplaced(self, side: Side, touch: int, elapsed: float) -> Iterator[tuple[_Rung, int]]:
        """Quotes to move, each with its new price; price 0 removes the quote."""
        tick = self.listing.tick_at(touch)
        for rung in self._ladder[side]:
            if rung.depth == 0:
                price = 0 if self._withdrawn_side == side else touch
                if rung.price == price and not self._needs_replacing(rung, elapsed):
                    continue
            else:
                price = touch + rung.sign * rung.depth * tick
                if self._is_in_place(rung, abs(rung.price - price), tick):
                    continue
                price = self.listing.floor(price) if rung.sign < 0 else self.listing.ceil(price)
            yield rung, max(0, price)

    def _needs_replacing(self, rung: _Rung, elapsed: float) -> bool:
        """The quote at the touch is replaced when it was consumed, and resized about once a second."""
        consumed = rung.order_id is not None and self.book.order(rung.order_id) is None
        return consumed or self._rng.random() < REFRESH_PER_SECOND * elapsed / 2

    def _is_in_place(self, rung: _Rung, off: int, tick: int) -> bool:
        if rung.order_id is None or off > rung.depth // SLACK * tick:
            return False
        return self.book.order(rung.order_id) is not None or self._rng.random() < CONSUMED_STAYS

    def _place(self, rung: _Rung, price: int) -> list[Filled]:
        rung.order_id, rung.price = next(self._ids), price
        lots = self._depth * (0.25 + self._rng.expovariate(1.0)) * (1 + min(rung.depth, 40) * 0.12)
        smallest = MIN_NOTIONAL / self.listing.notional(price, 1)
        size = round(max(lots, smallest)) + 1
        # Not post-only: a client's order that the price has crossed is traded with, as on a real venue.
        order = NewOrder(rung.order_id, MAKERS, "buy" if rung.sign < 0 else "sell", price, size)
        return [event for event in self.book.submit(order) if isinstance(event, Filled)]
