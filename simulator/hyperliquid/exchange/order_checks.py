"""Order validation: the venue's rules, in the sequence in which the venue applies them."""

from collections.abc import Sequence
from decimal import Decimal

from simulator.hyperliquid.exchange import errors, margin
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.action_parser import ParsedOrder
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import BatchRefused, OrderRefused
from simulator.hyperliquid.exchange.fixed_point import units_of
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.universe import USDC, Listing
from simulator.markets.world import Market

BAND = 5  # from a fifth of the reference price to five times that
MILLION = 1_000_000
PER_ORDER_VOLUME = 5_000_000
CLOSING_TIFS = ("Ioc", "FrontendMarket")


def listing_of(exchange: Exchange, asset: int) -> Listing:
    listing = exchange.assets.get(asset)
    if listing is None or listing.delisted:
        raise OrderRefused("Order has invalid asset.")
    return listing


def batch_check(exchange: Exchange, orders: Sequence[ParsedOrder]) -> None:
    """Checks that reject the whole batch. Raises `BatchRefused`."""
    if not orders:
        raise BatchRefused(errors.NO_ORDERS)
    for order in orders:
        if order.trigger and not order.reduce_only:
            raise BatchRefused(f"Invalid TP/SL price. asset={order.asset}")
        listing = exchange.assets.get(order.asset)
        if listing and not listing.delisted and not order.trigger and not _in_band(exchange, listing, order):
            raise BatchRefused(f"{errors.BAND} asset={order.asset}")


def _in_band(exchange: Exchange, listing: Listing, order: ParsedOrder) -> bool:
    mark = Decimal(exchange.market(listing.coin).mark)
    units = order.price.scaleb(listing.price_decimals)
    return not units or mark / BAND < units <= mark * BAND


def price_units(listing: Listing, order: ParsedOrder) -> int:
    """The limit price in units. Raises `OrderRefused` when it is not a multiple of the tick."""
    if order.price <= 0:
        raise OrderRefused("Order has invalid price.")
    return _on_tick(listing, order.price)


def _on_tick(listing: Listing, price: Decimal) -> int:
    try:
        units = units_of(price, listing.price_decimals)
    except ValueError:
        units = -1
    if units < 0 or units % listing.tick_at(max(1, units)):
        raise OrderRefused("Price must be divisible by tick size.", "tickRejected")
    return units


def trigger_units(listing: Listing, order: ParsedOrder) -> int:
    if order.trigger is None or order.trigger.price <= 0:
        raise OrderRefused("Invalid TP/SL price.", "badTriggerPxRejected")
    return _on_tick(listing, order.trigger.price)


def lots_of(listing: Listing, size: Decimal) -> int:
    """The size in lots. Raises `OrderRefused` when it is not a multiple of the lot."""
    try:
        return units_of(size, listing.size_decimals)
    except ValueError:
        raise OrderRefused("Order has invalid size.") from None


def new_order_check(exchange: Exchange, account: Account, order: Order) -> None:
    """All checks of a new order after parsing. Raises `OrderRefused`."""
    if order.size <= 0 and not order.follows:
        raise OrderRefused("Order has zero size.")
    _restriction_check(exchange, account, order)
    _open_orders_check(exchange, account, order)
    if order.cloid and _is_open(exchange, account, order.cloid):
        raise OrderRefused("Order with this cloid is already open.")
    _value_check(exchange, order)
    market = exchange.market(order.coin)
    if not market.listing.is_spot and not _near_oracle(exchange, market, order):
        raise OrderRefused("Price too far from oracle", "oracleRejected")
    if order.trigger:
        return
    if order.reduce_only:
        _reduce_check(exchange, account, order)
    funds_check(exchange, account, order)


