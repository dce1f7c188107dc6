"""Trigger orders: wait for the mark price, for the parent's fill, or are cancelled by a sibling's fill."""

from simulator.hyperliquid.exchange import order_checks, order_execution, order_payloads
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import OrderRefused
from simulator.hyperliquid.exchange.orders import Order

SLIPPAGE = 10  # per cent, of market orders fired by a trigger


def satisfied(exchange: Exchange, order: Order) -> bool:
    """Whether the mark price has reached the trigger price."""
    if order.trigger is None:
        return False
    mark = exchange.market(order.coin).mark
    return mark >= order.trigger.price if order_payloads.fires_above(order) else mark <= order.trigger.price


def arm(exchange: Exchange, order: Order) -> None:
    """Arm the order: it waits for the mark price. Raises `OrderRefused` when the price is already reached."""
    if satisfied(exchange, order):
        raise OrderRefused("Invalid TP/SL price.", "badTriggerPxRejected")
    account = exchange.accounts[order.owner]
    order.dormant, order.armed = False, True
    account.open[order.oid] = None
    exchange.armed.setdefault(order.coin, {})[order.oid] = None
    exchange.mark_dirty(account)
    order_execution.announce(exchange, order, "open")


def defer_child(exchange: Exchange, order: Order, parent: Order) -> None:
    """Keep a child dormant until its parent is filled."""
    order.dormant, order.parent = True, parent.oid
    parent.children.append(order.oid)
    exchange.touched.orders |= {order.oid, parent.oid}


def children_arm(exchange: Exchange, parent: Order) -> None:
    """Arm the children of a filled parent. A child with a trigger price already reached is rejected."""
    for child in [exchange.orders[oid] for oid in parent.children if oid in exchange.orders]:
        if not child.dormant:
            continue
        try:
            arm(exchange, child)
        except OrderRefused as refusal:
            order_execution.finish(exchange, child, refusal.status or "rejected")


def siblings_cancel(exchange: Exchange, order: Order) -> None:
    """Cancel the siblings of an order of a group that was filled."""
    account = exchange.accounts[order.owner]
    siblings = [exchange.orders[oid] for oid in account.open if exchange.orders[oid].group == order.group]
    for sibling in siblings:
        if sibling.oid != order.oid:
            order_execution.cancel(exchange, sibling, "siblingFilledCanceled")


# --- firing ------------------------------------------------------------------------------------
def fire_due(exchange: Exchange) -> None:
    """Fire every armed order with a trigger price that the mark price has reached."""
    armed_oids = [oid for oids in exchange.armed.values() for oid in oids]
    for order in [exchange.orders[oid] for oid in armed_oids]:
        if order.armed and satisfied(exchange, order):
            fire(exchange, order)


def fire(exchange: Exchange, order: Order) -> None:
    exchange.armed[order.coin].pop(order.oid, None)
    order.armed = False
    _set_size_and_price(exchange, order)
    order_execution.announce(exchange, order, "triggered")
    try:
        order_checks.funds_check(exchange, exchange.accounts[order.owner], order)
        order_execution.execute(exchange, order)
    except OrderRefused as refusal:
        order_execution.finish(exchange, order, refusal.status or "rejected")
    if order.group is not None and order.filled:
        siblings_cancel(exchange, order)


def _set_size_and_price(exchange: Exchange, order: Order) -> None:
    """Set the size of an order that follows the position, and the limit price of a market order."""
    if order.follows:
        position = exchange.position(exchange.accounts[order.owner], order.coin)
        order.size = order.remaining = abs(position.lots)
    if order.trigger and order.trigger.market:
        market = exchange.market(order.coin)
        limit = market.mark * (100 + order.sign * SLIPPAGE) // 100
        order.price = market.listing.ceil(limit) if order.sign > 0 else market.listing.floor(limit)
        order.tif = "Ioc"
