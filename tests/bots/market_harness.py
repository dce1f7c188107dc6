"""Market harness for one bot: candles become prices, and its orders rest in the real matching engine.

Invariants of every strategy are checked at every step.
"""

import csv
import gzip
from collections import deque
from decimal import Decimal
from uuid import UUID

from bots.domain import events
from bots.domain.order_planner import CancelOrder, PlaceOrder
from bots.domain.risk import counted_orders, worst_case_exposure
from bots.domain.runner import Runner, RunSpec
from bots.sdk import Candle, Fees, Instrument, InstrumentRules, Terms, Tick, parse_inputs
from market.domain.matching import Cancelled, CancelReason, Filled, NewOrder, OrderBook, Rejected

RUN = UUID("6f1c9f0a-0000-4000-8000-000000000001")
PLENTY = 10**12
WORLD = "world"


def instrument(kind="perp", price_decimals=1, size_decimals=5, figures=None, least=10):
    return Instrument(
        "hyperliquid-sim",
        "BTC",
        kind,
        "BTC",
        "USDC",
        InstrumentRules.from_decimals(size_decimals, price_decimals, figures, Decimal(least)),
    )


def terms(kind="perp", budget=10_000, leverage=1, maker="0.00015", taker="0.00045", **rules):
    return Terms(instrument(kind, **rules), Decimal(budget), leverage, Fees(Decimal(maker), Decimal(taker)))


def spec(strategy, raw=None, given=None, **more):
    return RunSpec(RUN, strategy, given or terms(), parse_inputs(strategy, raw or {}), 1, "c0de", **more)


