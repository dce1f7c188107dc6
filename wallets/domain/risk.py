"""Risk check: approves or denies an order request. Pure; every denial carries its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from core.formatting import plain
from market.domain.instruments import Instrument
from market.domain.orders import TRIGGERED, AccountType, account_type_of
from wallets.domain import position as positions
from wallets.domain.denials import Denial
from wallets.domain.ledger import exact
from wallets.domain.pricing import worst_price
from wallets.domain.requests import OrderRequest
from wallets.domain.risk_context import RiskContext, available_balance
from wallets.domain.status import TradingState

ZERO = Decimal(0)
STALE_AFTER_MS = 10_000
MAX_OPEN_ORDERS = 1_000


@dataclass(frozen=True, slots=True)
class Approved:
    """Approval: `reserve` of `asset` in `account_type` is reserved until the order ends; `price` is the worst."""

    price: Decimal
    reserve: Decimal
    account_type: AccountType
    asset: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Denial with its message. `price` is the worst price where there is one."""

    denial: Denial
    message: str
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RiskCheck:
    """A request in its risk context, with derived values."""

    request: OrderRequest
    instrument: Instrument
    now: RiskContext
    price: Decimal | None
    closable: Decimal

    @property
    def account_type(self) -> AccountType:
        """The account type that pays for the order."""
        return account_type_of(self.now.margin_model, self.instrument.kind)

    @property
    def perp(self) -> bool:
        return self.instrument.kind == "perp"

    @property
    def opens(self) -> Decimal:
        """The part of the size that adds to a position."""
        if self.request.reduce_only:
            return ZERO
        return max(ZERO, self.request.size - self.closable) if self.perp else self.request.size

    @property
    def exits(self) -> bool:
        """The order can only reduce what is held."""
        return self.opens == 0 if self.perp else self.request.side == "sell"

    @property
    def mark(self) -> Decimal | None:
        """The mark price, only while it is fresh."""
        age = self.now.mark_age
        return self.now.exposure.mark if age is not None and age <= STALE_AFTER_MS else None

    @property
    def notional(self) -> Decimal:
        return self.instrument.rules.notional(self.price or ZERO, self.request.size)


Rule = Callable[[RiskCheck], Denied | None]


def check(request: OrderRequest, instrument: Instrument, context: RiskContext) -> Approved | Denied:
    """The first denial of `RULES`, in their order, else the approval."""
    case = risk_check_of(request, instrument, context)
    for rule in RULES:
        if denied := rule(case):
            return denied
    assert case.price is not None, "price_rule denies orders without a price"
    account_type, asset, amount = reservation(case)
    return Approved(case.price, amount, account_type, asset)


def risk_check_of(request: OrderRequest, instrument: Instrument, context: RiskContext) -> RiskCheck:
    own = context.exposure
    waiting = own.buys if request.side == "buy" else own.sells
    band = context.limits.band_percent
    price = worst_price(request, instrument.rules, bid=context.bid, ask=context.ask, band_percent=band)
    closable = positions.reducible_size(request.side, own.size, waiting)
    return RiskCheck(request, instrument, context, price, closable)


def reservation(case: RiskCheck) -> tuple[AccountType, str, Decimal]:
    """What the order could cost at its worst price: (account_type, asset, amount)."""
    assert case.price is not None
    size, quote = case.request.size, case.instrument.quote
    if case.perp:
        value = case.opens * case.price
        return case.account_type, quote, _up(value / case.now.exposure.leverage + value * case.now.taker_fee)
    if case.request.side == "buy":
        return case.account_type, quote, _up(size * case.price)
    return case.account_type, case.instrument.base, exact(size)


def fee_estimate(case: RiskCheck) -> Decimal:
    """The taker fee at the worst price, in quote units."""
    return _up(case.notional * case.now.taker_fee)


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-8"), rounding=ROUND_UP)


