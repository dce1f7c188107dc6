"""What positions and orders need: initial and maintenance margin, equity, prices of liquidation."""

from decimal import Decimal

from market.simulator.exchange.accounts import Account, Position
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.orders import Order
from market.simulator.universe import MARGIN_TABLES, Listing

MILLION = 1_000_000
RESERVE = 10  # a tenth of the notional stays when money is taken out


def tiers(listing: Listing) -> tuple[tuple[int, int], ...]:
    """(Lower bound in millionths, highest leverage), ascending."""
    table = MARGIN_TABLES.get(listing.coin)
    rows = table[2] if table else ((0, listing.leverage),)
    return tuple((lower * MILLION, leverage) for lower, leverage in rows)


def leverage_most(listing: Listing, notional: int) -> int:
    return next(leverage for lower, leverage in reversed(tiers(listing)) if notional >= lower)


def maintenance(listing: Listing, notional: int) -> int:
    """Half of the initial margin at the highest leverage, tier by tier."""
    rows = tiers(listing)
    ends = [lower for lower, _ in rows[1:]] + [None]
    needed = 0
    for (lower, leverage), end in zip(rows, ends, strict=True):
        within = min(notional, notional if end is None else end) - lower
        needed += max(0, within) // (2 * leverage)
    return needed


def exposure(exchange: Exchange, order: Order) -> int:
    """What the order may add, in millionths: a buy at no more than the mark, a sale at no less."""
    mark = exchange.market(order.coin).mark
    price = min(order.price, mark) if order.side == "buy" else max(order.price, mark)
    return price * order.left


def _reserves(order: Order) -> bool:
    return order.rests and not order.reduce_only


def coin_margin(exchange: Exchange, account: Account, coin: str, extra: Order | None = None) -> int:
    """Initial margin of one perpetual if the worse side of its orders were filled.

    For an isolated position only what the orders would take from the cross account.
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


def held(account: Account) -> list[tuple[str, Position]]:
    """Positions that are not flat."""
    return [(coin, position) for coin, position in account.positions.items() if position.lots]


def cross_equity(exchange: Exchange, account: Account) -> int:
    return account.raw + sum(
        position.lots * exchange.market(coin).mark
        for coin, position in held(account)
        if not position.isolated
    )


def equity(exchange: Exchange, account: Account) -> int:
    """Cash and positions at the mark, isolated ones included."""
    isolated = sum(
        position.equity(exchange.market(coin).mark) for coin, position in held(account) if position.isolated
    )
    return cross_equity(exchange, account) + isolated


def cross_maintenance(exchange: Exchange, account: Account) -> int:
    return sum(
        maintenance(exchange.market(coin).listing, abs(position.lots) * exchange.market(coin).mark)
        for coin, position in held(account)
        if not position.isolated
    )


def withdrawable(exchange: Exchange, account: Account) -> int:
    notional = sum(
        abs(position.lots) * exchange.market(coin).mark
        for coin, position in held(account)
        if not position.isolated
    )
    kept = max(reserved(exchange, account), notional // RESERVE)
    return max(0, min(cross_equity(exchange, account) - kept, cross_equity(exchange, account)))


def affords(exchange: Exchange, account: Account, order: Order) -> bool:
    """Whether the account can carry the order; what does not raise its needs is always allowed."""
    before, after = reserved(exchange, account), reserved(exchange, account, order)
    return after <= before or after <= cross_equity(exchange, account)


def liquidation_price(exchange: Exchange, account: Account, coin: str) -> Decimal | None:
    """In USDC, where the maintenance margin is no longer covered; None where no price does that."""
    position, market = account.positions[coin], exchange.market(coin)
    size, side = abs(position.lots), 1 if position.lots > 0 else -1
    notional = size * market.mark
    if position.isolated:
        spare = position.equity(market.mark) - maintenance(market.listing, notional)
    else:
        spare = cross_equity(exchange, account) - cross_maintenance(exchange, account)
    rate = Decimal(1) / (2 * leverage_most(market.listing, notional))
    units = market.mark - side * Decimal(spare) / size / (1 - rate * side)
    return units.scaleb(-market.listing.price_decimals) if units > 0 else None
