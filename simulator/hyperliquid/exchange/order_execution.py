"""Order execution: the single path by which actions, triggers, TWAPs and liquidations place and end orders."""

from typing import Any

from market.domain.book_levels import RestingOrder
from market.domain.matching import (
    OTHER,
    Cancelled,
    CancelReason,
    NewOrder,
    Rejected,
    RejectReason,
    TimeInForce,
)
from simulator.hyperliquid.exchange import order_checks, order_payloads
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.action_parser import ParsedOrder
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import BatchRefused, OrderRefused
from simulator.hyperliquid.exchange.orders import Order, Trigger
from simulator.markets.world import Market

TIFS: dict[str, TimeInForce] = {
    "Gtc": "gtc", "Ioc": "ioc", "Alo": "alo", "FrontendMarket": "ioc", "LiquidationMarket": "ioc",
}  # fmt: skip
NOT_OF_USER = ("scheduledCancel", "liquidatedCanceled", "selfTradeCanceled", "marginCanceled")


# --- creation ----------------------------------------------------------------------------------
def order_make(exchange: Exchange, account: Account, parsed: ParsedOrder) -> Order:
    """Create an order with an oid. Raises `OrderRefused`; a rejection with a status is added to the history."""
    listing = order_checks.listing_of(exchange, parsed.asset)
    lots = order_checks.lots_of(listing, parsed.size)
    order = Order(
        oid=exchange.next_oid,
        owner=account.address,
        coin=listing.coin,
        side=parsed.side,
        price=int(parsed.price.scaleb(listing.price_decimals)),
        size=lots,
        remaining=lots,
        tif=parsed.tif,
        time=exchange.now,
        reduce_only=parsed.reduce_only,
        cloid=parsed.cloid,
        status_time=exchange.now,
        reported_size=lots,
    )
    try:
        order.price = order_checks.price_units(listing, parsed)
        if parsed.trigger:
            price = order_checks.trigger_units(listing, parsed)
            order.trigger = Trigger(parsed.trigger.market, price, parsed.trigger.purpose)
            order.reduce_only = True
    except OrderRefused as refusal:
        refused(exchange, order, refusal)
        raise
    return order


def refused(exchange: Exchange, order: Order, refusal: OrderRefused) -> None:
    """Add a rejected order to the history, if the venue keeps this kind of rejection."""
    if refusal.status is None:
        return
    exchange.next_oid = max(exchange.next_oid, order.oid + 1)
    enter(exchange, order)
    finish(exchange, order, refusal.status)


def enter(exchange: Exchange, order: Order) -> None:
    """Register an order under its oid and client order ID."""
    exchange.next_oid = max(exchange.next_oid, order.oid + 1)
    exchange.orders[order.oid] = order
    if order.cloid:
        exchange.by_cloid[order.owner, order.cloid] = order.oid
    exchange.touched.orders.add(order.oid)


# --- status ------------------------------------------------------------------------------------
def announce(exchange: Exchange, order: Order, status: str) -> None:
    """Publish a new status of the order, or a new size with the same status."""
    order.status, order.status_time, order.reported_size = status, exchange.now, order.remaining
    exchange.touched.orders.add(order.oid)
    listing = exchange.market(order.coin).listing
    update = {
        "order": order_payloads.basic(listing, order),
        "status": status,
        "statusTimestamp": exchange.now,
    }
    exchange.notify(order.owner, "order", update)


def finish(exchange: Exchange, order: Order, status: str) -> None:
    """End the order with a final status. Unless it was filled, its dormant children are cancelled."""
    account = exchange.accounts[order.owner]
    account.open.pop(order.oid, None)
    exchange.armed.get(order.coin, {}).pop(order.oid, None)
    order.armed = order.dormant = False
    announce(exchange, order, status)
    if len(account.history) == account.history.maxlen:
        _history_drop(exchange, account.history[0])
    account.history.append(order.oid)
    exchange.mark_dirty(account)
    if status in NOT_OF_USER:
        exchange.notify(order.owner, "cancel", {"coin": order.coin, "oid": order.oid})
    if status != "filled":
        for child in [exchange.orders[oid] for oid in order.children if oid in exchange.orders]:
            if child.live and child.dormant:
                finish(exchange, child, "canceled")


def _history_drop(exchange: Exchange, oid: int) -> None:
    exchange.touched.orders.add(oid)
    removed = exchange.orders.pop(oid, None)
    if removed and removed.cloid and exchange.by_cloid.get((removed.owner, removed.cloid)) == oid:
        del exchange.by_cloid[removed.owner, removed.cloid]


def cancel(exchange: Exchange, order: Order, status: str = "canceled") -> None:
    """Cancel a live order, in the book or outside it."""
    if order.rests:
        exchange.market(order.coin).cancel(order.oid, CancelReason.REQUESTED)
    finish(exchange, order, status)


# --- matching ----------------------------------------------------------------------------------
def execute(exchange: Exchange, order: Order) -> None:
    """Match a registered order; the rest of it rests or is cancelled. Raises `OrderRefused` if it could not enter."""
    market, account = exchange.market(order.coin), exchange.accounts[order.owner]
    lots, capped = order.remaining, False
    if order.reduce_only and not market.listing.is_spot:
        lots = min(order.remaining, _reducible(exchange, account, order))
        capped = lots < order.remaining
    if lots <= 0:
        raise OrderRefused("Reduce only order would increase position.", "reduceOnlyRejected")
    account.open[order.oid] = None
    exchange.mark_dirty(account)
    if exchange.parts > 1 and order.tif not in ("Alo", "LiquidationMarket"):
        lots = _first_part(exchange, order, lots)
    _submit(exchange, order, lots, "ioc" if order.oid in exchange.slicing else TIFS[order.tif])
    _conclude(exchange, order, capped=capped)


