"""Placing and ending orders: the one path for actions, triggers, TWAPs and liquidations."""

from typing import Any

from market.domain.matching import (
    OTHER,
    Cancelled,
    CancelReason,
    NewOrder,
    Rejected,
    RejectReason,
    TimeInForce,
)
from market.simulator.exchange import order_checks, order_payloads
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.action_parser import Wanted
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import BatchRefused, OrderRefused
from market.simulator.exchange.orders import Order, Trigger
from market.simulator.world import Market

TIFS: dict[str, TimeInForce] = {
    "Gtc": "gtc", "Ioc": "ioc", "Alo": "alo", "FrontendMarket": "ioc", "LiquidationMarket": "ioc",
}  # fmt: skip
NOT_OF_USER = ("scheduledCancel", "liquidatedCanceled", "selfTradeCanceled", "marginCanceled")


# --- making ------------------------------------------------------------------------------------
def order_make(exchange: Exchange, account: Account, wanted: Wanted) -> Order:
    """A checked order with an oid. Raises `OrderRefused`; what is refused for cause stays in the history."""
    listing = order_checks.listing_of(exchange, wanted.asset)
    lots = order_checks.lots_of(listing, wanted.size)
    order = Order(
        oid=exchange.next_oid,
        owner=account.address,
        coin=listing.coin,
        side=wanted.side,
        price=int(wanted.price.scaleb(listing.price_decimals)),
        size=lots,
        left=lots,
        tif=wanted.tif,
        time=exchange.now,
        reduce_only=wanted.reduce_only,
        cloid=wanted.cloid,
        status_time=exchange.now,
        shown=lots,
    )
    try:
        order.price = order_checks.price_units(listing, wanted)
        if wanted.trigger:
            price = order_checks.trigger_units(listing, wanted)
            order.trigger = Trigger(wanted.trigger.market, price, wanted.trigger.purpose)
            order.reduce_only = True
    except OrderRefused as refusal:
        refused(exchange, order, refusal)
        raise
    return order


def refused(exchange: Exchange, order: Order, refusal: OrderRefused) -> None:
    """Keep the refused order in the history when the venue does."""
    if refusal.status is None:
        return
    exchange.next_oid = max(exchange.next_oid, order.oid + 1)
    enter(exchange, order)
    finish(exchange, order, refusal.status)


def enter(exchange: Exchange, order: Order) -> None:
    """Register an order under its ids."""
    exchange.next_oid = max(exchange.next_oid, order.oid + 1)
    exchange.orders[order.oid] = order
    if order.cloid:
        exchange.by_cloid[order.owner, order.cloid] = order.oid
    exchange.touched.orders.add(order.oid)


# --- status ------------------------------------------------------------------------------------
def announce(exchange: Exchange, order: Order, status: str) -> None:
    """The order has a new status, or another size under the old one."""
    order.status, order.status_time, order.shown = status, exchange.now, order.left
    exchange.touched.orders.add(order.oid)
    listing = exchange.market(order.coin).listing
    update = {
        "order": order_payloads.basic(listing, order),
        "status": status,
        "statusTimestamp": exchange.now,
    }
    exchange.tell(order.owner, "order", update)


def finish(exchange: Exchange, order: Order, status: str) -> None:
    """The order is over. Its children go with it unless it was filled."""
    account = exchange.accounts[order.owner]
    account.open.pop(order.oid, None)
    exchange.armed.get(order.coin, {}).pop(order.oid, None)
    order.armed = order.dormant = False
    announce(exchange, order, status)
    if len(account.history) == account.history.maxlen:
        _forget(exchange, account.history[0])
    account.history.append(order.oid)
    exchange.touch(account)
    if status in NOT_OF_USER:
        exchange.tell(order.owner, "cancel", {"coin": order.coin, "oid": order.oid})
    if status != "filled":
        for child in [exchange.orders[oid] for oid in order.children if oid in exchange.orders]:
            if child.live and child.dormant:
                finish(exchange, child, "canceled")


def _forget(exchange: Exchange, oid: int) -> None:
    exchange.touched.orders.add(oid)
    gone = exchange.orders.pop(oid, None)
    if gone and gone.cloid and exchange.by_cloid.get((gone.owner, gone.cloid)) == oid:
        del exchange.by_cloid[gone.owner, gone.cloid]


def cancel(exchange: Exchange, order: Order, status: str = "canceled") -> None:
    """Take a live order out of wherever it is."""
    if order.rests:
        exchange.market(order.coin).cancel(order.oid, CancelReason.REQUESTED)
    finish(exchange, order, status)


# --- matching ----------------------------------------------------------------------------------
def execute(exchange: Exchange, order: Order) -> None:
    """Match an entered order and let it rest or go. Raises `OrderRefused` when it never was in the book."""
    market, account = exchange.market(order.coin), exchange.accounts[order.owner]
    lots, capped = order.left, False
    if order.reduce_only and not market.listing.is_spot:
        lots = min(order.left, _reducible(exchange, account, order))
        capped = lots < order.left
    if lots <= 0:
        raise OrderRefused("Reduce only order would increase position.", "reduceOnlyRejected")
    account.open[order.oid] = None
    exchange.touch(account)
    if exchange.parts > 1 and order.tif not in ("Alo", "LiquidationMarket"):
        lots = _first_part(exchange, order, lots)
    _submit(exchange, order, lots, "ioc" if order.oid in exchange.slicing else TIFS[order.tif])
    _conclude(exchange, order, capped=capped)


