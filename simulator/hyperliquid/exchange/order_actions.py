"""The actions on orders: order, cancel, modify and the scheduled cancel."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulator.hyperliquid.exchange import (
    action_parser,
    errors,
    order_checks,
    order_execution,
    post_trade,
    triggers,
)
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.action_parser import ParsedOrder
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import BatchRefused, OrderRefused, Refused
from simulator.hyperliquid.exchange.fees import day_of
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.numbers import decimal_text

Action = dict[str, Any]
MIN_SCHEDULE_DELAY = 5_000
MAX_TRIGGERS_PER_DAY = 10
MILLION = 1_000_000


def _statuses(kind: str, rows: list[Any]) -> Action:
    return {"type": kind, "data": {"statuses": rows}}


# --- order -------------------------------------------------------------------------------------
def order(exchange: Exchange, account: Account, action: Action) -> Action:
    """Place a batch: one status per order, or one error for the batch."""
    parsed = [action_parser.order(row) for row in action_parser.rows(action.get("orders"))]
    grouping = action_parser.grouping(action.get("grouping"))
    builder = action_parser.builder(action.get("builder"))
    if builder and account.builders.get(builder[0], 0) < builder[1]:
        raise Refused("Builder fee has not been approved.")
    try:
        order_checks.batch_check(exchange, parsed)
    except BatchRefused as refusal:
        return _statuses("order", order_execution.batch_error(refusal))
    if grouping != "na":
        return _statuses("order", _place_group(exchange, account, parsed, grouping, builder))
    return _statuses("order", [_place_one(exchange, account, row, builder) for row in parsed])


def _order_make(
    exchange: Exchange, account: Account, parsed: ParsedOrder, builder: tuple[str, int] | None
) -> Order:
    new_order = order_execution.order_make(exchange, account, parsed)
    new_order.builder = builder
    return new_order


def _place_one(
    exchange: Exchange, account: Account, parsed: ParsedOrder, builder: tuple[str, int] | None
) -> Any:
    try:
        new_order = _order_make(exchange, account, parsed, builder)
    except OrderRefused as refusal:
        return {"error": f"{refusal.text} asset={parsed.asset}"}
    if new_order.trigger:
        return _arm(exchange, account, new_order)
    status = order_execution.place(exchange, account, new_order)
    post_trade.settle(exchange)
    return status


def _arm(exchange: Exchange, account: Account, new_order: Order) -> Any:
    try:
        order_checks.new_order_check(exchange, account, new_order)
        order_execution.enter(exchange, new_order)
        triggers.arm(exchange, new_order)
    except OrderRefused as refusal:
        order_execution.refused(exchange, new_order, refusal)
        return order_execution.error(exchange, new_order.coin, refusal)
    return {"resting": {"oid": new_order.oid} | ({"cloid": new_order.cloid} if new_order.cloid else {})}


def _place_group(
    exchange: Exchange, account: Account, parsed: list[ParsedOrder], grouping: str, builder: Any
) -> list[Any]:
    """Place a TP/SL group; with `normalTpsl` the first order is the parent."""
    follows = grouping == "positionTpsl"
    statuses: list[Any] = []
    parent: Order | None = None
    first_oid = exchange.next_oid
    for place, row in enumerate(parsed):
        if place == 0 and not follows:
            statuses.append(_place_one(exchange, account, row, builder))
            parent = exchange.orders.get(first_oid)
            continue
        statuses.append(
            _place_child(exchange, account, row, parent, first_oid if not follows else -first_oid)
        )
    return statuses


def _place_child(
    exchange: Exchange, account: Account, parsed: ParsedOrder, parent: Order | None, group: int
) -> Any:
    """Place a TP/SL child; a negative `group` means that its size follows the position."""
    if group > 0 and (parent is None or not (parent.live or parent.status == "filled")):
        return {"error": f"Parent order was not placed. asset={parsed.asset}"}
    try:
        new_order = _order_make(exchange, account, parsed, None)
    except OrderRefused as refusal:
        return {"error": f"{refusal.text} asset={parsed.asset}"}
    new_order.group, new_order.follows = abs(group), group < 0
    if parent is None or parent.status == "filled":
        answer = _arm(exchange, account, new_order)
        return "waitingForTrigger" if parent and "resting" in answer else answer
    order_execution.enter(exchange, new_order)
    triggers.defer_child(exchange, new_order, parent)
    return "waitingForFill"


# --- cancel ------------------------------------------------------------------------------------
def cancel(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [
        (action_parser.whole(row.get("a")), action_parser.whole(row.get("o")))
        for row in action_parser.rows(action.get("cancels"))
    ]
    return _statuses("cancel", [_cancel_one(exchange, account, *pair, action) for pair in found])


def cancel_by_cloid(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [
        (action_parser.whole(row.get("asset")), action_parser.cloid(row.get("cloid")))
        for row in action_parser.rows(action.get("cancels"))
    ]
    return _statuses("cancel", [_cancel_one(exchange, account, *pair, action) for pair in found])


def find(exchange: Exchange, account: Account, oid: int | str) -> Order | None:
    """The latest order of the account with that oid or client order ID, in any status."""
    if isinstance(oid, str):
        oid = exchange.by_cloid.get((account.address, oid), -1)
    found = exchange.orders.get(oid)
    return found if found and found.owner == account.address else None


def _cancel_one(exchange: Exchange, account: Account, asset: int, oid: int | str, action: Action) -> Any:
    found = find(exchange, account, oid)
    fast_and_waiting = bool(found and found.trigger and action.get("f"))
    if found is None or not found.live or exchange.asset_of[found.coin] != asset or fast_and_waiting:
        return {"error": f"{errors.NEVER_PLACED} asset={asset}"}
    order_execution.cancel(exchange, found)
    post_trade.settle(exchange)
    return "success"


# --- modify ------------------------------------------------------------------------------------
def modify(exchange: Exchange, account: Account, action: Action) -> Action:
    status = _modify_one(exchange, account, *_modification(action), always=action.get("a") is True)
    if isinstance(status, dict) and "error" in status:
        raise Refused(status["error"])
    return {"type": "default"}


def batch_modify(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [_modification(row) for row in action_parser.rows(action.get("modifies"))]
    always = action.get("a") is True
    return _statuses("order", [_modify_one(exchange, account, *pair, always=always) for pair in found])


def _modification(row: Action) -> tuple[int | str, ParsedOrder]:
    return action_parser.oid_or_cloid(row.get("oid")), action_parser.order(row.get("order"))


def _modify_one(
    exchange: Exchange, account: Account, oid: int | str, parsed: ParsedOrder, *, always: bool
) -> Any:
    """Cancel the order and place a new one with another oid. Unless `always`, the new order must be post-only."""
    target = find(exchange, account, oid)
    if target is None or not target.live:
        return {"error": errors.MODIFY_NOT_FOUND}
    if exchange.asset_of[target.coin] != parsed.asset or target.side != parsed.side:
        return {"error": f"Cannot modify asset or side of order. asset={parsed.asset}"}
    if not always:
        if parsed.trigger or parsed.tif not in ("Gtc", "Alo"):
            return {"error": f"Modified order must be post only. asset={parsed.asset}"}
        parsed = replace(parsed, tif="Alo")
    try:
        order_checks.batch_check(exchange, [parsed])
    except BatchRefused as refusal:
        return {"error": str(refusal)}
    order_execution.cancel(exchange, target)
    return _place_one(exchange, account, parsed, target.builder)


# --- scheduled cancel --------------------------------------------------------------------------
def schedule_cancel(exchange: Exchange, account: Account, action: Action) -> Action:
    time = action.get("time")
    if time is not None:
        _schedule_check(exchange, account, action_parser.whole(time))
    account.schedule = time
    exchange.mark_dirty(account)
    return {"type": "default"}


def _schedule_check(exchange: Exchange, account: Account, time: int) -> None:
    required = exchange.rules.schedule_cancel_volume
    if account.volume < required * MILLION:
        traded = decimal_text(account.volume // 10_000, 2)
        raise Refused(
            "Cannot set scheduled cancel time until enough volume traded. "
            f"Required: ${required}. Traded: ${traded}."
        )
    if time < exchange.now + MIN_SCHEDULE_DELAY:
        raise Refused("Scheduled cancel time must be at least 5 seconds in the future.")
    if account.fired[0] == day_of(exchange.now) and account.fired[1] >= MAX_TRIGGERS_PER_DAY:
        raise Refused("Too many scheduled cancels today.")


def schedules_fire(exchange: Exchange) -> None:
    """Cancel all orders of every account with a due scheduled cancel."""
    for account in exchange.accounts.values():
        if account.schedule is None or exchange.now < account.schedule:
            continue
        account.schedule = None
        day = day_of(exchange.now)
        account.fired = [day, account.fired[1] + 1 if account.fired[0] == day else 1]
        exchange.mark_dirty(account)
        for found in list(exchange.open_orders(account)):
            if found.live:
                order_execution.cancel(exchange, found, "scheduledCancel")


HANDLERS: dict[str, Callable[[Exchange, Account, Action], Action]] = {
    "order": order,
    "cancel": cancel,
    "cancelByCloid": cancel_by_cloid,
    "modify": modify,
    "batchModify": batch_modify,
    "scheduleCancel": schedule_cancel,
}
