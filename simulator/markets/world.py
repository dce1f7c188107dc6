"""Simulated markets without sockets and clock: stepped by the caller, deterministic for a seed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, NamedTuple

from market.domain.book_levels import Level, ReduceOnlyCap
from market.domain.events import Side
from market.domain.matching import CancelReason, Filled, MatchEvent, NewOrder, OrderBook
from simulator.markets.candles import DAY, HOUR, MINUTE, Bar, Tape
from simulator.markets.numbers import gauss, mix, seed_of
from simulator.markets.paths import Path
from simulator.markets.playback import Playback, Recording
from simulator.markets.price_model import PriceModel, PriceSource, Shocks
from simulator.markets.synthetic_traders import MAKERS, TAKERS, SyntheticTraders
from simulator.markets.universe import UNIVERSE, Listing

MAX_TRADES = 200
TRADES_SAVED = 50
IDS_SKIPPED = 1_000_000  # more trades than a killed process can have published since its last save
MAX_STEP = 1.0
TRADE_IDS = 1 << 50
PRICE_JITTER = 0x2545F4914F6CDD1D % TRADE_IDS | 1  # odd, so that the scattered ids stay unique
PREMIUM = 0.0003
FUNDING_BASE = 0.0001
FUNDING_CLAMP = 0.0005


class Trade(NamedTuple):
    """Public trade; `order` is the taker's order, the same for all its matches."""

    time: int
    price: int
    lots: int
    side: Side
    id: int
    order: int
    users: tuple[str | None, str | None] = (None, None)  # buyer and seller; None for synthetic traders


class Traded(NamedTuple):
    """Trades of one step, in order."""

    coin: str
    trades: tuple[Trade, ...]


class Quoted(NamedTuple):
    """The best bid or ask changed in price or size."""

    coin: str


Event = Traded | Quoted
Listener = Callable[["Market", Filled, Trade], None]
SYNTHETIC_USERS = (MAKERS, TAKERS)


@dataclass
class MarketFaults:
    """Injected faults of one market, with their end times (ms)."""

    frozen_until: int = 0
    empty_side: Side | None = None
    empty_until: int = 0


