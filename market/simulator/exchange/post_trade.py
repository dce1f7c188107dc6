"""After matches: what happened to orders that rested, and to everything that depends on the position."""

from market.simulator.exchange import order_execution, triggers
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.orders import Order


def settle(exchange: Exchange) -> None:
    """Repeat until nothing moves any more: what is fired here may match again."""
    while exchange.hit or exchange.moved:
        hit, exchange.hit = exchange.hit, {}
        moved, exchange.moved = exchange.moved, {}
        for order in [exchange.orders[oid] for oid in hit if oid in exchange.orders]:
            if order.live:
                _hit(exchange, order)
        for user, coin in moved:
            if not exchange.market(coin).listing.is_spot:
                reduce_only_prune(exchange, exchange.accounts[user], coin)


def _hit(exchange: Exchange, order: Order) -> None:
    if order.left:
        order_execution.announce(exchange, order, "open")
    else:
        order_execution.finish(exchange, order, "filled")
        triggers.children_arm(exchange, order)
    if order.group is not None:
        triggers.siblings_cancel(exchange, order)


def reduce_only_prune(exchange: Exchange, account: Account, coin: str) -> None:
    """Reduce-only orders never promise more than there is to reduce; the newest give way."""
    lots = exchange.position(account, coin).lots
    spare = abs(lots)
    for order in [order for order in exchange.open_orders(account, coin) if order.reduce_only]:
        if lots * order.sign >= 0 or not spare:
            order_execution.cancel(exchange, order, "reduceOnlyCanceled")
        elif order.rests:
            if order.left > spare:
                exchange.market(coin).book.reduce(order.oid, spare)
                order.left = spare
                order_execution.announce(exchange, order, "open")
            spare -= order.left
