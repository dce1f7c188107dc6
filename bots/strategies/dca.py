"""DCA strategy: averages into a position with safety orders and takes profit. `docs/strategies/dca.md`."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bots.sdk import (
    Choice,
    Context,
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
)

ZERO = Decimal(0)
BASE = "base"
PROFIT = "profit"
SLIPPAGE = Decimal("0.005")  # maximum slippage of the base order, from the best price
REORDER_DELAY = 10_000  # ms until an unfilled base order is placed again


def deviations(first: Decimal, scale: Decimal, count: int) -> list[Decimal]:
    """Distances of the safety orders from the entry: each step is `scale` times the one before."""
    found, step, total = [], first, ZERO
    for _ in range(count):
        total += step
        found.append(total)
        step *= scale
    return found


class DCA(Strategy):
    """Deals of a base order, safety orders and a take-profit order."""

    title = "DCA"
    summary = "Buys, buys more on the way down at set distances, and sells all of it at a profit."

    direction = Choice(
        "Direction", {"long": "Long", "short": "Short"}, default="long", help="Spot can only be long."
    )
    base = Number("Base order", unit="quote", minimum="1", maximum="100000000", default="100")
    safety = Number("First safety order", unit="quote", minimum="1", maximum="100000000", default="100")
    count = Integer("Safety orders", minimum=0, maximum=30, default=5)
    deviation = Number("First step", unit="%", minimum="0.05", maximum="50", default="1.5")
    step_scale = Number(
        "Each further step is", unit="times the last", minimum="0.5", maximum="5", default="1.2"
    )
    size_scale = Number(
        "Each further order is", unit="times the last", minimum="0.5", maximum="5", default="1.5"
    )
    take_profit = Number(
        "Take profit", unit="% of the average price", minimum="0.05", maximum="100", default="1"
    )
    stop_loss = OptionalNumber(
        "Close and end at", unit="% from the average price", minimum="0.1", maximum="99"
    )
    cooldown = Number("Wait between deals", unit="minutes", minimum="0", maximum="10080", default="1")

    def validate(self, terms: Terms) -> dict[str, str]:
        found = {}
        if terms.instrument.kind == "spot" and self.direction != "long":
            found["direction"] = "Spot can only be long: short selling is not possible."
        steps = deviations(self.deviation, self.step_scale, self.count)
        if steps and steps[-1] >= 100:
            found["count"] = f"The last safety order would be {steps[-1]:.1f} % away."
        total = self.base + sum(self._amounts(), ZERO)
        if total * (1 + SLIPPAGE) > terms.buying_power:
            found["safety"] = (
                f"All orders together cost {total:.2f}; the budget allows {terms.buying_power:.2f}."
            )
        if min([self.base, *self._amounts()]) < terms.instrument.rules.min_notional:
            found["base"] = f"The minimum order value is {terms.instrument.rules.min_notional:f}."
        if self.take_profit <= 200 * terms.fees.maker:
            found["take_profit"] = "This does not cover the fees."
        return found

    def _amounts(self) -> list[Decimal]:
        """Quote amounts of the safety orders."""
        return [self.safety * self.size_scale**n for n in range(self.count)]

    # --- callbacks ---------------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state.setdefault("phase", "waiting")
        context.state.setdefault("until", 0)
        context.state["stale"] = True
        if context.tick:
            self.on_tick(context, context.tick)

    def on_fill(self, context: Context, fill: Fill) -> None:
        state: dict[str, Any] = context.state
        state["stale"] = True
        if fill.level_id == BASE:
            state.update(phase="open", entry=context.position.entry_price, got={})
        elif fill.level_id.startswith("s") and "got" in state:
            state["got"][fill.level_id] = state["got"].get(fill.level_id, ZERO) + fill.size
        if context.tick:
            self.on_tick(context, context.tick)

    def on_order(self, context: Context, update: OrderUpdate) -> None:
        context.state["stale"] = True
        ended = update.state in ("cancelled", "rejected")
        if update.level_id == BASE and ended and context.state["phase"] == "entering":
            context.state.update(phase="waiting", until=context.now + REORDER_DELAY)

    def on_tick(self, context: Context, tick: Tick) -> None:
        state = context.state
        if self._has_ended(context, tick):
            return
        if state["phase"] == "open" and not self._held(context):
            state.update(phase="waiting", until=context.now + int(self.cooldown * 60_000), stale=True)
        if state["phase"] == "waiting":
            self._begin(context, tick)
        elif state["phase"] == "open" and state["stale"]:
            state["stale"] = False
            context.set_orders(self._levels(context, tick))

    # --- decisions ---------------------------------------------------------------------------------
    @property
    def _sign(self) -> int:
        return 1 if self.direction == "long" else -1

    @property
    def _sides(self) -> tuple[Side, Side]:
        """The sides of opening and closing orders."""
        return ("buy", "sell") if self.direction == "long" else ("sell", "buy")

    def _held(self, context: Context) -> Decimal:
        """The size that can be closed; zero for dust below the minimum order size."""
        size = context.terms.round_size_down(abs(context.position.size))
        price = context.tick.mid if context.tick else ZERO
        perp = context.instrument.kind == "perp"
        return size if perp or context.terms.is_tradable(price, size) else ZERO

    def _has_ended(self, context: Context, tick: Tick) -> bool:
        average, limit = context.position.entry_price, self.stop_loss
        if "ended" not in context.state and limit is not None and self._held(context):
            loss = (average - tick.mid) / average * 100 * self._sign
            if loss >= limit:
                context.state["ended"] = (
                    f"The price is {loss:.2f} % from the average; the limit is {limit:f} %."
                )
                context.close()
        if "ended" in context.state:
            context.idle(str(context.state["ended"]))
        return "ended" in context.state

    def _begin(self, context: Context, tick: Tick) -> None:
        wait = int(str(context.state["until"])) - context.now
        if wait > 0:
            context.set_orders([])
            context.idle(f"The next deal begins in {-(-wait // 1000)} s.")
            return
        terms, side = context.terms, self._sides[0]
        price = (
            terms.round_price_down(tick.ask * (1 + SLIPPAGE))
            if side == "buy"
            else terms.round_price_up(tick.bid * (1 - SLIPPAGE))
        )
        size = terms.round_size_down(self.base / tick.mid)
        if not terms.is_tradable(price, size):
            context.idle(f"A base order of {self.base:f} at {tick.mid:f} is below the minimum order size.")
            return
        context.state["phase"] = "entering"
        context.set_orders([Level(BASE, side, price, size, "ioc")])

    def _levels(self, context: Context, tick: Tick) -> Iterator[Level]:
        """Target orders: base order, take profit, then the safety orders, nearest first."""
        terms, opening, closing = context.terms, *self._sides
        if BASE in context.orders:
            yield context.orders[BASE].level
        target = context.position.entry_price * (1 + self._sign * self.take_profit / 100)
        price = terms.round_price_up(target) if closing == "sell" else terms.round_price_down(target)
        if size := self._held(context):
            yield Level(PROFIT, closing, price, size, "gtc", reduce_only=terms.can_reduce_only)
        entry, filled = context.state["entry"], context.state["got"]
        assert isinstance(entry, Decimal)
        assert isinstance(filled, dict)
        steps = deviations(self.deviation, self.step_scale, self.count)
        for n, (distance, amount) in enumerate(zip(steps, self._amounts(), strict=True), 1):
            unrounded = entry * (1 - self._sign * distance / 100)
            at = terms.round_price_down(unrounded) if opening == "buy" else terms.round_price_up(unrounded)
            size = terms.round_size_down(amount / at) - filled.get(f"s{n}", ZERO) if at else ZERO
            resting = f"s{n}" in context.orders
            ahead = at < tick.ask if opening == "buy" else at > tick.bid
            if size > 0 and (resting or (ahead and terms.is_tradable(at, size))):
                yield Level(f"s{n}", opening, at, size)
