"""Why an order is not taken: the venue's rules, in the order in which the venue looks at them."""

from collections.abc import Sequence
from decimal import Decimal

from market.simulator.exchange import errors, margin
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.action_parser import Wanted
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import BatchRefused, OrderRefused
from market.simulator.exchange.fixed_point import units_of
from market.simulator.exchange.orders import Order
from market.simulator.universe import USDC, Listing
from market.simulator.world import Market

BAND = 5  # from a fifth of the reference price to five times that
MILLION = 1_000_000
PER_ORDER_VOLUME = 5_000_000
CLOSING_TIFS = ("Ioc", "FrontendMarket")


def listing_of(exchange: Exchange, asset: int) -> Listing:
    listing = exchange.assets.get(asset)
    if listing is None or listing.delisted:
        raise OrderRefused("Order has invalid asset.")
    return listing


def batch_check(exchange: Exchange, wanted: Sequence[Wanted]) -> None:
    """Errors that stand for the whole batch. Raises `BatchRefused`."""
    if not wanted:
        raise BatchRefused(errors.NO_ORDERS)
    for order in wanted:
        if order.trigger and not order.reduce_only:
            raise BatchRefused(f"Invalid TP/SL price. asset={order.asset}")
        listing = exchange.assets.get(order.asset)
        if listing and not listing.delisted and not order.trigger and not _in_band(exchange, listing, order):
            raise BatchRefused(f"{errors.BAND} asset={order.asset}")


def _in_band(exchange: Exchange, listing: Listing, order: Wanted) -> bool:
    mark = Decimal(exchange.market(listing.coin).mark)
    units = order.price.scaleb(listing.price_decimals)
    return not units or mark / BAND < units <= mark * BAND


def price_units(listing: Listing, order: Wanted) -> int:
    """The price on its tick. Raises `OrderRefused`."""
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


def trigger_units(listing: Listing, order: Wanted) -> int:
    if order.trigger is None or order.trigger.price <= 0:
        raise OrderRefused("Invalid TP/SL price.", "badTriggerPxRejected")
    return _on_tick(listing, order.trigger.price)


def lots_of(listing: Listing, size: Decimal) -> int:
    """Raises `OrderRefused`."""
    try:
        return units_of(size, listing.size_decimals)
    except ValueError:
        raise OrderRefused("Order has invalid size.") from None


def new_order_check(exchange: Exchange, account: Account, order: Order) -> None:
    """Everything but the form. Raises `OrderRefused`."""
    if order.size <= 0 and not order.follows:
        raise OrderRefused("Order has zero size.")
    _mood_check(exchange, account, order)
    _room_check(exchange, account, order)
    if order.cloid and _stands(exchange, account, order.cloid):
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


def _mood_check(exchange: Exchange, account: Account, order: Order) -> None:
    """What the venue refuses only now and then."""
    if exchange.post_only and not order.trigger and order.tif != "Alo":
        raise OrderRefused("Only post-only orders allowed immediately after network upgrade")
    if order.coin not in exchange.capped or order.reduce_only:
        return
    held = exchange.position(account, order.coin).lots
    if abs(held + order.sign * order.size) > abs(held):
        text = "Order would increase open interest while open interest is capped"
        raise OrderRefused(text, "positionIncreaseAtOpenInterestCapRejected")


def _stands(exchange: Exchange, account: Account, cloid: str) -> bool:
    oid = exchange.by_cloid.get((account.address, cloid))
    return oid is not None and exchange.orders[oid].live


def _room_check(exchange: Exchange, account: Account, order: Order) -> None:
    rules, count = exchange.rules, len(account.open)
    most = rules.open_orders + account.volume // MILLION // PER_ORDER_VOLUME
    full = count >= min(most, rules.open_orders_most)
    if full or (count >= rules.open_orders and (order.reduce_only or order.trigger)):
        raise OrderRefused("Too many open orders.", "tooManyOpenOrdersRejected")


def _value_check(exchange: Exchange, order: Order) -> None:
    """Reduce-only orders may be smaller: a position must be closable."""
    if order.reduce_only or order.follows:
        return
    listing = exchange.market(order.coin).listing
    least = exchange.rules.minimum * 10 ** (8 if listing.is_spot else 6)
    if order.price * order.size < least:
        name = f"of {exchange.rules.minimum} USDC." if listing.is_spot else f"of ${exchange.rules.minimum}."
        raise OrderRefused(f"Order must have minimum value {name}", "minTradeNtlRejected")


def _near_oracle(exchange: Exchange, market: Market, order: Order) -> bool:
    """A market order's worst price does not count; it cannot rest there."""
    if order.trigger or order.tif in CLOSING_TIFS:
        return True
    band = market.oracle * exchange.rules.oracle_band
    return abs(order.price - market.oracle) * 100 <= band or order.price > market.oracle


def _reduce_check(exchange: Exchange, account: Account, order: Order) -> None:
    if exchange.position(account, order.coin).lots * order.sign >= 0:
        raise OrderRefused("Reduce only order would increase position.", "reduceOnlyRejected")


def funds_check(exchange: Exchange, account: Account, order: Order) -> None:
    """Raises `OrderRefused` when the account cannot carry the order."""
    listing = exchange.market(order.coin).listing
    if listing.is_spot:
        _spot_check(exchange, account, listing, order)
        return
    position, mark = exchange.position(account, order.coin), exchange.market(order.coin).mark
    notional = abs(position.lots + order.sign * order.left) * mark
    if not order.reduce_only and position.leverage > margin.leverage_most(listing, notional):
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
    """The token that the order gives, and how much of it."""
    if order.side == "buy":
        return USDC, order.price * order.left
    _, token, wei = listing.tokens or ("", 0, 0)
    return token, int(order.left * 10 ** (wei - listing.size_decimals))


def spot_hold(exchange: Exchange, account: Account, token: int) -> int:
    """What resting orders will give of that token."""
    needs = (
        spot_need(exchange.market(order.coin).listing, order)
        for order in exchange.open_orders(account)
        if order.rests and exchange.market(order.coin).listing.is_spot
    )
    return sum(amount for needed, amount in needs if needed == token)
