"""Keeping a share of the money in the instrument. `docs/strategies/rebalancer.md`."""

from decimal import Decimal

from bots.sdk import Context, Level, Number, Strategy, Terms, Tick

ZERO = Decimal(0)
TRADE = "trade"


def difference(value: Decimal, equity: Decimal, weight: Decimal) -> Decimal:
    """What must be bought (above zero) or sold, in quote units, for `value` to be `weight` of `equity`."""
    return equity * weight - value


class Rebalancer(Strategy):
    title = "Rebalancer"
    summary = "Keeps a share of its money in the instrument: sells what rose, buys what fell."

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

    def problems(self, terms: Terms) -> dict[str, str]:
        least = terms.instrument.rules.min_notional
        smallest = terms.budget * min(self.band, self.most) / 100
        if smallest < least:
            return {"band": f"The smallest trade would be {smallest:.2f}; the venue takes {least:f} or more."}
        return {}

    def on_start(self, context: Context) -> None:
        context.state.setdefault("next", 0)

    def on_tick(self, context: Context, tick: Tick) -> None:
        if TRADE in context.orders:
            return
        equity = context.terms.budget + context.position.profit(tick.middle)
        value = context.position.size * tick.middle
        if equity <= 0:
            context.idle("Nothing is left to be shared.")
            return
        share = 100 * value / equity
        wait = int(str(context.state["next"])) - context.now
        missing = difference(value, equity, self.weight / 100)
        if abs(missing) * 100 < self.band * equity:
            context.idle(f"The share is {share:.2f} %, within {self.band:f} % of {self.weight:f} %.")
        elif wait > 0:
            context.idle(f"The share is {share:.2f} %; it is looked at again in {-(-wait // 60_000)} min.")
        else:
            self._trade(context, tick, missing, equity)

    def _trade(self, context: Context, tick: Tick, missing: Decimal, equity: Decimal) -> None:
        terms = context.terms
        amount = min(abs(missing), equity * self.most / 100)
        if missing > 0:
            price = terms.price_down(tick.ask * (1 + self.slip / 100))
            room = (context.power - context.position.cost) / price if price else ZERO
            level = Level(TRADE, "buy", price, terms.size_down(min(amount / tick.ask, room)), "ioc")
        else:
            price = terms.price_up(tick.bid * (1 - self.slip / 100))
            size = terms.size_down(min(amount / tick.bid, context.position.size))
            level = Level(TRADE, "sell", price, size, "ioc")
        if not terms.tradable(level.price, level.size):
            context.idle(f"The difference of {amount:.2f} is too little for the venue, or beyond the budget.")
            return
        context.state["next"] = context.now + int(self.pause * 60_000)
        context.quotes([level])