class Market:
    """Market of one instrument: order book, candle tape, mark and oracle prices, funding."""

    def __init__(self, listing: Listing, path: Path, rng: Random, now: int) -> None:
        self.listing = listing
        self.path = path
        self.tape = Tape(path)
        self.trades: deque[Trade] = deque(maxlen=MAX_TRADES)
        self.faults = MarketFaults()
        self.time = now
        self.listener: Listener | None = None  # called for matches that involve an account
        self._pending_trades: list[Trade] = []  # trades of client orders since the last step
        self._rng = rng
        self._key = seed_of(listing.coin)
        self._traders = SyntheticTraders(listing, rng, count(1))
        self._reduce_only_cap: ReduceOnlyCap | None = None
        self._traders.step(path.price(now), 0.0, path.lots_per_second(now))
        self._quote = self._top()
        self.mark = self._mid()
        self.oracle = path.price(now)
        self.previous_day = path.price(now - DAY)
        day = self._day_before(now)
        self.day_lots = float(sum(bar.volume for bar in day))
        self.day_notional = sum(listing.notional(bar.close, bar.volume) for bar in day)
        self._minute = now // MINUTE

    def _day_before(self, now: int) -> list[Bar]:
        begin = max(now - DAY, self.path.start)
        return [self.path.coarse(time, min(time + HOUR, now)) for time in range(begin, now, HOUR)]

    # --- step ----------------------------------------------------------------------------------
    def step(self, now: int, ids: Iterator[int]) -> list[Event]:
        if self.faults.frozen_until > now:
            return []
        elapsed = min(MAX_STEP, (now - self.time) / 1000)
        self.time = now
        self.oracle = self.path.price(now)
        self.tape.roll(now)
        fills = self._traders.step(self.oracle, elapsed, self.path.lots_per_second(now))
        self._age(elapsed, now)
        trades, self._pending_trades = self._pending_trades, []
        trades += [self._print(fill, now, ids) for fill in fills]
        events: list[Event] = [Traded(self.listing.coin, tuple(trades))] if trades else []
        if (quote := self._top()) != self._quote:
            self._quote = quote
            self.mark = self._mid()
            events.append(Quoted(self.listing.coin))
        return events

    def _age(self, elapsed: float, now: int) -> None:
        # Approximates a rolling day without storing it: the volume that leaves the window is its average.
        remaining = 1.0 - elapsed * 1000 / DAY
        self.day_lots *= remaining
        self.day_notional *= remaining
        if now // MINUTE != self._minute:
            self._minute = now // MINUTE
            self.previous_day = self.path.price(now - DAY)

    def _print(self, fill: Filled, now: int, ids: Iterator[int]) -> Trade:
        self.tape.trade(fill.price, fill.size)
        self.day_lots += fill.size
        self.day_notional += self.listing.notional(fill.price, fill.size)
        users = [None if name in SYNTHETIC_USERS else name for name in (fill.taker, fill.maker)]
        buyer, seller = users if fill.side == "buy" else reversed(users)
        trade = Trade(now, fill.price, fill.size, fill.side, next(ids), fill.taker_id, (buyer, seller))
        self.trades.append(trade)
        if self.listener and (buyer or seller):
            self.listener(self, fill, trade)
        return trade

    # --- client orders -------------------------------------------------------------------------
    @property
    def book(self) -> OrderBook:
        """The order book, for reading; change it through the market, which maintains the tape."""
        return self._traders.book

    def set_reduce_only_cap(self, cap: ReduceOnlyCap) -> None:
        """Set the cap that is applied before a resting order is filled, in this book and after `reopen`."""
        self._reduce_only_cap = self._traders.book.ration = cap

    def submit(self, order: NewOrder, now: int, ids: Iterator[int]) -> list[MatchEvent]:
        """Match an order now. The listener is called at once; public trades are published with the next block."""
        self.tape.roll(now)
        events = self._traders.book.submit(order)
        self._pending_trades += [
            self._print(event, now, ids) for event in events if isinstance(event, Filled)
        ]
        return events

    def cancel(self, order_id: int, reason: CancelReason = CancelReason.REQUESTED) -> list[MatchEvent]:
        return self._traders.book.cancel(order_id, reason)

    def reopen(self, orders: Iterable[NewOrder], now: int, ids: Iterator[int]) -> None:
        """Rebuild the book: these orders first, then the synthetic quotes, which may trade with them."""
        self.tape.roll(now)
        self._traders = SyntheticTraders(self.listing, self._rng, count(1))
        self._traders.book.ration = self._reduce_only_cap
        for order in orders:
            self.submit(order, now, ids)
        fills = self._traders.step(self.oracle, 0.0, self.path.lots_per_second(now))
        self._pending_trades += [self._print(fill, now, ids) for fill in fills]

    # --- market data ---------------------------------------------------------------------------
    def levels(self, side: Side) -> Iterator[Level]:
        """Price levels from the best price outwards; none while a fault empties that side."""
        if self.faults.empty_side == side and self.faults.empty_until > self.time:
            return iter(())
        return self._traders.book.levels(side)

    def best(self, side: Side) -> Level | None:
        return next(self.levels(side), None)

    def _top(self) -> tuple[Level | None, Level | None]:
        return self.best("buy"), self.best("sell")

    def _mid(self) -> int:
        bid, ask = (self._traders.book.best(side) for side in ("buy", "sell"))
        return self.listing.floor(((bid or 0) + (ask or 0)) // 2) if bid and ask else self.mark

    def premium_at(self, time: int) -> float:
        """Premium of the perpetual over the oracle price; changes over hours."""
        begin, share = divmod(time, 8 * HOUR)
        before, after = gauss(self._key, begin), gauss(self._key, begin + 1)
        return PREMIUM * (before + (after - before) * share / (8 * HOUR))

    def funding_at(self, time: int) -> float:
        """The hourly funding rate."""
        premium = self.premium_at(time)
        return (premium + max(-FUNDING_CLAMP, min(FUNDING_CLAMP, FUNDING_BASE - premium))) / 8

    def open_interest(self) -> int:
        """Open interest in lots."""
        usual = self.listing.daily * 0.7 / self.listing.notional(self.mark, 1)
        return round(usual * (1.0 + 100 * self.premium_at(self.time + HOUR)))


class World:
    """All markets of one seed."""

    def __init__(
        self,
        *,
        seed: int,
        now: int,
        listings: Iterable[Listing] = UNIVERSE,
        recordings: Mapping[str, Recording] | None = None,
        playback: Playback | None = None,
        shocks: Shocks | None = None,
    ) -> None:
        self.seed = seed
        self.now = now
        self.listings = tuple(listings)
        self.playback = playback
        self.recordings = dict(recordings or {})
        self.steps = self.trades = self.quotes = 0
        self.next_trade = 1
        source = PriceSource(seed, self.recordings, playback)
        self._price_model = PriceModel(self.listings, source, shocks or {})
        paths = self._price_model.paths
        self.markets = {
            listing.coin: self._market(listing, paths[listing.coin])
            for listing in self.listings
            if not listing.delisted
        }

    def _market(self, listing: Listing, path: Path) -> Market:
        rng = Random(mix(self.seed, seed_of(listing.coin), self.now))
        return Market(listing, path, rng, self.now)

    def shock(self, coin: str, change: int) -> None:
        """Apply a price shock now, in hundredths of a per cent. Raises `KeyError` as `PriceModel.shock`."""
        self._price_model.shock(coin, self.now, change)

    def trade_ids(self) -> Iterator[int]:
        while True:
            self.next_trade += 1  # before the yield: the consumer may not resume the generator
            yield self.next_trade * PRICE_JITTER % TRADE_IDS

    def step(self, now: int) -> list[Event]:
        """Advance to `now` (ms). Returns the events, in order."""
        self.now = now
        self.steps += 1
        ids = self.trade_ids()
        events = [event for market in self.markets.values() for event in market.step(now, ids)]
        self.trades += sum(len(event.trades) for event in events if isinstance(event, Traded))
        self.quotes += sum(isinstance(event, Quoted) for event in events)
        return events

    def followed(self) -> dict[str, int]:
        """Coins that play a recording, with the current recorded price in units."""
        return {coin: self.markets[coin].path.price(self.now) for coin in self.recordings}

    # --- saved state ---------------------------------------------------------------------------
    def dump(self) -> dict[str, Any]:
        """All state that cannot be recomputed from seed and time."""
        return {
            "seed": self.seed,
            "now": self.now,
            "next_trade": self.next_trade,
            "playback": self.playback and vars(self.playback),
            "followed": sorted(self.recordings),
            "shocks": self._price_model.shocks(),
            "mids": {coin: market.listing.price_text(market.mark) for coin, market in self.markets.items()},
            "minutes": {
                coin: [tuple(bar) for bar in market.tape.minutes()] for coin, market in self.markets.items()
            },
            "trades": {
                coin: [tuple(trade) for trade in market.trades][-TRADES_SAVED:]
                for coin, market in self.markets.items()
            },
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Load the tapes of a `dump`. Tapes of another seed or another recording are ignored."""
        self.next_trade = max(self.next_trade, saved["next_trade"] + IDS_SKIPPED)
        if saved["seed"] != self.seed or saved["playback"] != (self.playback and vars(self.playback)):
            return
        same = self._same_path(set(saved["followed"]))
        for coin, market in self.markets.items():
            if coin in saved["minutes"] and same(coin):
                market.tape.restore(Bar(*row) for row in saved["minutes"][coin])
                market.trades.extend(Trade(*row) for row in saved["trades"][coin])

    def _same_path(self, followed: set[str]) -> Callable[[str], bool]:
        tracks = {listing.coin: listing.tracks or listing.coin for listing in self.listings}

        def same(coin: str) -> bool:
            leader = coin if coin in self.recordings or coin in followed else tracks[coin]
            return (leader in followed) == (leader in self.recordings)

        return same
