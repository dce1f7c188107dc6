"""Orders and fills in the venue's JSON format."""

from typing import Any

from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.fixed_point import divided
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.numbers import decimal_text
from simulator.markets.universe import Listing

SIDES = {"buy": "B", "sell": "A"}
NO_HASH = "0x" + "0" * 64
_NAMES = {("sl", True): "Stop Market", ("sl", False): "Stop Limit"} | {
    ("tp", True): "Take Profit Market",
    ("tp", False): "Take Profit Limit",
}


def basic(listing: Listing, order: Order, size: int | None = None) -> dict[str, Any]:
    """An order in the format of `openOrders` and `orderUpdates`."""
    payload = {
        "coin": order.coin,
        "side": SIDES[order.side],
        "limitPx": listing.price_text(order.price),
        "sz": listing.size_text(order.remaining if size is None else size),
        "oid": order.oid,
        "timestamp": order.time,
        "origSz": listing.size_text(order.size),
    }
    if order.cloid is not None:
        payload["cloid"] = order.cloid
    if order.reduce_only:
        payload["reduceOnly"] = True
    return payload


def _type(order: Order) -> str:
    if order.trigger:
        return _NAMES[order.trigger.purpose, order.trigger.market]
    return "Market" if order.tif == "FrontendMarket" else "Limit"


def _condition(listing: Listing, order: Order) -> str:
    if not order.trigger:
        return "N/A"
    return f"Price {'above' if fires_above(order) else 'below'} {listing.price_text(order.trigger.price)}"


def fires_above(order: Order) -> bool:
    """Whether the trigger fires at higher prices: true for a stop to buy and for a take-profit to sell."""
    stop = order.trigger is not None and order.trigger.purpose == "sl"
    return stop == (order.side == "buy")


def full(exchange: Exchange, order: Order, size: int | None = None) -> dict[str, Any]:
    """An order in the format of `frontendOpenOrders` and `orderStatus`."""
    listing = exchange.market(order.coin).listing
    children = [exchange.orders[oid] for oid in order.children if oid in exchange.orders]
    return {
        **basic(listing, order, size),
        "triggerCondition": _condition(listing, order),
        "isTrigger": order.trigger is not None,
        "triggerPx": listing.price_text(order.trigger.price) if order.trigger else "0.0",
        "children": [full(exchange, child) for child in children if child.dormant],
        "isPositionTpsl": order.follows,
        "reduceOnly": order.reduce_only,
        "orderType": _type(order),
        "tif": None if order.trigger and order.trigger.market else order.tif,
        "cloid": order.cloid,
    }


def past(exchange: Exchange, order: Order) -> dict[str, Any]:
    """An order with its status; its size is the one at the last status change, not after the last fill."""
    return {
        "order": full(exchange, order, order.reported_size),
        "status": order.status,
        "statusTimestamp": order.status_time,
    }


def average_text(listing: Listing, notional: int, lots: int) -> str:
    """The average price of a fill, with two decimals more than prices have."""
    return decimal_text(divided(notional * 100, lots), listing.price_decimals + 2)


def placed(order: Order, kind: str, **more: Any) -> dict[str, Any]:
    """The response status of a placed order."""
    body = {**more, "oid": order.oid}
    return {kind: body | ({"cloid": order.cloid} if order.cloid else {})}


def direction(account: Account, order: Order, before: int, after: int) -> str:
    """The `dir` field of a perpetual fill, for example "Open Long"."""
    if before * after < 0:
        return "Long > Short" if before > 0 else "Short > Long"
    closing = abs(after) < abs(before)
    long = (before if closing else after) > 0
    return f"{'Close' if closing else 'Open'} {'Long' if long else 'Short'}"
