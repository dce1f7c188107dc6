"""A grid around the reservation price of Avellaneda and Stoikov (2008). `docs/strategies/as-grid.md`.

Distances are in basis points (bp) of the middle price, inventory in shares of the largest allowed, so
that the same inputs mean the same on every instrument.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bots.sdk import (
    INTERVALS,
    Candle,
    Choice,
    Context,
    Fill,
    Level,
    Needs,
    Number,
    OptionalNumber,
    OrderNews,
    Side,
    Strategy,
    Terms,
    Tick,
    Whole,
    ewma,
    returns,
    trend_score,
    volatility,
)

BP = Decimal(10_000)
ZERO = Decimal(0)
MEMORY = Decimal("0.94")  # of the volatility that follows the market
RESUME = Decimal("0.8")  # of a pause's limit: below it quoting resumes
JUMP = 2


def reservation(price: Decimal, inventory: Decimal, risk: Decimal, variance: Decimal) -> Decimal:
    """The price at which one more and one less are worth the same: r = s − q γ σ² (T − t).

    `variance` is σ² (T − t). Units are the caller's, as long as they are the same throughout.
    """
    return price - inventory * risk * variance


def best_spread(risk: Decimal, variance: Decimal, decay: Decimal) -> Decimal:
    """From bid to ask: γ σ² (T − t) + (2/γ) ln(1 + γ/κ)."""
    return risk * variance + 2 / risk * (1 + risk / decay).ln()


@dataclass(frozen=True, slots=True)
class Bounds:
    """The inventory that is allowed, in base units."""

    least: Decimal
    most: Decimal

    def share(self, held: Decimal) -> Decimal:
        """Where `held` lies between the middle (0) and the ends (−1, 1)."""
        reach = (self.most - self.least) / 2
        return max(Decimal(-1), min(Decimal(1), (held - self.least) / reach - 1)) if reach else ZERO


class ASGrid(Strategy):
    title = "AS grid"
    summary = "Market making around a price that leans against the inventory, laid out as a grid."

    direction = Choice(
        "Direction",
        {"long": "Long: from nothing to the largest inventory", "short": "Short", "neutral": "Both ways"},
        default="long",
        help="Spot can only be long.",
    )
    levels = Whole("Levels a side", minimum=1, maximum=50, default=5)
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
        help="Larger: leans harder against the inventory and quotes wider when the market is wild.",
    )
    decay = Number(
        "Order arrival κ",
        unit="1/bp",
        minimum="0.001",
        maximum="100",
        default="0.1",
        help="How fast fills become rarer with the distance. Larger: quotes tighter.",
    )
    horizon = Number("Horizon T − t", unit="minutes", minimum="1", maximum="10080", default="60")
    skew = Number(
        "Size skew",
        unit="%",
        minimum="0",
        maximum="100",
        default="50",
        help="How much inventory changes sizes.",
    )
    spread = Number("Smallest spread", unit="bp", minimum="0", maximum="1000", default="4")
    recentre = Number(
        "Move the grid when the middle moved",
        unit="bp",
        minimum="0.1",
        maximum="1000",
        default="10",
        help="Or when a new volatility would move its quotes that far. What stands still keeps its place in the queue.",
    )
    interval = Choice("Candles", {name: name for name in INTERVALS}, default="5m")
    window = Whole("Candles for volatility and trend", minimum=20, maximum=500, default=96)
    pause_volatility = Number(
        "Pause when volatility is", unit="times usual", minimum="1.1", maximum="100", default="3"
    )
    pause_trend = Number(
        "Pause when the trend is", unit="standard deviations", minimum="0.5", maximum="100", default="3"
    )
    max_loss = OptionalNumber(
        "Close and end at a loss of", unit="% of the budget", minimum="0.1", maximum="100"
    )

    def needs(self) -> Needs:
        return Needs(self.interval, self.window)

    def problems(self, terms: Terms) -> dict[str, str]:
        found = {}
        if terms.instrument.kind == "spot" and self.direction != "long":
            found["direction"] = "Spot can only be long: nothing can be sold that is not held."
        if 2 * BP * terms.fees.maker > self.spread:
            found["spread"] = (
                f"Two maker fees cost {2 * BP * terms.fees.maker:f} bp; quote at least that wide."
            )
        each = terms.power * self.inventory / 100 / self.levels
        if each < terms.instrument.rules.min_notional:
            found["levels"] = (
                f"Each level would be {each:.2f}; the venue takes {terms.instrument.rules.min_notional:f} or more."
            )
        return found

    # --- what it is told ---------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state["stale"] = True
        self._measure(context)
        if context.tick:
            self.on_tick(context, context.tick)

    def on_candle(self, context: Context, candle: Candle) -> None:
        self._measure(context)
        if self._shifted(context):
            context.state["stale"] = True

    def on_fill(self, context: Context, fill: Fill) -> None:
        context.state["stale"] = (
            True  # a sweep fills many levels: the grid is laid out once, at the next tick
        )

    def on_order(self, context: Context, news: OrderNews) -> None:
        if news.state in ("cancelled", "refused"):
            context.state["stale"] = True

    def on_tick(self, context: Context, tick: Tick) -> None:
        if self._ended(context, tick):
            return
        if "sigma" not in context.state:
            context.quotes([])
            have = len(context.candles)
            context.idle(f"Volatility is not known yet: {have} of {self.window} candles are there.")
            return
        pause = self._pause(context, tick)
        state = context.state
        if pause:
            context.idle(pause)
        if bool(pause) != state.get("paused") or state["stale"] or self._strayed(state, tick):
            levels = self._grid(context, tick, reducing=bool(pause))
            context.quotes(levels)
            state.update(paused=bool(pause), stale=False, centre=tick.middle, laid=state["sigma"])
            if not levels and not pause:
                context.idle("No level fits into what is left of the budget.")

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
            sigma=round((ewma(moves, MEMORY) or usual) * BP, 6),
            usual=round(usual * BP, 6),
            trend=round(trend_score(moves) or ZERO, 6),
            close=candles[-1].close,
        )

    def _ended(self, context: Context, tick: Tick) -> bool:
        """Has the loss reached its limit, now or before?"""
        limit = self.max_loss
        if "ended" not in context.state and limit is not None:
            loss = -context.position.profit(tick.middle)
            if loss >= context.terms.budget * limit / 100:
                context.state["ended"] = f"The loss reached {loss:.2f}, the limit of {limit} % of the budget."
                context.close()
        if "ended" in context.state:
            context.idle(str(context.state["ended"]))
        return "ended" in context.state

    def _strayed(self, state: Mapping[str, object], tick: Tick) -> bool:
        centre = state["centre"]
        assert isinstance(centre, Decimal)
        return abs(tick.middle - centre) * BP >= self.recentre * centre

    def _shifted(self, context: Context) -> bool:
        """Would the volatility as it is now put the quotes elsewhere, by as much as moves the grid?"""
        state, tick = context.state, context.tick
        if tick is None or "sigma" not in state or "laid" not in state:
            return True
        share = self._bounds(context, tick.middle).share(context.position.size)
        now, then = (self.quotes_at(BP, share, _number(state[name])) for name in ("sigma", "laid"))
        return max(abs(new - old) for new, old in zip(now, then, strict=True)) >= self.recentre

    def _pause(self, context: Context, tick: Tick) -> str:
        """Why only reducing orders are quoted now; empty when nothing is wrong."""
        state = context.state
        sigma, usual, trend, close = (_number(state[name]) for name in ("sigma", "usual", "trend", "close"))
        ease = RESUME if state.get("paused") else Decimal(1)
        times = sigma / usual
        if times >= self.pause_volatility * ease:
            return f"Volatility is {times:.1f} times usual; quoting resumes below {self.pause_volatility * RESUME:.1f}."
        jump = abs(tick.middle / close - 1) * BP / usual
        if jump >= JUMP * self.pause_volatility * ease:
            return f"The price jumped {jump:.1f} standard deviations within a candle."
        if abs(trend) >= self.pause_trend * ease:
            return (
                f"The trend is {trend:.1f} deviations; quoting resumes below {self.pause_trend * RESUME:.1f}."
            )
        return ""

    def quotes_at(self, middle: Decimal, share: Decimal, sigma: Decimal) -> tuple[Decimal, Decimal]:
        """Innermost bid and ask for an inventory share and a volatility of one candle in bp."""
        minutes = Decimal(INTERVALS[self.interval]) / 60_000
        variance = sigma * sigma * self.horizon / minutes
        away = reservation(ZERO, share, self.risk, variance)
        half = max(best_spread(self.risk, variance, self.decay), self.spread) / 2
        return middle * (1 + (away - half) / BP), middle * (1 + (away + half) / BP)

    def _bounds(self, context: Context, middle: Decimal) -> Bounds:
        """Set once from the first price, so that a falling price does not make the bot buy more."""
        largest = context.state.get("largest")
        if largest is None or context.state.get("largest_for") != self._basis(context.terms):
            largest = context.terms.size_down(context.terms.power * self.inventory / 100 / middle)
            context.state.update(largest=largest, largest_for=self._basis(context.terms))
        most = _number(largest)
        return Bounds(
            ZERO if self.direction == "long" else -most, ZERO if self.direction == "short" else most
        )

    def _basis(self, terms: Terms) -> str:
        return f"{terms.power} {self.inventory}"

    def _grid(self, context: Context, tick: Tick, *, reducing: bool) -> list[Level]:
        bounds = self._bounds(context, tick.middle)
        held = context.position.size
        share = bounds.share(held)
        bid, ask = self.quotes_at(tick.middle, share, _number(context.state["sigma"]))
        each = bounds.most if self.direction != "short" else -bounds.least
        each /= self.levels
        lean = share * self.skew / 100
        buys = _Side("buy", min(bid, tick.bid), each * (1 - lean), max(bounds.most - held, ZERO))
        sells = _Side("sell", max(ask, tick.ask), each * (1 + lean), max(held - bounds.least, ZERO))
        if reducing:
            buys = _Side("buy", buys.price, each, max(-held, ZERO))
            sells = _Side("sell", sells.price, each, max(held, ZERO))
        distance = tick.middle * self.step / BP
        return [*self._ladder(context, buys, distance), *self._ladder(context, sells, distance)]

    def _ladder(self, context: Context, side: "_Side", distance: Decimal) -> Iterator[Level]:
        """Levels from the inside out until the room or the budget is used up."""
        terms, room, last = context.terms, side.room, ZERO
        cost, held = context.position.cost, context.position.size
        sign = 1 if side.side == "buy" else -1
        free = max(-held * sign, ZERO)  # what only reduces the position costs nothing
        money = context.power - max(cost * sign, ZERO)
        for n in range(self.levels):
            wanted = side.price - sign * n * distance
            price = terms.price_down(wanted) if side.side == "buy" else terms.price_up(wanted)
            if price <= 0 or price == last:
                continue
            size = terms.size_down(min(side.each, room, free + max(money, ZERO) / price))
            if not terms.tradable(price, size):
                continue
            money -= max(size - free, ZERO) * price
            free = max(free - size, ZERO)
            room, last = room - size, price
            yield Level(f"{side.side[0]}{n}", side.side, price, size)


@dataclass(frozen=True, slots=True)
class _Side:
    """Innermost price, size of each level, and how much may be placed at most."""

    side: Side
    price: Decimal
    each: Decimal
    room: Decimal


def _number(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value
