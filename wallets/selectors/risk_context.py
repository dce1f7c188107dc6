"""Everything that a risk check wants to know of a wallet, in three queries."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from market.domain.instruments import Instrument
from market.domain.orders import Pot
from wallets.domain.denials import Denial
from wallets.domain.ledger import Account
from wallets.domain.risk_context import Exposure, Limits, Situation, usual_leverage
from wallets.domain.status import LIVE, TradingState, strictest
from wallets.models import Balance, HouseControl, Order, Position, TraderControl, Wallet
from wallets.selectors.prices import Prices

ZERO = Decimal(0)


def wallets_with_states() -> QuerySet[Any]:
    """Wallets that know the trading states of their house and user (None: never set)."""
    house = HouseControl.objects.filter(pk=1).values("trading_state")
    trader = TraderControl.objects.filter(user=OuterRef("user")).values("trading_state")
    return Wallet.objects.annotate(house_state=Subquery(house), trader_state=Subquery(trader))


def trading_state(wallet: Any) -> TradingState:
    """The strictest of wallet, user and house, of a row of `wallets_with_states`."""
    states = (wallet.trading_state, wallet.trader_state, wallet.house_state)
    return strictest(*(TradingState(state) for state in states if state))


def limits_of(wallet: Wallet) -> Limits:
    """Its own, the house's where it has none."""

    def own_or(name: str, setting: str) -> Decimal:
        own = getattr(wallet, name)
        return Decimal(getattr(settings, setting) if own is None else own)

    return Limits(
        order=own_or("max_order_notional", "ORDER_MAX_NOTIONAL"),
        day=own_or("max_day_notional", "ORDER_MAX_DAY_NOTIONAL"),
        position=own_or("max_position_notional", "POSITION_MAX_NOTIONAL"),
        leverage=int(own_or("max_leverage", "LEVERAGE_MAX")),
        band_percent=own_or("price_band_percent", "PRICE_BAND_PERCENT"),
        per_minute=int(own_or("orders_per_minute", "ORDERS_PER_MINUTE")),
    )


def situation_of(wallet: Any, instrument: Instrument, prices: Prices, now: datetime) -> Situation:
    """`wallet` is a row of `wallets_with_states`, locked by whoever is about to place an order."""
    available, cash = _money(wallet)
    counts = _order_counts(wallet, now)
    exposures = _exposures(wallet, counts, prices)
    mark = prices.mark(instrument.symbol)
    own = exposures.pop(instrument.symbol, None) or Exposure(
        leverage=usual_leverage(instrument.max_leverage), mark=mark
    )
    if instrument.kind == "spot":
        own = _spot_exposure(instrument, counts, cash, mark)
    return Situation(
        state=trading_state(wallet),
        wallet_status=str(wallet.status),
        limits=limits_of(wallet),
        own=own,
        others=tuple(exposures.values()),
        available=available,
        cash=cash.get(("perp", instrument.quote), ZERO),
        bid=prices.bid(instrument.symbol),
        ask=prices.ask(instrument.symbol),
        mark_age=prices.age_of(instrument.symbol),
        orders_minute=sum(row.minute for row in counts),
        open_orders=sum(row.live for row in counts),
        day_notional=sum((row.day for row in counts), ZERO),
    )


Money = dict[tuple[Pot, str], Decimal]


def _money(wallet: Wallet) -> tuple[Money, Money]:
    """Available, and available with what is reserved, by pot and asset."""
    available: Money = {}
    cash: Money = defaultdict(Decimal)
    owned = (Account.AVAILABLE, Account.RESERVED)
    for row in Balance.objects.filter(wallet=wallet, account__in=owned):
        key = (cast("Pot", row.pot), row.asset)
        cash[key] += row.amount
        if row.account == Account.AVAILABLE:
            available[key] = row.amount
    return available, cash


def day_notional(wallet: Wallet, now: datetime) -> Decimal:
    """What orders of the last 24 hours traded or still could, in quote units: what the day limit bounds."""
    return sum((row.day for row in _order_counts(wallet, now)), ZERO)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Orders of one instrument and side. `left` is the size that is still to trade of those that live,
    `minute` counts the orders of the last one, `day` is money of the last one, in quote units."""

    symbol: str
    kind: str
    max_leverage: int | None
    side: str
    live: int
    left: Decimal
    minute: int
    day: Decimal


# As SQL because it is asked at every order, and Django takes longer to write this than PostgreSQL to answer.
# Who was denied for being too fast is not counted, or they would be kept out for as long as they ask.
_COUNTED = """
SELECT instrument.symbol, instrument.kind, instrument.max_leverage, placed.side,
       count(*) FILTER (WHERE lives),
       coalesce(sum(size - filled) FILTER (WHERE lives), 0),
       count(*) FILTER (WHERE own AND code <> %(rate)s AND placed.created_at >= %(minute)s),
       coalesce(sum(filled_value) FILTER (WHERE of_day), 0)
       + coalesce(sum((size - filled) * price) FILTER (WHERE of_day AND lives), 0)
FROM wallets_order placed
JOIN market_instrument instrument ON instrument.id = placed.instrument_id,
LATERAL (SELECT status = ANY(%(live)s) AS lives, origin <> %(external)s AS own) it,
LATERAL (SELECT own AND placed.created_at >= %(day)s AND NOT reduce_only AS of_day) money
WHERE placed.wallet_id = %(wallet)s AND (status = ANY(%(live)s) OR placed.created_at >= %(day)s)
GROUP BY instrument.symbol, instrument.kind, instrument.max_leverage, placed.side
"""


def _order_counts(wallet: Wallet, now: datetime) -> list[_Counted]:
    asked: dict[str, Any] = {
        "wallet": wallet.pk, "live": sorted(LIVE),
        "minute": now - timedelta(minutes=1), "day": now - timedelta(days=1),
        "rate": Denial.RATE.value, "external": Order.Origin.EXTERNAL.value,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, asked)
        return [_Counted(*row) for row in cursor.fetchall()]


def _exposures(wallet: Wallet, counts: list[_Counted], prices: Prices) -> dict[str, Exposure]:
    """By symbol, of perpetuals that are held or have open orders."""
    waiting: dict[str, dict[str, Decimal]] = defaultdict(lambda: {"buy": ZERO, "sell": ZERO})
    for row in counts:
        if row.kind == "perp" and row.live:
            waiting[row.symbol][row.side] = row.left
    usual = {row.symbol: usual_leverage(row.max_leverage) for row in counts}
    columns = ("instrument__symbol", "size", "cost", "leverage")
    held = {row[0]: row[1:] for row in Position.objects.filter(wallet=wallet).values_list(*columns)}
    exposures = {}
    for symbol in held.keys() | waiting.keys():
        size, cost, leverage = held.get(symbol) or (ZERO, ZERO, usual[symbol])
        side = waiting[symbol]
        exposures[symbol] = Exposure(size, cost, side["buy"], side["sell"], leverage, prices.mark(symbol))
    return exposures


def _spot_exposure(
    instrument: Instrument, counts: list[_Counted], cash: Money, mark: Decimal | None
) -> Exposure:
    left = {row.side: row.left for row in counts if row.symbol == instrument.symbol}
    coins = cash.get(("spot", instrument.base), ZERO)
    return Exposure(coins, ZERO, left.get("buy", ZERO), left.get("sell", ZERO), 1, mark)
