"""Rebalancer strategy: keeps a fixed share of the bot's equity in the instrument.

See `docs/strategies/rebalancer.md`.
"""

from decimal import Decimal

from bots.sdk import Context, Level, Number, Strategy, Terms, Tick

ZERO = Decimal(0)
TRADE = "trade"


def difference(value: Decimal, equity: Decimal, weight: Decimal) -> Decimal:
    """Amount to buy (above zero) or sell, in quote units, so that `value` becomes `weight` of `equity`."""
    return equity * weight - value


class Rebalancer(Strategy):
    """Trades back to the target weight when the share is outside the band."""

    title = "Rebalancer"
    summary = "Keeps a fixed share of its equity in the instrument: sells after a rise, buys after a fall."

    weight = Number(
        "Share in the instrument", unit="% of the bot's worth", minimum="1", maximum="100", default="50"
    )
    band = Number(
        "Trade when the share is off by",
        unit="% of the bot's worth",
        minimum="0.1",
        maximum="50",
        default="2",
    )
    pause = Number("Look every", unit="minutes", minimum="0", maximum="10080", default="60")
    most = Number("Largest trade", unit="% of the bot's worth", minimum="0.1", maximum="100", default="25")
    slip = Number("Worst price", unit="% from the best", minimum="0.01", maximum="5", default="0.2")

    def validate(self, terms: Terms) -> dict[str, str]:
        min_notional = terms.instrument.rules.min_notional
        smallest = terms.budget * min(self.band, self.most) / 100
        if smallest < min_notional:
            return {
                "band": f"The smallest trade would be {smallest:.2f}; the minimum order value is {min_notional:f}."
            }
        return {}

    def on_start(self, context: Context) -> None:
        context.state.setdefault("next", 0)

    def on_tick(self, context: Context, tick: Tick) -> None:
        if TRADE in context.orders:
            return
        equity = context.terms.budget + context.position.pnl(tick.mid)
        value = context.position.size * tick.mid
        if equity <= 0:
            context.idle("The bot's equity is used up.")
            return
        share = 100 * value / equity
        wait = int(str(context.state["next"])) - context.now
        gap = difference(value, equity, self.weight / 100)
        if abs(gap) * 100 < self.band * equity:
            context.idle(f"The share is {share:.2f} %, within {self.band:f} % of {self.weight:f} %.")
        elif wait > 0:
            context.idle(f"The share is {share:.2f} %; the next check is in {-(-wait // 60_000)} min.")
        else:
            self._trade(context, tick, gap, equity)

    def _trade(self, context: Context, tick: Tick, gap: Decimal, equity: Decimal) -> None:
        terms = context.terms
        amount = min(abs(gap), equity * self.most / 100)
        if gap > 0:
            price = terms.round_price_down(tick.ask * (1 + self.slip / 100))
            room = (context.buying_power - context.position.cost) / price if price else ZERO
            level = Level(TRADE, "buy", price, terms.round_size_down(min(amount / tick.ask, room)), "ioc")
        else:
            price = terms.round_price_up(tick.bid * (1 - self.slip / 100))
            size = terms.round_size_down(min(amount / tick.bid, context.position.size))
            level = Level(TRADE, "sell", price, size, "ioc", reduce_only=terms.can_reduce_only)
        if not terms.is_tradable(level.price, level.size):
            context.idle(f"A trade of {amount:.2f} is below the minimum order size, or beyond the budget.")
            return
        context.state["next"] = context.now + int(self.pause * 60_000)
        context.set_orders([level])
