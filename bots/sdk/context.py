"""What a strategy sees while one callback runs, and the words in which it answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bots.sdk.events import OrderState, Tick
from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Intent, Level, Place, Quotes
from bots.sdk.json_codec import Plain
from bots.sdk.rng import Dice
from market.domain.events import Candle
from market.domain.instruments import Instrument

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fees:
    """Shares of the notional: 0.0002 is two basis points. Below zero the venue pays."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bot is given: an instrument, a budget in quote units, and on which terms.

    The bot's position at cost and its orders, all filled, never come to more than `power`.
    """

    instrument: Instrument
    budget: Decimal
    leverage: int = 1
    fees: Fees = Fees()

    @property
    def power(self) -> Decimal:
        """The most that may be bought or sold short, in quote units."""
        return self.budget * self.leverage

    def price_down(self, price: Decimal) -> Decimal:
        """The valid price at or below; zero when there is none."""
        return self.instrument.rules.round_price(price, "down") if price > 0 else ZERO

    def price_up(self, price: Decimal) -> Decimal:
        """The valid price at or above a price that is positive."""
        return self.instrument.rules.round_price(price, "up")

    def size_down(self, size: Decimal) -> Decimal:
        """The valid size at or below; zero when there is none."""
        return self.instrument.rules.round_size(size, "down") if size > 0 else ZERO

    def tradable(self, price: Decimal, size: Decimal) -> bool:
        """False for orders that are too small for the venue."""
        return price > 0 and size > 0 and price * size >= self.instrument.rules.min_notional


@dataclass(frozen=True, slots=True)
class Position:
    """What this bot holds, whatever else is in the wallet. `size` below zero is short.

    `cost` is the signed price paid for what is held, so that profit is `size × price − cost`.
    Realised profit is before fees; fees and funding are in quote units, funding above zero was received.
    """

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        """The average price paid; zero when nothing is held."""
        return self.cost / self.size if self.size else ZERO

    def power(self, terms: Terms) -> Decimal:
        """`Context.power` of this position."""
        lost = min(ZERO, self.realised - self.fees + self.funding)
        return max(ZERO, terms.budget + lost) * terms.leverage

    def profit(self, price: Decimal) -> Decimal:
        """Everything gained since the beginning if the position were closed at `price`, without that fee."""
        return self.realised + self.size * price - self.cost - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """A live order of this bot. `size` as it was placed, `left` what is still to be filled."""

    level: Level
    left: Decimal
    state: OrderState


@dataclass(slots=True)
class Context:
    """One callback's view. Read it, change `state`, and say what you want; nothing else has any effect.

    `now` is our clock in ms. `orders` are the bot's own live orders by level id. `candles` are closed
    ones, oldest first. `state` is plain data that is kept for ever; whatever else a strategy remembers
    is forgotten after the callback. While the bot is `closing`, no wish for an order is heard.
    """

    now: int
    terms: Terms
    position: Position
    orders: Mapping[str, OwnOrder]
    tick: Tick | None
    candles: Sequence[Candle]
    dice: Dice
    state: dict[str, Plain]
    intents: list[Intent]
    closing: bool = False

    @property
    def instrument(self) -> Instrument:
        return self.terms.instrument

    @property
    def power(self) -> Decimal:
        """What may be at work now, in quote units: losses make it smaller, profits do not make it larger."""
        return self.position.power(self.terms)

    def quotes(self, levels: Iterable[Level]) -> None:
        """These and no other orders should stand."""
        self.intents.append(Quotes(tuple(levels)))

    def place(self, level: Level) -> None:
        """One order more, or instead of the one under the same level id."""
        self.intents.append(Place(level))

    def cancel(self, level_id: str) -> None:
        """No order should stand under this level id."""
        self.intents.append(Cancel(level_id))

    def cancel_all(self) -> None:
        """No order of this bot should stand."""
        self.intents.append(CancelAll())

    def close(self) -> None:
        """Cancel the bot's orders and trade its own position away."""
        self.intents.append(Close())

    def idle(self, reason: str) -> None:
        """Say why nothing (more) is done now. Say it again whenever it is checked: its age is shown."""
        self.intents.append(Idle(reason))
