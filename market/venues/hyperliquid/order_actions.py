"""Domain orders as Hyperliquid's actions. Pure. Raises `ValueError` for what cannot be written."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from market.domain.orders import TRIGGERED, CancelSpec, ModifySpec, OrderKind, OrderSpec, Tif
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.signing import OrderWire, Trigger

_TIFS: dict[Tif, signing.Tif] = {"gtc": "Gtc", "ioc": "Ioc", "alo": "Alo"}
_MARKET_TRIGGERS: frozenset[OrderKind] = frozenset({"stop_market", "take_market"})
_STOPS: frozenset[OrderKind] = frozenset({"stop_market", "stop_limit"})


def order_wire(order: OrderSpec, assets: Mapping[str, int]) -> OrderWire:
    """A market order is an immediate-or-cancel limit order at the worst price."""
    return OrderWire(
        asset=assets[order.symbol],
        side=order.side,
        price=order.price,
        size=order.size,
        tif="Ioc" if order.kind == "market" else _TIFS[order.tif],
        reduce_only=order.reduce_only,
        client_id=order.client_id,
        trigger=_trigger(order),
    )


def _trigger(order: OrderSpec) -> Trigger | None:
    if order.kind not in TRIGGERED:
        return None
    if order.trigger_price is None:
        raise ValueError(f"{order.kind} without a trigger price")
    purpose: Literal["sl", "tp"] = "sl" if order.kind in _STOPS else "tp"
    return Trigger(order.trigger_price, purpose, order.kind in _MARKET_TRIGGERS)


def place_action(orders: Sequence[OrderSpec], assets: Mapping[str, int]) -> dict[str, Any]:
    return signing.order_action([order_wire(order, assets) for order in orders])


def cancel_action(cancels: Sequence[CancelSpec], assets: Mapping[str, int]) -> dict[str, Any]:
    """By the venue's ids where all are known, else by ours: one action takes one sort of id."""
    if all(cancel.venue_id is not None for cancel in cancels):
        return signing.cancel_action([(assets[c.symbol], int(c.venue_id or "")) for c in cancels])
    if any(cancel.client_id is None for cancel in cancels):
        raise ValueError("cancels by different sorts of ids do not fit into one action")
    return signing.cancel_by_client_id_action([(assets[c.symbol], c.client_id or "") for c in cancels])


def modify_action(changes: Sequence[ModifySpec], assets: Mapping[str, int]) -> dict[str, Any]:
    """Without the flag `a`: an order that is gone is not placed anew."""
    return signing.modify_action([(_target(c.target), order_wire(c.order, assets)) for c in changes])


def _target(target: CancelSpec) -> int | str:
    if target.venue_id is not None:
        return int(target.venue_id)
    if target.client_id is None:
        raise ValueError("nothing to modify")
    return target.client_id.lower()
