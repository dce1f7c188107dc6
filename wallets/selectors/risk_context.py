"""Risk context of a wallet: all inputs of the risk check, read in three queries."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict, cast

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from market.domain.instruments import Instrument
from market.domain.orders import AccountType, account_type_of
from market.venues import venue_adapter
from wallets.domain.denials import Denial
from wallets.domain.ledger import LedgerAccount
from wallets.domain.risk_context import Exposure, RiskContext, TradingLimits, default_leverage
from wallets.domain.status import LIVE, TradingState, strictest
from wallets.models import Balance, GlobalTradingControl, Order, Position, UserTradingControl, Wallet
from wallets.selectors.prices import Prices

ZERO = Decimal(0)


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class TradingStates(TypedDict):
        """Annotations of `wallets_with_states`."""

        global_state: str | None
        user_state: str | None

    WalletWithStates = WithAnnotations[Wallet, TradingStates]


def wallets_with_states() -> QuerySet[Any]:
    """Wallets annotated with the global and the user's trading state (None: never set)."""
    global_control = GlobalTradingControl.objects.filter(pk=1).values("trading_state")
    user_control = UserTradingControl.objects.filter(user=OuterRef("user")).values("trading_state")
    return Wallet.objects.annotate(global_state=Subquery(global_control), user_state=Subquery(user_control))


def trading_state(wallet: "WalletWithStates") -> TradingState:
    """The strictest of the wallet's, the user's and the global state, of a row of `wallets_with_states`."""
    states = (wallet.trading_state, wallet.user_state, wallet.global_state)
    return strictest(*(TradingState(state) for state in states if state))


def limits_of(wallet: Wallet) -> TradingLimits:
    """The wallet's own limits, the server's default for each limit that is not set."""

    def limit_or_default(name: str, setting: str) -> Decimal:
        own = getattr(wallet, name)
        return Decimal(getattr(settings, setting) if own is None else own)

    return TradingLimits(
        order=limit_or_default("max_order_notional", "MAX_ORDER_NOTIONAL"),
        daily=limit_or_default("max_daily_notional", "MAX_DAILY_NOTIONAL"),
        position=limit_or_default("max_position_notional", "MAX_POSITION_NOTIONAL"),
        leverage=int(limit_or_default("max_leverage", "MAX_LEVERAGE")),
        band_percent=limit_or_default("price_band_percent", "PRICE_BAND_PERCENT"),
        per_minute=int(limit_or_default("orders_per_minute", "MAX_ORDERS_PER_MINUTE")),
    )


def risk_context_of(
    wallet: "WalletWithStates", instrument: Instrument, prices: Prices, now: datetime
) -> RiskContext:
    """The risk context. `wallet` is a row of `wallets_with_states`; the caller locks it to place orders."""
    adapter = venue_adapter(wallet.venue_id)
    available, cash = _balances(wallet)
    counts = _order_totals(wallet, now)
    exposures = _exposures(wallet, counts, prices)
    mark = prices.mark(instrument.symbol)
    own = exposures.pop(instrument.symbol, None) or Exposure(
        leverage=default_leverage(instrument.max_leverage), mark=mark
    )
    if instrument.kind == "spot":
        coins = cash.get((account_type_of(adapter.margin_model, "spot"), instrument.base), ZERO)
        own = _spot_exposure(instrument, counts, coins, mark)
    return RiskContext(
        state=trading_state(wallet),
        wallet_status=str(wallet.status),
        limits=limits_of(wallet),
        exposure=own,
        other_exposures=tuple(exposures.values()),
        available=available,
        cash=cash.get((account_type_of(adapter.margin_model, "perp"), instrument.quote), ZERO),
        bid=prices.bid(instrument.symbol),
        ask=prices.ask(instrument.symbol),
        mark_age=prices.age_of(instrument.symbol),
        orders_minute=sum(row.minute for row in counts),
        open_orders=sum(row.live for row in counts),
        day_notional=sum((row.day for row in counts), ZERO),
        taker_fee=adapter.fee_rates(instrument.kind, wallet.fee_tier).taker,
        margin_model=adapter.margin_model,
    )


Amounts = dict[tuple[AccountType, str], Decimal]


