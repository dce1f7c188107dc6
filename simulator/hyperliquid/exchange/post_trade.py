"""Post-trade processing: status of resting orders, trigger children, and reduce-only orders after matches."""

from simulator.hyperliquid.exchange import order_execution, triggers
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.orders import Order


def settle(exchange: Exchange) -> None:
    """Process all matches; repeats until there are no new ones, because children fired here may match again."""
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
    if order.remaining:
        order_execution.announce(exchange, order, "open")
    else:
        order_execution.finish(exchange, order, "filled")
        triggers.children_arm(exchange, order)
    if order.group is not None:
        triggers.siblings_cancel(exchange, order)


def reduce_only_prune(exchange: Exchange, account: Account, coin: str) -> None:
    """Limit the total of reduce-only orders to the position: the newest are reduced or cancelled first."""
    lots = exchange.position(account, coin).lots
    spare = abs(lots)
    for order in [order for order in exchange.open_orders(account, coin) if order.reduce_only]:
        if lots * order.sign >= 0 or not spare:
            order_execution.cancel(exchange, order, "reduceOnlyCanceled")
        elif order.rests:
            if order.remaining > spare:
                exchange.market(coin).book.reduce(order.oid, spare)
                order.remaining = spare
                order_execution.announce(exchange, order, "open")
            spare -= order.remaining