def candles_read(path, first=0, count=None, interval="5m"):
    """Candles of a recorded file from the time `first` (ms) on."""
    found = []
    with gzip.open(path, "rt") as text:
        for row in csv.DictReader(text):
            if int(row["open_time"]) >= first:
                figures = (Decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
                found.append(Candle("BTC", interval, int(row["open_time"]), *figures))
                if count and len(found) == count:
                    break
    return found


def candles_made(closes, interval="5m", width=300_000, first=0, wick=Decimal("0.001")):
    """Candles with these closes, each with a small wick at both ends."""
    made, before = [], Decimal(closes[0])
    for n, close in enumerate(map(Decimal, closes)):
        high, low = max(before, close) * (1 + wick), min(before, close) * (1 - wick)
        made.append(Candle("BTC", interval, first + n * width, before, high, low, close, Decimal(1)))
        before = close
    return made


class BotHarness:
    """Feeds a runner with events, matches its orders and returns the results; `now` is the candles' time."""

    def __init__(self, spec, warm=(), snapshot=None):
        self.spec = spec
        self.terms = spec.terms
        self.rules = spec.terms.instrument.rules
        self.runner = Runner(spec, snapshot)
        self.book = OrderBook()
        self.orders = {}  # number in the book → (client id, level id)
        self.numbers = {}  # client id → number in the book
        self.world = []
        self.stops = {}  # client id → request
        self.journal = []
        self.decisions = []
        self.fills = []
        self.seq = snapshot.last_seq if snapshot else 0
        self.number = 0
        self.now = warm[-1].open_time if warm else 0
        self.size = Decimal(0)
        self.worst_seen = Decimal(0)
        self.cancels = 0
        self._waiting = deque()
        self.tell(events.Claimed(self.now))
        self.tell(events.CandlesLoaded(self.now, tuple(warm)))

    # --- the runner --------------------------------------------------------------------------------
    @property
    def snapshot(self):
        return self.runner.snapshot

    def start(self, price):
        self._place_world(Decimal(price))
        self.tell(events.TickReceived(self.now, self.tick))
        self.tell(events.Started(self.now))

    def tell(self, event):
        """Process the event and all events that follow from it."""
        self._waiting.append(event)
        self._drain()

    def _drain(self):
        while self._waiting:
            event = self._waiting.popleft()
            self.journal.append(event)
            decision = self.runner.on_event(event)
            self.decisions.append(decision)
            self._check_budget(decision)
            for request in decision.requests:
                self._perform(request)
            self._check()

    def own(self, kind, *args, **more):
        self.seq += 1
        self._waiting.append(kind(self.now, self.seq, *args, **more))

    # --- the venue ---------------------------------------------------------------------------------
    def _perform(self, request):
        if isinstance(request, CancelOrder):
            self.cancels += 1
            self._cancel(request.client_id)
            return
        if not isinstance(request, PlaceOrder):
            self._cancel(request.client_id)
        order = request.order
        assert self.rules.price_is_valid(order.price)
        assert order.size == self.rules.round_size(order.size) > 0
        if order.trigger_price is not None:
            self.stops[order.client_id] = request
            self.own(events.OrderUpdated, order.client_id, request.level_id, "open")
        else:
            self._submit(request.level_id, order, order.tif)

    def _submit(self, level_id, order, tif):
        self.number += 1
        number = self.number
        self.orders[number] = (order.client_id, level_id)
        self.numbers[order.client_id] = number
        lots, ticks = self._lots(order.size), self._ticks(order.price)
        match_events = self.book.submit(NewOrder(number, "bot", order.side, ticks, lots, tif))
        if not any(isinstance(match_event, Rejected) for match_event in match_events):
            self.own(events.OrderUpdated, order.client_id, level_id, "open")
        self._read(match_events)

    def _cancel(self, client_id):
        if stop := self.stops.pop(client_id, None):
            self.own(events.OrderUpdated, client_id, stop.level_id, "cancelled")
            return
        if self.book.order(self.numbers[client_id]):
            self._read(self.book.cancel(self.numbers[client_id]))

    def _read(self, match_events):
        for match_event in match_events:
            match match_event:
                case Filled():
                    self._filled(match_event)
                case Cancelled(owner="bot"):
                    assert match_event.reason != CancelReason.SELF_TRADE, "the bot traded with itself"
                    client_id, level_id = self.orders[match_event.order_id]
                    self.own(events.OrderUpdated, client_id, level_id, "cancelled")
                case Rejected(owner="bot"):
                    client_id, level_id = self.orders[match_event.order_id]
                    self.own(events.OrderUpdated, client_id, level_id, "rejected", match_event.reason.value)

    def _filled(self, match_event):
        number, remaining = (
            (match_event.maker_id, match_event.maker_remaining)
            if match_event.maker == "bot"
            else (match_event.taker_id, match_event.taker_remaining)
        )
        side = (
            match_event.side
            if match_event.taker == "bot"
            else ("sell" if match_event.side == "buy" else "buy")
        )
        rate = self.terms.fees.taker if match_event.taker == "bot" else self.terms.fees.maker
        client_id, level_id = self.orders[number]
        price = Decimal(match_event.price).scaleb(-self.rules.price_decimals)
        size = Decimal(match_event.size).scaleb(-self.rules.size_decimals)
        self.size += size if side == "buy" else -size
        ref = f"{number}:{len(self.fills)}"
        self.fills.append((level_id, side, price, size))
        fee = price * size * rate
        self.own(events.OrderFilled, client_id, level_id, ref, side, price, size, fee, "USDC")
        if not remaining:
            self.own(events.OrderUpdated, client_id, level_id, "filled")

    def _lots(self, size):
        return int(size.scaleb(self.rules.size_decimals))

    def _ticks(self, price):
        return int(price.scaleb(self.rules.price_decimals))

    # --- the market --------------------------------------------------------------------------------
    def play(self, candles, steps=2):
        """Each candle from its open to its nearer end, to the other, to its close, and then closed."""
        for candle in candles:
            turns = (candle.low, candle.high) if candle.close >= candle.open else (candle.high, candle.low)
            before = candle.open
            for turn in (candle.open, *turns, candle.close):
                for step in range(1, steps + 1):
                    self.move(before + (turn - before) * step / steps)
                    self.now += 1
                before = turn
            self.now = candle.open_time + 300_000
            self.tell(events.CandleClosed(self.now, candle))

    def move(self, price):
        """The market trades up or down to `price`; orders in between are filled at their own prices."""
        price = self.rules.round_price(Decimal(price))
        self._clear_world()
        for side in ("sell", "buy"):
            self._cross(side, self._ticks(price))
        self._place_world(price)
        self._trigger(price)
        self.tell(events.TickReceived(self.now, self.tick))

    def _cross(self, side, ticks):
        self.number += 1
        self._read(self.book.submit(NewOrder(self.number, WORLD, side, ticks, PLENTY, "ioc")))
        self._drain()

    def _clear_world(self):
        for number in self.world:
            self.book.cancel(number)
        self.world = []

    def _place_world(self, price):
        step = self.rules.tick_at(price)
        self.tick = Tick(self.now, price - step, price + step, price, price)
        for side, at in (("buy", self.tick.bid), ("sell", self.tick.ask)):
            self.number += 1
            self.world.append(self.number)
            self.book.submit(NewOrder(self.number, WORLD, side, self._ticks(at), PLENTY, "alo"))

    def _trigger(self, price):
        for client_id, request in list(self.stops.items()):
            order = request.order
            if price <= order.trigger_price if order.side == "sell" else price >= order.trigger_price:
                del self.stops[client_id]
                self._submit(request.level_id, order, "ioc")

    # --- invariants ----------------------------------------------------------------------------------
    def _check_budget(self, decision):
        """New orders never raise the worst-case exposure above the buying power that losses have left."""
        requested = {one.order.client_id for one in decision.requests if not isinstance(one, CancelOrder)}
        if not requested:
            return
        snapshot = decision.snapshot
        before = [order for order in snapshot.live if order.client_id not in requested]
        remaining = snapshot.position.buying_power(self.terms)
        cases = zip(
            worst_case_exposure(snapshot.position, counted_orders(before)),
            worst_case_exposure(snapshot.position, counted_orders(snapshot.live)),
            strict=True,
        )
        for was, now in cases:
            assert now <= max(was, remaining), (was, now, remaining)

    def _check(self):
        if self._waiting:
            return
        snapshot = self.runner.snapshot
        assert snapshot.position.size == self.size
        worst_case = worst_case_exposure(snapshot.position, counted_orders(snapshot.live))
        self.worst_seen = max(self.worst_seen, *worst_case)
        assert max(worst_case) <= self.terms.buying_power, (worst_case, self.terms.buying_power)
        if self.terms.instrument.kind == "spot":
            assert self.size >= 0
        plain = [order.level for order in snapshot.live if order.level.trigger is None]
        buys = [level.price for level in plain if level.side == "buy"]
        sells = [level.price for level in plain if level.side == "sell"]
        assert not buys or not sells or max(buys) < min(sells)
        resting = {self.orders[o.id][0] for o in self.book.orders() if o.owner == "bot"} | set(self.stops)
        assert {order.client_id for order in snapshot.live} == resting

    def profit(self, price):
        return self.snapshot.position.pnl(Decimal(price))

    def standing(self):
        """(level id, side, price, size) of the live orders, sorted."""
        return sorted((o.level.id, o.level.side, o.level.price, o.remaining) for o in self.snapshot.live)