def _restriction_check(exchange: Exchange, account: Account, order: Order) -> None:
    """Temporary venue restrictions: post-only period and open interest cap."""
    if exchange.post_only and not order.trigger and order.tif != "Alo":
        raise OrderRefused("Only post-only orders allowed immediately after network upgrade")
    if order.coin not in exchange.capped or order.reduce_only:
        return
    position_lots = exchange.position(account, order.coin).lots
    if abs(position_lots + order.sign * order.size) > abs(position_lots):
        text = "Order would increase open interest while open interest is capped"
        raise OrderRefused(text, "positionIncreaseAtOpenInterestCapRejected")


def _is_open(exchange: Exchange, account: Account, cloid: str) -> bool:
    oid = exchange.by_cloid.get((account.address, cloid))
    return oid is not None and exchange.orders[oid].live


def _open_orders_check(exchange: Exchange, account: Account, order: Order) -> None:
    rules, count = exchange.rules, len(account.open)
    max_orders = rules.open_orders + account.volume // MILLION // PER_ORDER_VOLUME
    full = count >= min(max_orders, rules.max_open_orders)
    if full or (count >= rules.open_orders and (order.reduce_only or order.trigger)):
        raise OrderRefused("Too many open orders.", "tooManyOpenOrdersRejected")


def _value_check(exchange: Exchange, order: Order) -> None:
    """Minimum order value. Reduce-only orders are exempt: a position must always be closable."""
    if order.reduce_only or order.follows:
        return
    listing = exchange.market(order.coin).listing
    min_value = exchange.rules.minimum * 10 ** (8 if listing.is_spot else 6)
    if order.price * order.size < min_value:
        name = f"of {exchange.rules.minimum} USDC." if listing.is_spot else f"of ${exchange.rules.minimum}."
        raise OrderRefused(f"Order must have minimum value {name}", "minTradeNtlRejected")


def _near_oracle(exchange: Exchange, market: Market, order: Order) -> bool:
    """Oracle price band. Market orders and triggers are exempt: they cannot rest at their limit price."""
    if order.trigger or order.tif in CLOSING_TIFS:
        return True
    band = market.oracle * exchange.rules.oracle_band
    return abs(order.price - market.oracle) * 100 <= band or order.price > market.oracle


def _reduce_check(exchange: Exchange, account: Account, order: Order) -> None:
    if exchange.position(account, order.coin).lots * order.sign >= 0:
        raise OrderRefused("Reduce only order would increase position.", "reduceOnlyRejected")


def funds_check(exchange: Exchange, account: Account, order: Order) -> None:
    """Margin and balance check. Raises `OrderRefused` when the account cannot afford the order."""
    listing = exchange.market(order.coin).listing
    if listing.is_spot:
        _spot_check(exchange, account, listing, order)
        return
    position, mark = exchange.position(account, order.coin), exchange.market(order.coin).mark
    notional = abs(position.lots + order.sign * order.remaining) * mark
    if not order.reduce_only and position.leverage > margin.max_leverage(listing, notional):
        raise OrderRefused(
            "Order would cause position to exceed margin tier limit at current leverage",
            "perpMaxPositionRejected",
        )
    if not margin.affords(exchange, account, order):
        raise OrderRefused("Insufficient margin to place order.", "perpMarginRejected")


def _spot_check(exchange: Exchange, account: Account, listing: Listing, order: Order) -> None:
    token, needed = spot_need(listing, order)
    if account.holding(token).total - spot_hold(exchange, account, token) < needed:
        raise OrderRefused("Insufficient spot balance", "insufficientSpotBalanceRejected")


def spot_need(listing: Listing, order: Order) -> tuple[int, int]:
    """The token that the order pays with, and the amount."""
    if order.side == "buy":
        return USDC, order.price * order.remaining
    _, token, wei = listing.tokens or ("", 0, 0)
    return token, int(order.remaining * 10 ** (wei - listing.size_decimals))


def spot_hold(exchange: Exchange, account: Account, token: int) -> int:
    """Amount of that token on hold for resting orders."""
    needs = (
        spot_need(exchange.market(order.coin).listing, order)
        for order in exchange.open_orders(account)
        if order.rests and exchange.market(order.coin).listing.is_spot
    )
    return sum(amount for needed, amount in needs if needed == token)
