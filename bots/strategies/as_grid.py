"""AS grid: a grid around the Avellaneda-Stoikov (2008) reservation price. `docs/strategies/as-grid.md`.

Distances are in basis points (bp) of the mid price, inventory is a fraction of the maximum, so that the
same inputs have the same meaning on every instrument.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

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
    OptionalNumber,
    OrderUpdate,
    Side,
    Strategy,
    Terms,
    Tick,
    ewma,
    returns,
    trend_score,
    volatility,
)

BP = Decimal(10_000)
ZERO = Decimal(0)
EWMA_DECAY = Decimal("0.94")  # of the current volatility
RESUME = Decimal("0.8")  # quoting resumes below this fraction of a pause's limit
JUMP = 2  # a price jump of this multiple of `pause_volatility` pauses quoting


def reservation(price: Decimal, inventory: Decimal, risk: Decimal, variance: Decimal) -> Decimal:
    """Reservation price (indifference price): r = s − q γ σ² (T − t).

    `variance` is σ² (T − t). All arguments must use the same units.
    """
    return price - inventory * risk * variance


def best_spread(risk: Decimal, variance: Decimal, decay: Decimal) -> Decimal:
    """Optimal spread from bid to ask: γ σ² (T − t) + (2/γ) ln(1 + γ/κ)."""
    return risk * variance + 2 / risk * (1 + risk / decay).ln()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Inventory limits, in base units."""

    min_inventory: Decimal
    max_inventory: Decimal

    def share(self, held: Decimal) -> Decimal:
        """Position of `held` between the limits: −1 at the minimum, 0 in the middle, 1 at the maximum."""
        reach = (self.max_inventory - self.min_inventory) / 2
        return max(Decimal(-1), min(Decimal(1), (held - self.min_inventory) / reach - 1)) if reach else ZERO