def _submit(exchange: Exchange, order: Order, lots: int, tif: TimeInForce) -> None:
    """Give it to the book. Own orders that stood in its way are gone."""
    market = exchange.market(order.coin)
    new = NewOrder(order.oid, order.owner, order.side, order.price, lots, tif, order.cloid)
    for fact in market.submit(new, exchange.now, exchange.world.trade_ids()):
        if isinstance(fact, Rejected):
            exchange.accounts[order.owner].open.pop(order.oid)
            raise _rejection(market, fact.reason)
        if isinstance(fact, Cancelled) and fact.reason is CancelReason.SELF_TRADE:
            finish(exchange, exchange.orders[fact.order_id], "selfTradeCanceled")


def _first_part(exchange: Exchange, order: Order, lots: int) -> int:
    """Fault `partial_fills`: an immediate order gets a part of what there is, others the rest bit by bit."""
    part = -(-lots // exchange.parts)
    if order.tif == "Gtc" and part < lots and _crosses(exchange, order):
        exchange.slicing[order.oid] = part
    return part if order.oid in exchange.slicing or order.tif != "Gtc" else lots


def _crosses(exchange: Exchange, order: Order) -> bool:
    best = exchange.market(order.coin).book.best(OTHER[order.side])
    return best is not None and (best - order.price) * order.sign <= 0


def slices_continue(exchange: Exchange) -> None:
    """The next part of orders that match bit by bit; what does not cross any more rests."""
    for oid, part in list(exchange.slicing.items()):
        order = exchange.orders.get(oid)
        if order is None or not order.live:
            del exchange.slicing[oid]
            continue
        lots = min(part, order.left)
        if lots == order.left or not _crosses(exchange, order):
            lots = order.left
            del exchange.slicing[oid]
        before = order.left
        _submit(exchange, order, lots, "ioc" if oid in exchange.slicing else "gtc")
        if order.left < before:
            exchange.hit[oid] = None  # settling tells, as of any order that rested


def _reducible(exchange: Exchange, account: Account, order: Order) -> int:
    lots = exchange.position(account, order.coin).lots
    return abs(lots) if lots * order.sign < 0 else 0


def _conclude(exchange: Exchange, order: Order, *, capped: bool) -> None:
    market = exchange.market(order.coin)
    resting = market.book.order(order.oid)
    if order.oid in exchange.slicing:
        announce(exchange, order, "open")
    elif not order.left:
        finish(exchange, order, "filled")
    elif resting is not None:
        order.left = resting.size  # less than was asked for when the position is smaller
        announce(exchange, order, "open")
    elif order.filled:
        # The rest of an immediate order; part of it was filled, so the venue calls it cancelled.
        finish(exchange, order, "reduceOnlyCanceled" if capped else "canceled")
    else:
        exchange.accounts[order.owner].open.pop(order.oid, None)
        raise OrderRefused(
            "Order could not immediately match against any resting orders.", "iocCancelRejected"
        )


def _rejection(market: Market, reason: RejectReason) -> OrderRefused:
    if reason is not RejectReason.WOULD_CROSS:
        return OrderRefused("Order has invalid size.")
    prices = [market.book.best(side) for side in ("buy", "sell")]
    bid, ask = (market.listing.price_text(price).removesuffix(".0") if price else "0" for price in prices)
    text = f"Post only order would have immediately matched, bbo was {bid}@{ask}."
    return OrderRefused(text, "badAloPxRejected")


# --- answering ---------------------------------------------------------------------------------
def answer(exchange: Exchange, order: Order) -> dict[str, Any]:
    """What the client is told about an order that was just executed."""
    filled = order.filled
    if order.status == "open" and (not filled or exchange.rules.partial_ack == "resting"):
        return order_payloads.placed(order, "resting")
    listing = exchange.market(order.coin).listing
    return order_payloads.placed(
        order,
        "filled",
        totalSz=listing.size_text(filled),
        avgPx=order_payloads.average_text(listing, spent(exchange, order), filled),
    )


def spent(exchange: Exchange, order: Order) -> int:
    """Price times lots of what the order took as it came in."""
    trades = exchange.market(order.coin).trades
    return sum(trade.price * trade.lots for trade in trades if trade.order == order.oid)


def place(exchange: Exchange, account: Account, order: Order) -> dict[str, Any]:
    """Check, register and execute. Never raises `OrderRefused`: the answer carries the error."""
    try:
        order_checks.new_order_check(exchange, account, order)
        enter(exchange, order)
        execute(exchange, order)
    except OrderRefused as refusal:
        refused(exchange, order, refusal)
        return error(exchange, order.coin, refusal)
    return answer(exchange, order)


def error(exchange: Exchange, coin: str, refusal: OrderRefused) -> dict[str, Any]:
    return {"error": f"{refusal.text} asset={exchange.asset_of[coin]}"}


def batch_error(refusal: BatchRefused) -> list[dict[str, Any]]:
    return [{"error": str(refusal)}]
