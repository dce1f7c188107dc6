"""Trend strategy: EMA crossover with a trailing ATR stop. `docs/strategies/trend.md`."""

from decimal import Decimal
from typing import Any

from bots.sdk import (
    INTERVALS,
    Candle,
    Choice,
    Context,
    DataRequirements,
    Fill,
    Integer,
    Level,
    Number,
    OrderUpdate,
    Side,
    Strategy,
    Terms,
    Tick,
    atr,
    ema,
)

ZERO = Decimal(0)
SLIPPAGE = Decimal("0.005")  # maximum slippage of the entry, from the best price
MAX_STOP_SLIPPAGE = Decimal("0.05")  # maximum slippage of a stop, from its trigger
TRAIL_STEP = Decimal("0.25")  # in ATR: the minimum move of a trailing stop


def size_for(risk: Decimal, distance: Decimal, price: Decimal, power: Decimal) -> Decimal:
    """The size for which the stop at `distance` loses `risk`, limited by the buying power `power`."""
    return min(risk / distance, power / price)


class Trend(Strategy):
    """EMA crossover with a trailing stop in ATR."""

    title = "EMA trend"
    summary = "Follows the crossover of a fast and a slow EMA; exits at a trailing ATR stop."

    interval = Choice("Candles", {name: name for name in INTERVALS}, default="1h")
    fast = Integer("Fast average", unit="candles", minimum=2, maximum=100, default=20)
    slow = Integer("Slow average", unit="candles", minimum=3, maximum=120, default=50)
    direction = Choice(
        "Direction",
        {"long": "Long only", "both": "Long and short"},
        default="long",
        help="Spot can only be long.",
    )
    atr_period = Integer("ATR", unit="candles", minimum=2, maximum=100, default=14)
    stop = Number("Stop", unit="ATR", minimum="0.5", maximum="20", default="3")
    risk = Number("Risk of one trade", unit="% of the budget", minimum="0.05", maximum="20", default="1")

    def requirements(self) -> DataRequirements:
        return DataRequirements(self.interval, 4 * self.slow)

    def validate(self, terms: Terms) -> dict[str, str]:
        found = {}
        if self.fast >= self.slow:
            found["slow"] = "The slow average must be longer than the fast one."
        if terms.instrument.kind == "spot" and self.direction == "both":
            found["direction"] = "Spot can only be long: short selling is not possible."
        return found

    # --- callbacks ---------------------------------------------------------------------------------
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

    def on_order(self, context: Context, update: OrderUpdate) -> None:
        if update.level_id == "entry" and update.state in ("rejected", "cancelled"):
            context.state["entered"] = True  # each crossover is entered at most once

    def on_tick(self, context: Context, tick: Tick) -> None:
        state: dict[str, Any] = context.state
        target_side, held = state["want"], context.position.size
        if context.is_closing:
            return
        if "atr" not in state:
            context.idle(f"Waiting for candles: {len(context.candles)} of {self.slow + 1} are available.")
        elif held * target_side > 0:
            self._protect(context, tick)
        elif context.terms.round_size_down(abs(held)):
            state["stopped"] = None
            context.close()
        elif target_side and not state.get("entered"):
            self._enter(context, tick)
        elif "entry" not in context.orders:
            state["stopped"] = None
            context.set_orders([])
            context.idle(self._idle_reason(state))

    # --- decisions ---------------------------------------------------------------------------------
    def _measure(self, context: Context) -> None:
        """Compute EMAs and ATR of the closed candles; a crossover sets a new target side (`want`)."""
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
            self._trail_stop(state)

    def _trail_stop(self, state: dict[str, Any]) -> None:
        """Trail the stop behind the closes, never backwards, in steps of at least `TRAIL_STEP` ATR."""
        new_stop = state["close"] - state["want"] * self.stop * state["atr"]
        if (new_stop - state["stopped"]) * state["want"] >= TRAIL_STEP * state["atr"]:
            state["stopped"] = new_stop

    def _enter(self, context: Context, tick: Tick) -> None:
        terms, state = context.terms, context.state
        target_side, spread = int(str(state["want"])), state["atr"]
        assert isinstance(spread, Decimal)
        side: Side = "buy" if target_side > 0 else "sell"
        price = (
            terms.round_price_down(tick.ask * (1 + SLIPPAGE))
            if target_side > 0
            else terms.round_price_up(tick.bid * (1 - SLIPPAGE))
        )
        risk = context.buying_power / terms.leverage * self.risk / 100
        size = terms.round_size_down(
            size_for(risk, self.stop * spread, tick.ask * (1 + SLIPPAGE), context.buying_power)
        )
        if not terms.is_tradable(price, size):
            context.idle(f"A risk of {risk:.2f} allows a size of {size:f}, below the minimum order size.")
            return
        context.state["entered"] = True
        context.set_orders([Level("entry", side, price, size, "ioc")])

    def _protect(self, context: Context, tick: Tick) -> None:
        """Maintain the stop. Perpetuals have a stop order at the venue, which works while this application is
        down; for spot the strategy compares the price itself."""
        state: dict[str, Any] = context.state
        target_side, held = state["want"], context.position.size
        if state.get("stopped") is None:
            state["stopped"] = context.position.entry_price - target_side * self.stop * state["atr"]
        stop = max(state["stopped"], context.instrument.rules.tick_at(tick.bid))
        stops = state.setdefault("stops", {"n": 0, "at": ZERO, "size": ZERO})
        is_past_stop = (tick.mid - stop) * target_side <= 0
        if context.instrument.kind == "spot" or (is_past_stop and f"stop{stops['n']}" not in context.orders):
            if is_past_stop:
                context.close()  # there is no stop order at the venue, or the price jumped past it
            return
        terms = context.terms
        trigger = terms.round_price_up(stop) if target_side > 0 else terms.round_price_down(stop)
        worst_price = (
            terms.round_price_up(stop * (1 - MAX_STOP_SLIPPAGE))
            if target_side > 0
            else terms.round_price_down(stop * (1 + MAX_STOP_SLIPPAGE))
        )
        size = terms.round_size_down(abs(held))
        if (stops["at"], stops["size"]) != (trigger, size):
            # A new level id: the new stop is open before the old one is cancelled.
            stops.update(n=stops["n"] + 1, at=trigger, size=size)
        side: Side = "sell" if target_side > 0 else "buy"
        name = f"stop{stops['n']}"
        level = Level(name, side, worst_price, size, "ioc", reduce_only=True, trigger=trigger)
        context.set_orders([level])

    def _idle_reason(self, state: dict[str, Any]) -> str:
        if state["want"]:
            return "The stop was hit or the entry was not filled; waiting for the next EMA cross."
        return (
            "No signal: the fast EMA is below the slow EMA."
            if state.get("side") == -1
            else "No signal: no EMA cross yet."
        )