# --- the rules ----------------------------------------------------------------------------------------
def _denied(case: RiskCheck, denial: Denial, **numbers: Any) -> Denied:
    texts = {name: plain(value) if isinstance(value, Decimal) else value for name, value in numbers.items()}
    return Denied(denial, denial.message(**texts), case.price)


def state_rule(case: RiskCheck) -> Denied | None:
    if case.now.wallet_status != "active":
        return _denied(case, Denial.WALLET_INACTIVE, status=case.now.wallet_status.replace("_", " "))
    if case.now.state is TradingState.HALTED:
        return _denied(case, Denial.HALTED)
    if case.now.state is TradingState.REDUCING and not case.exits:
        return _denied(case, Denial.REDUCING, closable=case.closable, base=case.instrument.base)
    return None


def instrument_rule(case: RiskCheck) -> Denied | None:
    symbol = case.instrument.symbol
    if not case.instrument.trading:
        return _denied(case, Denial.INSTRUMENT_NOT_TRADING, symbol=symbol)
    if case.perp or not (case.request.reduce_only or case.request.kind in TRIGGERED):
        return None
    what = "Reduce-only" if case.request.reduce_only else "A trigger price"
    return _denied(case, Denial.SPOT_RULES, what=what, symbol=symbol)


def step_rule(case: RiskCheck) -> Denied | None:
    rules = case.instrument.rules
    for price in (case.request.price, case.request.trigger_price):
        if price is not None and not rules.price_is_valid(price):
            beside = {"below": rules.round_price(price, "down"), "above": rules.round_price(price, "up")}
            return _denied(case, Denial.PRICE_TICK, price=price, symbol=case.instrument.symbol, **beside)
    size, base = case.request.size, case.instrument.base
    if rules.round_size(size) != size:
        return _denied(case, Denial.SIZE_STEP, size=size, base=base, step=rules.size_step)
    if size < rules.min_size and not case.request.reduce_only:
        return _denied(case, Denial.MIN_SIZE, size=size, base=base, least=rules.min_size)
    if rules.max_size is not None and size > rules.max_size:
        return _denied(case, Denial.MAX_SIZE, size=size, base=base, most=rules.max_size)
    return None


def reduce_rule(case: RiskCheck) -> Denied | None:
    request, position = case.request, case.now.exposure.size
    if not case.perp:
        return None
    if request.kind in TRIGGERED and not request.reduce_only:
        return _denied(case, Denial.TRIGGER_NOT_REDUCING, symbol=case.instrument.symbol)
    if request.reduce_only and (position >= 0 if request.side == "buy" else position <= 0):
        return _denied(case, Denial.NOTHING_TO_REDUCE, symbol=case.instrument.symbol, side=request.side)
    return None