class ASGrid(Strategy):
    """Market making grid around the reservation price."""

    title = "AS grid"
    summary = "Market making grid around a reservation price that is skewed against the inventory."

    direction = Choice(
        "Direction",
        {"long": "Long: from nothing to the largest inventory", "short": "Short", "neutral": "Both ways"},
        default="long",
        help="Spot can only be long.",
    )
    levels = Integer("Levels a side", minimum=1, maximum=50, default=5)
    step = Number("Distance between levels", unit="bp", minimum="0.1", maximum="1000", default="10")
    inventory = Number(
        "Largest inventory", unit="% of the budget times leverage", minimum="1", maximum="100", default="80"
    )
    risk = Number(
        "Risk aversion γ",
        unit="1/bp",
        minimum="0.00001",
        maximum="10",
        default="0.005",
        help="Larger: stronger inventory skew, and wider quotes in volatile markets.",
    )
    decay = Number(
        "Order arrival κ",
        unit="1/bp",
        minimum="0.001",
        maximum="100",
        default="0.1",
        help="How fast fills become rarer with the distance. Larger: tighter quotes.",
    )
    horizon = Number("Horizon T − t", unit="minutes", minimum="1", maximum="10080", default="60")
    skew = Number(
        "Size skew",
        unit="%",
        minimum="0",
        maximum="100",
        default="50",
        help="How much the inventory changes order sizes.",
    )
    spread = Number("Smallest spread", unit="bp", minimum="0", maximum="1000", default="4")
    recentre = Number(
        "Move the grid when the middle moved",
        unit="bp",
        minimum="0.1",
        maximum="1000",
        default="10",
        help="Or when a new volatility would move its quotes that far. Unmoved orders keep their priority.",
    )
    interval = Choice("Candles", {name: name for name in INTERVALS}, default="5m")
    window = Integer("Candles for volatility and trend", minimum=20, maximum=500, default=96)
    pause_volatility = Number(
        "Pause when volatility is", unit="times usual", minimum="1.1", maximum="100", default="3"
    )
    pause_trend = Number(
        "Pause when the trend is", unit="standard deviations", minimum="0.5", maximum="100", default="3"
    )
    max_loss = OptionalNumber(
        "Close and end at a loss of", unit="% of the budget", minimum="0.1", maximum="100"
    )

    def requirements(self) -> DataRequirements:
        return DataRequirements(self.interval, self.window)

    def validate(self, terms: Terms) -> dict[str, str]:
        found = {}
        if terms.instrument.kind == "spot" and self.direction != "long":
            found["direction"] = "Spot can only be long: short selling is not possible."
        if 2 * BP * terms.fees.maker > self.spread:
            found["spread"] = (
                f"Two maker fees cost {2 * BP * terms.fees.maker:f} bp; the spread must be at least that."
            )
        each = terms.buying_power * self.inventory / 100 / self.levels
        if each < terms.instrument.rules.min_notional:
            found["levels"] = (
                f"Each level would be {each:.2f}; the minimum order value is {terms.instrument.rules.min_notional:f}."
            )
        return found

    # --- callbacks ---------------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state["stale"] = True
        self._measure(context)
        if context.tick:
            self.on_tick(context, context.tick)

    def on_candle(self, context: Context, candle: Candle) -> None:
        self._measure(context)
        if self._quotes_moved(context):
            context.state["stale"] = True

    def on_fill(self, context: Context, fill: Fill) -> None:
        # A sweep fills many levels: the grid is laid out once, at the next tick.
        context.state["stale"] = True

    def on_order(self, context: Context, update: OrderUpdate) -> None:
        if update.state in ("cancelled", "rejected"):
            context.state["stale"] = True

    def on_tick(self, context: Context, tick: Tick) -> None:
        if self._has_ended(context, tick):
            return
        if "sigma" not in context.state:
            context.set_orders([])
            available = len(context.candles)
            context.idle(f"Waiting for candles: {available} of {self.window} are available.")
            return
        pause = self._pause(context, tick)
        state = context.state
        if pause:
            context.idle(pause)
        if bool(pause) != state.get("paused") or state["stale"] or self._has_moved(state, tick):
            levels = self._grid(context, tick, reducing=bool(pause))
            context.set_orders(levels)
            state.update(paused=bool(pause), stale=False, centre=tick.mid, laid=state["sigma"])
            if not levels and not pause:
                context.idle("The remaining budget is too small for a level.")

    # --- decisions ---------------------------------------------------------------------------------
    def _measure(self, context: Context) -> None:
        candles = context.candles[-self.window :]
        moves = returns(candles)
        usual = volatility(moves)
        if len(candles) < self.window or not usual:
            context.state.pop("sigma", None)
            context.state.pop("laid", None)
            return
        context.state.update(
            sigma=round((ewma(moves, EWMA_DECAY) or usual) * BP, 6),
            usual=round(usual * BP, 6),
            trend=round(trend_score(moves) or ZERO, 6),
            close=candles[-1].close,
        )

    def _has_ended(self, context: Context, tick: Tick) -> bool:
        """Whether the loss has reached its limit, now or earlier."""
        limit = self.max_loss
        if "ended" not in context.state and limit is not None:
            loss = -context.position.pnl(tick.mid)
            if loss >= context.terms.budget * limit / 100:
                context.state["ended"] = (
                    f"The loss of {loss:.2f} reached the limit of {limit} % of the budget."
                )
                context.close()
        if "ended" in context.state:
            context.idle(str(context.state["ended"]))
        return "ended" in context.state

    def _has_moved(self, state: Mapping[str, object], tick: Tick) -> bool:
        centre = state["centre"]
        assert isinstance(centre, Decimal)
        return abs(tick.mid - centre) * BP >= self.recentre * centre

    def _quotes_moved(self, context: Context) -> bool:
        """Whether the current volatility would move the quotes by at least `recentre`."""
        state, tick = context.state, context.tick
        if tick is None or "sigma" not in state or "laid" not in state:
            return True
        share = self._bounds(context, tick.mid).share(context.position.size)
        now, before = (self.quotes_at(BP, share, _number(state[name])) for name in ("sigma", "laid"))
        return max(abs(new - old) for new, old in zip(now, before, strict=True)) >= self.recentre

    def _pause(self, context: Context, tick: Tick) -> str:
        """The reason to quote only reducing orders now; empty when quoting is normal."""
        state = context.state
        sigma, usual, trend, close = (_number(state[name]) for name in ("sigma", "usual", "trend", "close"))
        ease = RESUME if state.get("paused") else Decimal(1)
        times = sigma / usual
        if times >= self.pause_volatility * ease:
            return f"Volatility is {times:.1f} times usual; quoting resumes below {self.pause_volatility * RESUME:.1f}."
        jump = abs(tick.mid / close - 1) * BP / usual
        if jump >= JUMP * self.pause_volatility * ease:
            return f"The price jumped {jump:.1f} standard deviations within a candle."
        if abs(trend) >= self.pause_trend * ease:
            return (
                f"The trend is {trend:.1f} deviations; quoting resumes below {self.pause_trend * RESUME:.1f}."
            )
        return ""

    def quotes_at(self, mid: Decimal, share: Decimal, sigma: Decimal) -> tuple[Decimal, Decimal]:
        """Innermost bid and ask for an inventory share and a volatility per candle in bp."""
        minutes = Decimal(INTERVALS[self.interval]) / 60_000
        variance = sigma * sigma * self.horizon / minutes
        offset = reservation(ZERO, share, self.risk, variance)
        half = max(best_spread(self.risk, variance, self.decay), self.spread) / 2
        return mid * (1 + (offset - half) / BP), mid * (1 + (offset + half) / BP)

    def _bounds(self, context: Context, mid: Decimal) -> Bounds:
        """Inventory limits, set once from the first price, so that a falling price does not raise them."""
        largest = context.state.get("largest")
        if largest is None or context.state.get("largest_for") != self._basis(context.terms):
            largest = context.terms.round_size_down(context.terms.buying_power * self.inventory / 100 / mid)
            context.state.update(largest=largest, largest_for=self._basis(context.terms))
        limit = _number(largest)
        return Bounds(
            ZERO if self.direction == "long" else -limit, ZERO if self.direction == "short" else limit
        )

    def _basis(self, terms: Terms) -> str:
        return f"{terms.buying_power} {self.inventory}"

    def _grid(self, context: Context, tick: Tick, *, reducing: bool) -> list[Level]:
        bounds = self._bounds(context, tick.mid)
        held = context.position.size
        share = bounds.share(held)
        bid, ask = self.quotes_at(tick.mid, share, _number(context.state["sigma"]))
        each = bounds.max_inventory if self.direction != "short" else -bounds.min_inventory
        each /= self.levels
        skew = share * self.skew / 100
        buys = _Side("buy", min(bid, tick.bid), each * (1 - skew), max(bounds.max_inventory - held, ZERO))
        sells = _Side("sell", max(ask, tick.ask), each * (1 + skew), max(held - bounds.min_inventory, ZERO))
        if reducing:
            buys = _Side("buy", buys.price, each, max(-held, ZERO))
            sells = _Side("sell", sells.price, each, max(held, ZERO))
        closing = {"long": "sell", "short": "buy"}.get(self.direction)
        if context.terms.can_reduce_only:
            buys = replace(buys, reduce_only=reducing or closing == "buy")
            sells = replace(sells, reduce_only=reducing or closing == "sell")
        distance = tick.mid * self.step / BP
        return [*self._ladder(context, buys, distance), *self._ladder(context, sells, distance)]

    def _ladder(self, context: Context, side: "_Side", distance: Decimal) -> Iterator[Level]:
        """Levels from the innermost price outwards, until the inventory limit or the budget is used up."""
        terms, room, last = context.terms, side.room, ZERO
        cost, held = context.position.cost, context.position.size
        sign = 1 if side.side == "buy" else -1
        free = max(-held * sign, ZERO)  # size that only reduces the position needs no budget
        budget = context.buying_power - max(cost * sign, ZERO)
        for n in range(self.levels):
            unrounded = side.price - sign * n * distance
            price = (
                terms.round_price_down(unrounded) if side.side == "buy" else terms.round_price_up(unrounded)
            )
            if price <= 0 or price == last:
                continue
            size = terms.round_size_down(min(side.each, room, free + max(budget, ZERO) / price))
            if not terms.is_tradable(price, size):
                continue
            budget -= max(size - free, ZERO) * price
            free = max(free - size, ZERO)
            room, last = room - size, price
            yield Level(f"{side.side[0]}{n}", side.side, price, size, reduce_only=side.reduce_only)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of the grid: innermost price, size of each level, and the maximum total size (`room`).

    `reduce_only`: the side can only close the position.
    """

    side: Side
    price: Decimal
    each: Decimal
    room: Decimal
    reduce_only: bool = False


def _number(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value
