"""Encoder of orders as Hyperliquid actions. Pure. Raises `ValueError` for orders that cannot be encoded."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from market.domain.orders import TRIGGERED, CancelSpec, ModifySpec, OrderKind, OrderSpec, Tif
from market.venues.hyperliquid import signing
from market.venues.hyperliquid.signing import OrderWire, Trigger

_TIFS: dict[Tif, signing.Tif] = {"gtc": "Gtc", "ioc": "Ioc", "alo": "Alo"}
_MARKET_TRIGGERS: frozenset[OrderKind] = frozenset({"stop_market", "take_profit_market"})
_STOPS: frozenset[OrderKind] = frozenset({"stop_market", "stop_limit"})


def order_wire(order: OrderSpec, assets: Mapping[str, int]) -> OrderWire:
    """Encode an order. A market order is an immediate-or-cancel limit order at its worst price."""
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
    """Cancel by venue ids when all are known, else by client ids: one action supports one type of id."""
    if all(cancel.venue_id is not None for cancel in cancels):
        return signing.cancel_action([(assets[c.symbol], int(c.venue_id or "")) for c in cancels])
    if any(cancel.client_id is None for cancel in cancels):
        raise ValueError("one action cannot cancel by both venue ids and client ids")
    return signing.cancel_by_client_id_action([(assets[c.symbol], c.client_id or "") for c in cancels])


def modify_action(changes: Sequence[ModifySpec], assets: Mapping[str, int]) -> dict[str, Any]:
    """Modify orders. Without the flag `a`, an order that is no longer open is not placed again."""
    return signing.modify_action([(_target(c.target), order_wire(c.order, assets)) for c in changes])


def _target(target: CancelSpec) -> int | str:
    if target.venue_id is not None:
        return int(target.venue_id)
    if target.client_id is None:
        raise ValueError("the order to modify has no id")
    return target.client_id.lower()
