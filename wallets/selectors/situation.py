"""Everything that a risk check wants to know of a wallet, in three queries."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum

from market.domain.instruments import Instrument
from market.domain.orders import Pot
from wallets.domain.accounts import Account
from wallets.domain.denials import Denial
from wallets.domain.situation import Exposure, Limits, Situation, usual_leverage
from wallets.domain.status import LIVE, TradingState, strictest
from wallets.models import Balance, HouseControl, Order, Position, TraderControl, Wallet
from wallets.selectors.market import Prices

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
        orders_minute=sum(row["minute"] for row in counts),
        open_orders=sum(row["live"] for row in counts),
        day_notional=sum((row["day"] or ZERO for row in counts), ZERO),
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
    return sum((row["day"] for row in _order_counts(wallet, now)), ZERO)


def _order_counts(wallet: Wallet, now: datetime) -> list[dict[str, Any]]:
    """Per instrument and side: live orders and what is left of them, orders of a minute, money of a day."""
    live, own = Q(status__in=LIVE), ~Q(origin=Order.Origin.EXTERNAL)
    counted = ~Q(code=Denial.RATE)  # or whoever was too fast once would be kept out for as long as they ask
    today, left = Q(created_at__gte=now - timedelta(days=1)), F("size") - F("filled")
    of_day = own & today & Q(reduce_only=False)
    rows = (
        Order.objects.filter(live | today, wallet=wallet)
        .values("instrument__symbol", "instrument__kind", "instrument__max_leverage", "side")
        .annotate(
            live=Count("pk", filter=live),
            left=Sum(left, filter=live),
            minute=Count("pk", filter=own & counted & Q(created_at__gte=now - timedelta(minutes=1))),
            traded=Sum("filled_value", filter=of_day),
            open_value=Sum(left * F("price"), filter=of_day & live),
        )
        .order_by()
    )
    return [{**row, "day": (row["traded"] or ZERO) + (row["open_value"] or ZERO)} for row in rows]


def _exposures(wallet: Wallet, counts: list[dict[str, Any]], prices: Prices) -> dict[str, Exposure]:
    """By symbol, of perpetuals that are held or have open orders."""
    waiting: dict[str, dict[str, Decimal]] = defaultdict(lambda: {"buy": ZERO, "sell": ZERO})
    for row in counts:
        if row["instrument__kind"] == "perp" and row["live"]:
            waiting[row["instrument__symbol"]][row["side"]] = row["left"]
    usual = {row["instrument__symbol"]: usual_leverage(row["instrument__max_leverage"]) for row in counts}
    columns = ("instrument__symbol", "size", "cost", "leverage")
    held = {row[0]: row[1:] for row in Position.objects.filter(wallet=wallet).values_list(*columns)}
    exposures = {}
    for symbol in held.keys() | waiting.keys():
        size, cost, leverage = held.get(symbol) or (ZERO, ZERO, usual[symbol])
        side = waiting[symbol]
        exposures[symbol] = Exposure(size, cost, side["buy"], side["sell"], leverage, prices.mark(symbol))
    return exposures


def _spot_exposure(
    instrument: Instrument, counts: list[dict[str, Any]], cash: Money, mark: Decimal | None
) -> Exposure:
    left = {
        row["side"]: row["left"] or ZERO for row in counts if row["instrument__symbol"] == instrument.symbol
    }
    coins = cash.get(("spot", instrument.base), ZERO)
    return Exposure(coins, ZERO, left.get("buy", ZERO), left.get("sell", ZERO), 1, mark)
