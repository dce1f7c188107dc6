"""Orders that wait: for the mark price, for their parent's fill, for what their siblings do."""

from market.simulator.exchange import order_checks, order_execution, order_payloads
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import OrderRefused
from market.simulator.exchange.orders import Order

SLIPPAGE = 10  # per cent, of market orders that a trigger fires


def satisfied(exchange: Exchange, order: Order) -> bool:
    """Whether the mark price is where the order waits for it."""
    if order.trigger is None:
        return False
    mark = exchange.market(order.coin).mark
    return mark >= order.trigger.price if order_payloads.fires_above(order) else mark <= order.trigger.price


def arm(exchange: Exchange, order: Order) -> None:
    """Let the order wait for the mark price. Raises `OrderRefused` when that is there already."""
    if satisfied(exchange, order):
        raise OrderRefused("Invalid TP/SL price.", "badTriggerPxRejected")
    account = exchange.accounts[order.owner]
    order.dormant, order.armed = False, True
    account.open[order.oid] = None
    exchange.armed.setdefault(order.coin, {})[order.oid] = None
    exchange.touch(account)
    order_execution.announce(exchange, order, "open")


def hold_back(exchange: Exchange, order: Order, parent: Order) -> None:
    """Keep a child away until its parent is filled."""
    order.dormant, order.parent = True, parent.oid
    parent.children.append(order.oid)
    exchange.touched.orders |= {order.oid, parent.oid}


def children_arm(exchange: Exchange, parent: Order) -> None:
    """The parent is filled: its children begin to wait. One whose price is there already is refused."""
    for child in [exchange.orders[oid] for oid in parent.children if oid in exchange.orders]:
        if not child.dormant:
            continue
        try:
            arm(exchange, child)
        except OrderRefused as refusal:
            order_execution.finish(exchange, child, refusal.status or "rejected")


def siblings_cancel(exchange: Exchange, order: Order) -> None:
    """One of a group was filled."""
    account = exchange.accounts[order.owner]
    siblings = [exchange.orders[oid] for oid in account.open if exchange.orders[oid].group == order.group]
    for sibling in siblings:
        if sibling.oid != order.oid:
            order_execution.cancel(exchange, sibling, "siblingFilledCanceled")


# --- firing ------------------------------------------------------------------------------------
def fire_due(exchange: Exchange) -> None:
    """Fire every order whose price the mark has reached."""
    waiting = [oid for oids in exchange.armed.values() for oid in oids]
    for order in [exchange.orders[oid] for oid in waiting]:
        if order.armed and satisfied(exchange, order):
            fire(exchange, order)


def fire(exchange: Exchange, order: Order) -> None:
    exchange.armed[order.coin].pop(order.oid, None)
    order.armed = False
    _size_up(exchange, order)
    order_execution.announce(exchange, order, "triggered")
    try:
        order_checks.funds_check(exchange, exchange.accounts[order.owner], order)
        order_execution.execute(exchange, order)
    except OrderRefused as refusal:
        order_execution.finish(exchange, order, refusal.status or "rejected")
    if order.group is not None and order.filled:
        siblings_cancel(exchange, order)


def _size_up(exchange: Exchange, order: Order) -> None:
    """The size of the position where the order follows it, and the worst price of a market order."""
    if order.follows:
        position = exchange.position(exchange.accounts[order.owner], order.coin)
        order.size = order.left = abs(position.lots)
    if order.trigger and order.trigger.market:
        market = exchange.market(order.coin)
        worst = market.mark * (100 + order.sign * SLIPPAGE) // 100
        order.price = market.listing.ceil(worst) if order.sign > 0 else market.listing.floor(worst)
        order.tif = "Ioc"
