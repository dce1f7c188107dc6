"""Following the crossing of two moving averages, with a stop that trails. `docs/strategies/trend.md`."""

from decimal import Decimal
from typing import Any

from bots.sdk import (
    INTERVALS,
    Candle,
    Choice,
    Context,
    Fill,
    Level,
    Needs,
    Number,
    OrderNews,
    Side,
    Strategy,
    Terms,
    Tick,
    Whole,
    atr,
    ema,
)

ZERO = Decimal(0)
SLIP = Decimal("0.005")  # how far from the best price the entry may trade
WORST = Decimal("0.05")  # how far beyond its trigger a stop may trade
RATCHET = Decimal("0.25")  # in ATR: a stop is not moved for less


def size_for(risk: Decimal, distance: Decimal, price: Decimal, power: Decimal) -> Decimal:
    """So much that the stop at `distance` costs `risk`, and never more than `power` buys."""
    return min(risk / distance, power / price)


class Trend(Strategy):
    title = "EMA trend"
    summary = "Goes with the crossing of a fast and a slow average; leaves at a stop of some ATR."

    interval = Choice("Candles", {name: name for name in INTERVALS}, default="1h")
    fast = Whole("Fast average", unit="candles", minimum=2, maximum=100, default=20)
    slow = Whole("Slow average", unit="candles", minimum=3, maximum=120, default=50)
    direction = Choice(
        "Direction",
        {"long": "Long only", "both": "Long and short"},
        default="long",
        help="Spot can only be long.",
    )
    atr_period = Whole("ATR", unit="candles", minimum=2, maximum=100, default=14)
    stop = Number("Stop", unit="ATR", minimum="0.5", maximum="20", default="3")
    risk = Number("Risk of one trade", unit="% of the budget", minimum="0.05", maximum="20", default="1")

    def needs(self) -> Needs:
        return Needs(self.interval, 4 * self.slow)

    def problems(self, terms: Terms) -> dict[str, str]:
        found = {}
        if self.fast >= self.slow:
            found["slow"] = "The slow average must be longer than the fast one."
        if terms.instrument.kind == "spot" and self.direction == "both":
            found["direction"] = "Spot can only be long: nothing can be sold that is not held."
        return found

    # --- what it is told ---------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state.setdefault("want", 0)
        self._measure(context)

    def on_candle(self, context: Context, candle: Candle) -> None:
        self._measure(context)
        if context.tick:
            self.on_tick(context, context.tick)

    def on_fill(self, context: Context, fill: Fill) -> None:
        if context.tick:
            self.on_tick(context, context.tick)

    def on_order(self, context: Context, news: OrderNews) -> None:
        if news.level_id == "entry" and news.state in ("refused", "cancelled"):
            context.state["entered"] = True  # a crossing is followed once

    def on_tick(self, context: Context, tick: Tick) -> None:
        state: dict[str, Any] = context.state
        want, held = state["want"], context.position.size
        if context.closing:
            return
        if "atr" not in state:
            context.idle(
                f"Averages are not known yet: {len(context.candles)} of {self.slow + 1} candles are there."
            )
        elif held * want > 0:
            self._protect(context, tick)
        elif context.terms.size_down(abs(held)):
            state["stopped"] = None
            context.close()
        elif want and not state.get("entered"):
            self._enter(context, tick)
        elif "entry" not in context.orders:
            state["stopped"] = None
            context.quotes([])
            context.idle(self._waiting(state))

    # --- decisions ---------------------------------------------------------------------------------
    def _measure(self, context: Context) -> None:
        """Averages and ATR of the closed candles; a crossing makes a new wish."""
        state: dict[str, Any] = context.state
        closes = [candle.close for candle in context.candles]
        fast, slow, spread = (
            ema(closes, self.fast),
            ema(closes, self.slow),
            atr(context.candles, self.atr_period),
        )
        if fast is None or slow is None or not spread or len(closes) <= self.slow:
            return
        side = 1 if fast > slow else -1
        if "side" in state and side != state["side"]:
            allowed = side == 1 or self.direction == "both"
            state.update(want=side if allowed else 0, entered=False, stopped=None)
        state.update(side=side, atr=spread, close=closes[-1])
        if state.get("stopped") is not None:
            self._ratchet(state)

    def _ratchet(self, state: dict[str, Any]) -> None:
        """The stop follows the closes, never back, and not for less than a part of the ATR."""
        moved = state["close"] - state["want"] * self.stop * state["atr"]
        if (moved - state["stopped"]) * state["want"] >= RATCHET * state["atr"]:
            state["stopped"] = moved

    def _enter(self, context: Context, tick: Tick) -> None:
        terms, state = context.terms, context.state
        want, spread = int(str(state["want"])), state["atr"]
        assert isinstance(spread, Decimal)
        side: Side = "buy" if want > 0 else "sell"
        price = terms.price_down(tick.ask * (1 + SLIP)) if want > 0 else terms.price_up(tick.bid * (1 - SLIP))
        risk = context.power / terms.leverage * self.risk / 100
        size = terms.size_down(size_for(risk, self.stop * spread, tick.ask * (1 + SLIP), context.power))
        if not terms.tradable(price, size):
            context.idle(f"A risk of {risk:.2f} allows a size of {size:f}, too little for the venue.")
            return
        context.state["entered"] = True
        context.quotes([Level("entry", side, price, size, "ioc")])

    def _protect(self, context: Context, tick: Tick) -> None:
        """Perpetuals have their stop at the venue, where it outlives us; on spot we watch the price."""
        state: dict[str, Any] = context.state
        want, held = state["want"], context.position.size
        if state.get("stopped") is None:
            state["stopped"] = context.position.average - want * self.stop * state["atr"]
        stop = max(state["stopped"], context.instrument.rules.tick_at(tick.bid))
        stops = state.setdefault("stops", {"n": 0, "at": ZERO, "size": ZERO})
        beyond = (tick.middle - stop) * want <= 0
        if context.instrument.kind == "spot" or (beyond and f"stop{stops['n']}" not in context.orders):
            if beyond:
                context.close()  # there is no order at the venue, or the price jumped over it
            return
        terms = context.terms
        trigger = terms.price_up(stop) if want > 0 else terms.price_down(stop)
        worst = terms.price_up(stop * (1 - WORST)) if want > 0 else terms.price_down(stop * (1 + WORST))
        size = terms.size_down(abs(held))
        if (stops["at"], stops["size"]) != (trigger, size):
            stops.update(
                n=stops["n"] + 1, at=trigger, size=size
            )  # a new name: it stands before the old one goes
        side: Side = "sell" if want > 0 else "buy"
        name = f"stop{stops['n']}"
        level = Level(name, side, worst, size, "ioc", reduce_only=True, trigger=trigger)
        context.quotes([level])

    def _waiting(self, state: dict[str, Any]) -> str:
        if state["want"]:
            return "The stop was reached, or the entry found no price; the next crossing is awaited."
        return (
            "The fast average is below the slow one."
            if state.get("side") == -1
            else "No crossing was seen yet."
        )