def price_rule(case: RiskCheck) -> Denied | None:
    """No order opens anything blindly, and none goes out without a price."""
    if case.price is not None and (case.mark is not None or case.exits):
        return None
    return _denied(case, Denial.STALE_PRICE, symbol=case.instrument.symbol, limit=STALE_AFTER_MS // 1000)


def trigger_rule(case: RiskCheck) -> Denied | None:
    request, mark = case.request, case.mark
    if request.trigger_price is None or mark is None:
        return None
    stop = request.kind.startswith("stop")
    above = stop == (request.side == "buy")
    if request.trigger_price > mark if above else request.trigger_price < mark:
        return None
    side = "above" if above else "below"
    return _denied(case, Denial.TRIGGER_SIDE, trigger=request.trigger_price, side=side, mark=mark)


def band_rule(case: RiskCheck) -> Denied | None:
    fair = case.request.trigger_price or case.mark
    if fair is None or case.price is None:
        return None
    worse = case.price / fair - 1 if case.request.side == "buy" else 1 - case.price / fair
    percent, band = worse * 100, case.now.limits.band_percent
    if percent <= band:
        return None
    shown = percent.quantize(Decimal("0.01"))
    return _denied(case, Denial.PRICE_BAND, price=case.price, percent=shown, mark=fair, band=band)


def notional_rule(case: RiskCheck) -> Denied | None:
    least, quote = case.instrument.rules.min_notional, case.instrument.quote
    if case.notional < least and not case.request.reduce_only:
        hint = " A reduce-only order closes the position." if case.perp and case.exits else ""
        return _denied(case, Denial.MIN_NOTIONAL, notional=case.notional, quote=quote, least=least, hint=hint)
    return None


def order_rate_rule(case: RiskCheck) -> Denied | None:
    now = case.now
    if now.orders_minute >= now.limits.per_minute:
        return _denied(case, Denial.ORDER_RATE, count=now.orders_minute, limit=now.limits.per_minute)
    if now.open_orders >= MAX_OPEN_ORDERS:
        return _denied(case, Denial.OPEN_ORDERS, count=now.open_orders, limit=MAX_OPEN_ORDERS)
    return None


def size_rule(case: RiskCheck) -> Denied | None:
    if case.exits:
        return None
    limits, quote = case.now.limits, case.instrument.quote
    if case.notional > limits.order:
        return _denied(case, Denial.ORDER_LIMIT, notional=case.notional, quote=quote, limit=limits.order)
    day = case.now.day_notional + case.notional
    if day > limits.daily:
        return _denied(case, Denial.DAILY_LIMIT, notional=day, quote=quote, limit=limits.daily)
    notional = _own_after(case)
    if notional > limits.position:
        return _denied(case, Denial.POSITION_LIMIT, notional=notional, quote=quote, limit=limits.position)
    return None


def leverage_rule(case: RiskCheck) -> Denied | None:
    """Perpetuals only: the total notional if all open orders were filled, over the equity."""
    if case.exits or not case.perp:
        return None
    now = case.now
    equity = now.cash + sum((one.pnl for one in (now.exposure, *now.other_exposures) if one.size), ZERO)
    total = _own_after(case) + sum((one.worst for one in now.other_exposures), ZERO)
    if equity > 0 and total <= equity * now.limits.leverage:
        return None
    if equity <= 0:
        return _denied(
            case,
            Denial.INSUFFICIENT_FUNDS,
            needed=reservation(case)[2],
            asset=case.instrument.quote,
            available=equity,
        )
    shown = (total / equity).quantize(Decimal("0.01"))
    return _denied(case, Denial.LEVERAGE, leverage=shown, equity=equity, limit=now.limits.leverage)


def leverage_tier_rule(case: RiskCheck) -> Denied | None:
    """Perpetuals only: the leverage of the instrument, against the venue's maximum for the position."""
    if case.exits or not case.instrument.leverage_tiers:
        return None
    notional, leverage = _own_after(case), case.now.exposure.leverage
    limit = case.instrument.max_leverage_at(notional)
    if limit is None or leverage <= limit:
        return None
    quote = case.instrument.quote
    return _denied(case, Denial.LEVERAGE_TIER, leverage=leverage, limit=limit, notional=notional, quote=quote)


def _own_after(case: RiskCheck) -> Decimal:
    """The notional of the instrument if this order and all open orders of its side were filled."""
    own = case.now.exposure
    sign = 1 if case.request.side == "buy" else -1
    waiting = own.buys if sign > 0 else own.sells
    price = max(case.price or ZERO, own.price)
    return abs(own.size + sign * (waiting + case.request.size)) * price


def funds_rule(case: RiskCheck) -> Denied | None:
    account_type, asset, needed = reservation(case)
    available = available_balance(case.now, account_type, asset)
    if needed <= max(available, ZERO):
        return None
    return _denied(case, Denial.INSUFFICIENT_FUNDS, needed=needed, asset=asset, available=available)


RULES: tuple[Rule, ...] = (
    state_rule, instrument_rule, step_rule, reduce_rule, price_rule, trigger_rule, band_rule,
    notional_rule, order_rate_rule, size_rule, leverage_rule, leverage_tier_rule, funds_rule,
)  # fmt: skip
