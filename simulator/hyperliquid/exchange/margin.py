"""Margin: initial and maintenance margin of positions and orders, equity, liquidation prices."""

from decimal import Decimal

from simulator.hyperliquid.exchange.accounts import Account, Position
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.universe import MARGIN_TABLES, Listing

MILLION = 1_000_000
RESERVE = 10  # a withdrawal must leave a tenth of the notional


def tiers(listing: Listing) -> tuple[tuple[int, int], ...]:
    """Margin tiers: (lower bound in millionths of a USDC, maximum leverage), ascending."""
    table = MARGIN_TABLES.get(listing.coin)
    rows = table[2] if table else ((0, listing.leverage),)
    return tuple((lower * MILLION, leverage) for lower, leverage in rows)


def max_leverage(listing: Listing, notional: int) -> int:
    return next(leverage for lower, leverage in reversed(tiers(listing)) if notional >= lower)


def maintenance(listing: Listing, notional: int) -> int:
    """Maintenance margin: half of the initial margin at the maximum leverage, summed per tier."""
    rows = tiers(listing)
    ends = [lower for lower, _ in rows[1:]] + [None]
    needed = 0
    for (lower, leverage), end in zip(rows, ends, strict=True):
        within = min(notional, notional if end is None else end) - lower
        needed += max(0, within) // (2 * leverage)
    return needed


def exposure(exchange: Exchange, order: Order) -> int:
    """Notional that the order may add, in millionths: a buy at most at the mark price, a sell at least at it."""
    mark = exchange.market(order.coin).mark
    price = min(order.price, mark) if order.side == "buy" else max(order.price, mark)
    return price * order.remaining


def _reserves(order: Order) -> bool:
    return order.rests and not order.reduce_only


def coin_margin(exchange: Exchange, account: Account, coin: str, extra: Order | None = None) -> int:
    """Initial margin of one perpetual if the side of its orders with the larger exposure were filled.

    For an isolated position: only the margin that the orders would take from the cross account.
    """
    position = exchange.position(account, coin)
    held = position.lots * exchange.market(coin).mark
    sides = {"buy": held, "sell": -held}
    for order in exchange.open_orders(account, coin):
        if _reserves(order):
            sides[order.side] += exposure(exchange, order)
    if extra and not extra.reduce_only:
        sides[extra.side] += exposure(exchange, extra)
    worst = max(abs(held), *sides.values())
    return (worst - abs(held) if position.isolated else worst) // position.leverage


def _coins(exchange: Exchange, account: Account) -> set[str]:
    coins = {coin for coin, position in account.positions.items() if position.lots}
    coins |= {order.coin for order in exchange.open_orders(account)}
    return {coin for coin in coins if not exchange.market(coin).listing.is_spot}


def reserved(exchange: Exchange, account: Account, extra: Order | None = None) -> int:
    """Initial margin of all cross positions and all orders."""
    coins = _coins(exchange, account) | ({extra.coin} if extra else set())
    return sum(
        coin_margin(exchange, account, coin, extra if extra and extra.coin == coin else None)
        for coin in coins
    )


def open_positions(account: Account) -> list[tuple[str, Position]]:
    """Positions that are not flat."""
    return [(coin, position) for coin, position in account.positions.items() if position.lots]


def cross_equity(exchange: Exchange, account: Account) -> int:
    return account.raw + sum(
        position.lots * exchange.market(coin).mark
        for coin, position in open_positions(account)
        if not position.isolated
    )


def equity(exchange: Exchange, account: Account) -> int:
    """Cash plus all positions at the mark price, isolated ones included."""
    isolated = sum(
        position.equity(exchange.market(coin).mark)
        for coin, position in open_positions(account)
        if position.isolated
    )
    return cross_equity(exchange, account) + isolated


def cross_maintenance(exchange: Exchange, account: Account) -> int:
    return sum(
        maintenance(exchange.market(coin).listing, abs(position.lots) * exchange.market(coin).mark)
        for coin, position in open_positions(account)
        if not position.isolated
    )


def withdrawable(exchange: Exchange, account: Account) -> int:
    notional = sum(
        abs(position.lots) * exchange.market(coin).mark
        for coin, position in open_positions(account)
        if not position.isolated
    )
    required = max(reserved(exchange, account), notional // RESERVE)
    return max(0, min(cross_equity(exchange, account) - required, cross_equity(exchange, account)))


def affords(exchange: Exchange, account: Account, order: Order) -> bool:
    """Whether the account has margin for the order; an order that does not raise the margin always passes."""
    before, after = reserved(exchange, account), reserved(exchange, account, order)
    return after <= before or after <= cross_equity(exchange, account)


def liquidation_price(exchange: Exchange, account: Account, coin: str) -> Decimal | None:
    """Price in USDC at which equity falls below maintenance margin; None when there is no such price."""
    position, market = account.positions[coin], exchange.market(coin)
    size, side = abs(position.lots), 1 if position.lots > 0 else -1
    notional = size * market.mark
    if position.isolated:
        spare = position.equity(market.mark) - maintenance(market.listing, notional)
    else:
        spare = cross_equity(exchange, account) - cross_maintenance(exchange, account)
    rate = Decimal(1) / (2 * max_leverage(market.listing, notional))
    units = market.mark - side * Decimal(spare) / size / (1 - rate * side)
    return units.scaleb(-market.listing.price_decimals) if units > 0 else None