def _submit(exchange: Exchange, order: Order, lots: int, tif: TimeInForce) -> None:
    """Submit to the matching engine. Own resting orders that it would trade with are cancelled."""
    market = exchange.market(order.coin)
    new = NewOrder(order.oid, order.owner, order.side, order.price, lots, tif, order.cloid)
    for event in market.submit(new, exchange.now, exchange.world.trade_ids()):
        if isinstance(event, Rejected):
            exchange.accounts[order.owner].open.pop(order.oid)
            raise _rejection(market, event.reason)
        if isinstance(event, Cancelled) and event.reason is CancelReason.SELF_TRADE:
            finish(exchange, exchange.orders[event.order_id], "selfTradeCanceled")


def _first_part(exchange: Exchange, order: Order, lots: int) -> int:
    """Fault `partial_fills`: an IOC order matches only its first part, a GTC order one part per block."""
    part = -(-lots // exchange.parts)
    if order.tif == "Gtc" and part < lots and _crosses(exchange, order):
        exchange.slicing[order.oid] = part
    return part if order.oid in exchange.slicing or order.tif != "Gtc" else lots


def _crosses(exchange: Exchange, order: Order) -> bool:
    best = exchange.market(order.coin).book.best(OTHER[order.side])
    return best is not None and (best - order.price) * order.sign <= 0


def slices_continue(exchange: Exchange) -> None:
    """Match the next part of sliced orders; an order that no longer crosses rests."""
    for oid, part in list(exchange.slicing.items()):
        order = exchange.orders.get(oid)
        if order is None or not order.live:
            del exchange.slicing[oid]
            continue
        lots = min(part, order.remaining)
        if lots == order.remaining or not _crosses(exchange, order):
            lots = order.remaining
            del exchange.slicing[oid]
        before = order.remaining
        _submit(exchange, order, lots, "ioc" if oid in exchange.slicing else "gtc")
        if order.remaining < before:
            exchange.hit[oid] = None  # `settle` publishes the fill, as for any resting order


def _reducible(exchange: Exchange, account: Account, order: Order) -> int:
    lots = exchange.position(account, order.coin).lots
    return abs(lots) if lots * order.sign < 0 else 0


def _conclude(exchange: Exchange, order: Order, *, capped: bool) -> None:
    market = exchange.market(order.coin)
    resting = market.book.order(order.oid)
    if order.oid in exchange.slicing:
        announce(exchange, order, "open")
    elif not order.remaining:
        finish(exchange, order, "filled")
    elif resting is not None:
        order.remaining = resting.size  # less than requested when the position is smaller
        announce(exchange, order, "open")
    elif order.filled:
        # The rest of an IOC order: part of it was filled, so the venue reports the status cancelled.
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


# --- responses ---------------------------------------------------------------------------------
def answer(exchange: Exchange, order: Order) -> dict[str, Any]:
    """The response status of an order that was just executed."""
    filled = order.filled
    if order.status == "open" and (not filled or exchange.rules.partial_ack == "resting"):
        return order_payloads.placed(order, "resting")
    listing = exchange.market(order.coin).listing
    return order_payloads.placed(
        order,
        "filled",
        totalSz=listing.size_text(filled),
        avgPx=order_payloads.average_text(listing, taken_notional(exchange, order), filled),
    )


def taken_notional(exchange: Exchange, order: Order) -> int:
    """Notional (price units times lots) that the order took on entry."""
    trades = exchange.market(order.coin).trades
    return sum(trade.price * trade.lots for trade in trades if trade.order == order.oid)


def place(exchange: Exchange, account: Account, order: Order) -> dict[str, Any]:
    """Check, register and execute an order. A rejection is returned as an error status, not raised."""
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


class ReduceOnlyLimiter:
    """A `market.domain.book_levels.ReduceOnlyCap` for one perpetual.

    A sweep may fill several orders of one account before any fill is posted; `_unbooked` holds the difference.
    """

    def __init__(self, exchange: Exchange, coin: str) -> None:
        self._exchange = exchange
        self._coin = coin
        self._unbooked: dict[str, int] = {}

    def spare(self, order: RestingOrder) -> int:
        account_order = self._exchange.orders.get(order.id)
        if account_order is None or not account_order.reduce_only:
            return order.size
        account = self._exchange.accounts[account_order.owner]
        lots = self._exchange.position(account, self._coin).lots + self._unbooked.get(account_order.owner, 0)
        return min(order.size, abs(lots)) if lots * account_order.sign < 0 else 0

    def matched(self, order: RestingOrder, size: int) -> None:
        if order.id in self._exchange.orders:
            self._add(order.owner, size if order.side == "buy" else -size)

    def booked(self, owner: str, lots: int) -> None:
        """A match reported to `matched` has been posted to the position; `lots` is the signed change."""
        self._add(owner, -lots)

    def _add(self, owner: str, lots: int) -> None:
        self._unbooked[owner] = self._unbooked.get(owner, 0) + lots
        if not self._unbooked[owner]:
            del self._unbooked[owner]