def _balances(wallet: Wallet) -> tuple[Amounts, Amounts]:
    """Available amounts, and available plus reserved amounts, by account type and asset."""
    available: Amounts = {}
    cash: Amounts = defaultdict(Decimal)
    owned = (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)
    for row in Balance.objects.filter(wallet=wallet, account__in=owned):
        key = (cast("AccountType", row.account_type), row.asset)
        cash[key] += row.amount
        if row.account == LedgerAccount.AVAILABLE:
            available[key] = row.amount
    return available, cash


def day_notional(wallet: Wallet, now: datetime) -> Decimal:
    """Traded and open notional of the orders of the last 24 hours, in quote units, as bounded by the daily limit."""
    return sum((row.day for row in _order_totals(wallet, now)), ZERO)


@dataclass(frozen=True, slots=True)
class _OrderTotals:
    """Totals of orders of one instrument and side: `live` orders and their `remaining` size, orders of the last
    `minute`, and notional of the last `day` in quote units."""

    symbol: str
    kind: str
    max_leverage: int | None
    side: str
    live: int
    remaining: Decimal
    minute: int
    day: Decimal


# Raw SQL because it runs at every order, and the ORM takes longer to build it than PostgreSQL to execute it.
# Orders denied by the order rate are not counted: otherwise retries would keep the rate above the limit.
_ORDER_TOTALS = """
SELECT instrument.symbol, instrument.kind, instrument.max_leverage, placed.side,
       count(*) FILTER (WHERE lives),
       coalesce(sum(size - filled) FILTER (WHERE lives), 0),
       count(*) FILTER (WHERE own AND code <> %(rate)s AND placed.created_at >= %(minute)s),
       coalesce(sum(filled_notional) FILTER (WHERE of_day), 0)
       + coalesce(sum((size - filled) * price) FILTER (WHERE of_day AND lives), 0)
FROM wallets_order placed
JOIN market_instrument instrument ON instrument.id = placed.instrument_id,
LATERAL (SELECT status = ANY(%(live)s) AS lives, origin <> %(external)s AS own) it,
LATERAL (SELECT own AND placed.created_at >= %(day)s AND NOT reduce_only AS of_day) money
WHERE placed.wallet_id = %(wallet)s AND (status = ANY(%(live)s) OR placed.created_at >= %(day)s)
GROUP BY instrument.symbol, instrument.kind, instrument.max_leverage, placed.side
"""


def _order_totals(wallet: Wallet, now: datetime) -> list[_OrderTotals]:
    params: dict[str, Any] = {
        "wallet": wallet.pk, "live": sorted(LIVE),
        "minute": now - timedelta(minutes=1), "day": now - timedelta(days=1),
        "rate": Denial.ORDER_RATE.value, "external": Order.Origin.EXTERNAL.value,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ORDER_TOTALS, params)
        return [_OrderTotals(*row) for row in cursor.fetchall()]


def _exposures(wallet: Wallet, counts: list[_OrderTotals], prices: Prices) -> dict[str, Exposure]:
    """Exposure by symbol, of perpetuals with a position or open orders."""
    waiting: dict[str, dict[str, Decimal]] = defaultdict(lambda: {"buy": ZERO, "sell": ZERO})
    for row in counts:
        if row.kind == "perp" and row.live:
            waiting[row.symbol][row.side] = row.remaining
    initial = {row.symbol: default_leverage(row.max_leverage) for row in counts}
    columns = ("instrument__symbol", "size", "cost", "leverage")
    open_positions = {row[0]: row[1:] for row in Position.objects.filter(wallet=wallet).values_list(*columns)}
    exposures = {}
    for symbol in open_positions.keys() | waiting.keys():
        size, cost, leverage = open_positions.get(symbol) or (ZERO, ZERO, initial[symbol])
        side = waiting[symbol]
        exposures[symbol] = Exposure(size, cost, side["buy"], side["sell"], leverage, prices.mark(symbol))
    return exposures


def _spot_exposure(
    instrument: Instrument, counts: list[_OrderTotals], coins: Decimal, mark: Decimal | None
) -> Exposure:
    left = {row.side: row.remaining for row in counts if row.symbol == instrument.symbol}
    return Exposure(coins, ZERO, left.get("buy", ZERO), left.get("sell", ZERO), 1, mark)
