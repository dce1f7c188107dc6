"""What an order is judged by: a wallet, its limits, what it holds and what already waits."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market.domain.events import Side
from market.domain.orders import Pot
from wallets.domain import position as positions
from wallets.domain.denials import Denial
from wallets.domain.requests import OrderRequest
from wallets.domain.status import TradingState

ZERO = Decimal(0)
# What the venue starts every account with. A wrong guess is its rejection, never a loss.
USUAL_LEVERAGE = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a wallet, the house's where it has none of its own. Notionals in quote units."""

    order: Decimal
    day: Decimal
    position: Decimal
    leverage: int
    band_percent: Decimal
    per_minute: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """One perpetual of the wallet: what is held, and what its open orders could add on either side."""

    size: Decimal = ZERO
    cost: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    leverage: int = USUAL_LEVERAGE
    mark: Decimal | None = None

    @property
    def price(self) -> Decimal:
        """The mark, else what was paid."""
        return self.mark or (self.cost / self.size if self.size else ZERO)

    @property
    def profit(self) -> Decimal:
        """Of what is held, not realised."""
        return positions.unrealised(self.size, self.cost, self.price)

    @property
    def margin(self) -> Decimal:
        """What holding it ties up."""
        return abs(self.size) * self.price / self.leverage

    @property
    def worst(self) -> Decimal:
        """Notional if all orders of the worse side were filled."""
        return max(abs(self.size + self.buys), abs(self.size - self.sells)) * self.price


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that an order is judged by. `own` is its instrument (for spot `size` is the coins held).

    `waiting` is the remainder of live orders of its side; `free` the asset that it would reserve;
    `mark_age` is in ms, None when there is no mark.
    """

    state: TradingState
    wallet_status: str
    limits: Limits
    own: Exposure
    others: tuple[Exposure, ...]
    available: dict[tuple[Pot, str], Decimal]
    cash: Decimal  # of the perp pot, reserved included
    bid: Decimal | None
    ask: Decimal | None
    mark_age: int | None
    orders_minute: int
    open_orders: int
    day_notional: Decimal
    freed: Decimal = ZERO  # reserved by the order that this one replaces


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back for one order."""

    pot: Pot
    asset: str
    amount: Decimal


def free(situation: Situation, pot: Pot, asset: str) -> Decimal:
    """What may be reserved. Perpetuals: cash and open profit, less margin and what is reserved already."""
    available = situation.available.get((pot, asset), ZERO) + situation.freed
    if pot == "spot":
        return available
    held = [exposure for exposure in (situation.own, *situation.others) if exposure.size]
    return available + sum((one.profit - one.margin for one in held), ZERO)


def without(now: Situation, side: Side, left: Decimal, price: Decimal, reserved: Decimal) -> Situation:
    """The situation as if an order of `side`, of which `left` is open, did not stand there."""
    own = now.own
    own = replace(own, buys=own.buys - left) if side == "buy" else replace(own, sells=own.sells - left)
    return replace(
        now,
        own=own,
        freed=reserved,
        open_orders=now.open_orders - 1,
        day_notional=max(ZERO, now.day_notional - left * price),
    )


def beside(now: Situation, request: OrderRequest, price: Decimal, held: Held) -> Situation:
    """The situation once this order waits as well, at `price` at the worst."""
    own = now.own
    own = (
        replace(own, buys=own.buys + request.size)
        if request.side == "buy"
        else replace(own, sells=own.sells + request.size)
    )
    key = held.pot, held.asset
    return replace(
        now,
        own=own,
        available={**now.available, key: now.available.get(key, ZERO) - held.amount},
        orders_minute=now.orders_minute + 1,
        open_orders=now.open_orders + 1,
        day_notional=now.day_notional + (ZERO if request.reduce_only else request.size * price),
    )


def after_denial(now: Situation, denial: Denial) -> Situation:
    """What was denied counts towards the rate; not for being too fast, which would never end."""
    return now if denial is Denial.RATE else replace(now, orders_minute=now.orders_minute + 1)


def usual_leverage(most: int | None) -> int:
    """What an instrument has at the venue that allows `most` while nobody chose."""
    return min(USUAL_LEVERAGE, most or USUAL_LEVERAGE)
