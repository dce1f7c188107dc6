"""Risk context: the inputs of the risk check (wallet state, limits, positions, open orders, prices)."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market.domain.events import Side
from market.domain.orders import AccountType, MarginModel
from wallets.domain import position as positions
from wallets.domain.denials import Denial
from wallets.domain.requests import OrderRequest
from wallets.domain.status import TradingState

ZERO = Decimal(0)
# The venue's initial leverage of every account. A wrong value causes a rejection, never a loss.
DEFAULT_LEVERAGE = 20


@dataclass(frozen=True, slots=True)
class TradingLimits:
    """Trading limits of a wallet, the server's default where it has no own limit. Notionals in quote units."""

    order: Decimal
    daily: Decimal
    position: Decimal
    leverage: int
    band_percent: Decimal
    per_minute: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """One perpetual of the wallet: its position, and the size of open orders on either side."""

    size: Decimal = ZERO
    cost: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    leverage: int = DEFAULT_LEVERAGE
    mark: Decimal | None = None

    @property
    def price(self) -> Decimal:
        """The mark price, else the entry price."""
        return self.mark or (self.cost / self.size if self.size else ZERO)

    @property
    def pnl(self) -> Decimal:
        """Unrealised PnL of the position."""
        return positions.unrealised_pnl(self.size, self.cost, self.price)

    @property
    def margin(self) -> Decimal:
        """Margin of the position."""
        return abs(self.size) * self.price / self.leverage

    @property
    def worst(self) -> Decimal:
        """The notional if all orders of the worse side were filled."""
        return max(abs(self.size + self.buys), abs(self.size - self.sells)) * self.price


@dataclass(frozen=True, slots=True)
class RiskContext:
    """All inputs of the risk check. `exposure` is the order's instrument (spot: `size` is the coins held).

    `other_exposures` are the wallet's other perpetuals; `available` is by account type and asset; `mark_age`
    is in ms, None when there is no mark.
    """

    state: TradingState
    wallet_status: str
    limits: TradingLimits
    exposure: Exposure
    other_exposures: tuple[Exposure, ...]
    available: dict[tuple[AccountType, str], Decimal]
    cash: Decimal  # collateral of perpetuals, reserved included
    bid: Decimal | None
    ask: Decimal | None
    mark_age: int | None
    orders_minute: int
    open_orders: int
    day_notional: Decimal
    taker_fee: Decimal  # of the instrument, as a share of the notional
    margin_model: MarginModel = "split"
    releasable: Decimal = ZERO  # reserved by the order that this one replaces


@dataclass(frozen=True, slots=True)
class Reservation:
    """The amount reserved for one order."""

    account_type: AccountType
    asset: str
    amount: Decimal


def available_balance(context: RiskContext, account_type: AccountType, asset: str) -> Decimal:
    """The amount that can be reserved. Perpetuals: cash and unrealised PnL, less margin and reservations."""
    available = context.available.get((account_type, asset), ZERO) + context.releasable
    if account_type == "spot":  # no position is margined by it
        return available
    open_positions = [exposure for exposure in (context.exposure, *context.other_exposures) if exposure.size]
    return available + sum((one.pnl - one.margin for one in open_positions), ZERO)


def without_order(
    context: RiskContext, side: Side, remaining: Decimal, price: Decimal, reserved: Decimal
) -> RiskContext:
    """The context without an open order of `side` with remaining size `remaining`."""
    own = context.exposure
    own = (
        replace(own, buys=own.buys - remaining)
        if side == "buy"
        else replace(own, sells=own.sells - remaining)
    )
    return replace(
        context,
        exposure=own,
        releasable=reserved,
        open_orders=context.open_orders - 1,
        day_notional=max(ZERO, context.day_notional - remaining * price),
    )


def with_order(
    context: RiskContext, request: OrderRequest, price: Decimal, reservation: Reservation
) -> RiskContext:
    """The context with this order pending as well, at the worst price `price`."""
    own = context.exposure
    own = (
        replace(own, buys=own.buys + request.size)
        if request.side == "buy"
        else replace(own, sells=own.sells + request.size)
    )
    key = reservation.account_type, reservation.asset
    return replace(
        context,
        exposure=own,
        available={**context.available, key: context.available.get(key, ZERO) - reservation.amount},
        orders_minute=context.orders_minute + 1,
        open_orders=context.open_orders + 1,
        day_notional=context.day_notional + (ZERO if request.reduce_only else request.size * price),
    )


def after_denial(context: RiskContext, denial: Denial) -> RiskContext:
    """The context after a denial, which counts towards the order rate; except denials by the rate itself,
    which would never let it fall."""
    return (
        context if denial is Denial.ORDER_RATE else replace(context, orders_minute=context.orders_minute + 1)
    )


def default_leverage(most: int | None) -> int:
    """The venue's initial leverage of an instrument with the maximum leverage `most`."""
    return min(DEFAULT_LEVERAGE, most or DEFAULT_LEVERAGE)
