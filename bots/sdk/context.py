"""Context of a strategy callback: market, position and orders to read, and methods that add intents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bots.sdk.events import OrderState, Tick
from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Intent, Level, Place, SetOrders
from bots.sdk.json_codec import JsonValue
from bots.sdk.rng import SeededRandom
from market.domain.events import Candle
from market.domain.instruments import Instrument

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fees:
    """Fee rates as fractions of the notional: 0.0002 is two basis points. Below zero: a rebate."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a bot: instrument, budget in quote units, leverage and fees.

    The bot's position at cost plus its open orders, if all filled, never exceed `buying_power`.
    """

    instrument: Instrument
    budget: Decimal
    leverage: int = 1
    fees: Fees = Fees()

    @property
    def buying_power(self) -> Decimal:
        """Maximum exposure, long or short, in quote units."""
        return self.budget * self.leverage

    @property
    def can_reduce_only(self) -> bool:
        """Whether the venue has reduce-only orders for the instrument; spot sells can only reduce anyway."""
        return self.instrument.kind == "perp"

    def round_price_down(self, price: Decimal) -> Decimal:
        """The valid price at or below; zero when there is none."""
        return self.instrument.rules.round_price(price, "down") if price > 0 else ZERO

    def round_price_up(self, price: Decimal) -> Decimal:
        """The valid price at or above a price that is positive."""
        return self.instrument.rules.round_price(price, "up")

    def round_size_down(self, size: Decimal) -> Decimal:
        """The valid size at or below; zero when there is none."""
        return self.instrument.rules.fit_size(size)

    def is_tradable(self, price: Decimal, size: Decimal) -> bool:
        """Whether the order reaches the venue's minimum size and notional."""
        rules = self.instrument.rules
        if price <= 0 or size <= 0 or size < rules.min_size:
            return False
        return rules.notional(price, size) >= rules.min_notional


@dataclass(frozen=True, slots=True)
class Position:
    """The bot's own position, independent of the rest of the wallet. `size` below zero is short.

    `cost` is the signed cost of the position, so that the unrealised PnL is `size × price − cost`. The
    realised PnL is before fees. Fees and funding are in quote units; funding above zero was received.
    """

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average entry price; zero without a position."""
        return self.cost / self.size if self.size else ZERO

    def buying_power(self, terms: Terms) -> Decimal:
        """`Context.buying_power` of this position."""
        losses = min(ZERO, self.realised_pnl - self.fees + self.funding)
        return max(ZERO, terms.budget + losses) * terms.leverage

    def pnl(self, price: Decimal) -> Decimal:
        """Total PnL if the position were closed at `price`, without the fee of that close."""
        return self.realised_pnl + self.size * price - self.cost - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A live order of this bot: its level as placed, and the `remaining` (unfilled) size."""

    level: Level
    remaining: Decimal
    state: OrderState


@dataclass(slots=True)
class Context:
    """Context of one callback. Only changes of `state` and the intent methods have an effect.

    `now` is the local clock in ms. `orders` are the bot's own live orders by level id. `candles` are closed
    candles, oldest first. `state` holds JSON-compatible data and is stored; attributes of the strategy
    instance are lost after the callback. While `is_closing`, intents to place orders are ignored.
    """

    now: int
    terms: Terms
    position: Position
    orders: Mapping[str, OpenOrder]
    tick: Tick | None
    candles: Sequence[Candle]
    rng: SeededRandom
    state: dict[str, JsonValue]
    intents: list[Intent]
    is_closing: bool = False

    @property
    def instrument(self) -> Instrument:
        """The bot's instrument."""
        return self.terms.instrument

    @property
    def buying_power(self) -> Decimal:
        """Current buying power in quote units: losses reduce it, profits do not increase it."""
        return self.position.buying_power(self.terms)

    def set_orders(self, levels: Iterable[Level]) -> None:
        """Set the complete target: these orders and no others should be open."""
        self.intents.append(SetOrders(tuple(levels)))

    def place(self, level: Level) -> None:
        """Add an order, or replace the one with the same level id."""
        self.intents.append(Place(level))

    def cancel(self, level_id: str) -> None:
        """Cancel the order with this level id."""
        self.intents.append(Cancel(level_id))

    def cancel_all(self) -> None:
        """Cancel all orders of this bot."""
        self.intents.append(CancelAll())

    def close(self) -> None:
        """Cancel the bot's orders and close its own position."""
        self.intents.append(Close())

    def idle(self, reason: str) -> None:
        """Set the reason why the bot does nothing (more) now. Set it at every check: its age is shown."""
        self.intents.append(Idle(reason))
