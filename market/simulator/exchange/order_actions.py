"""The actions on orders: order, cancel, modify and the scheduled cancel."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from market.simulator.exchange import (
    action_parser,
    errors,
    order_checks,
    order_execution,
    post_trade,
    triggers,
)
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.action_parser import Wanted
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import BatchRefused, OrderRefused, Refused
from market.simulator.exchange.fees import day_of
from market.simulator.exchange.orders import Order
from market.simulator.numbers import decimal_text

Action = dict[str, Any]
SOONEST = 5_000
FIRINGS_A_DAY = 10
MILLION = 1_000_000


def _statuses(kind: str, rows: list[Any]) -> Action:
    return {"type": kind, "data": {"statuses": rows}}


# --- order -------------------------------------------------------------------------------------
def order(exchange: Exchange, account: Account, action: Action) -> Action:
    """One answer for each order, or one error for the batch."""
    wanted = [action_parser.order(row) for row in action_parser.rows(action.get("orders"))]
    grouping = action_parser.grouping(action.get("grouping"))
    builder = action_parser.builder(action.get("builder"))
    if builder and account.builders.get(builder[0], 0) < builder[1]:
        raise Refused("Builder fee has not been approved.")
    try:
        order_checks.batch_check(exchange, wanted)
    except BatchRefused as refusal:
        return _statuses("order", order_execution.batch_error(refusal))
    if grouping != "na":
        return _statuses("order", _group(exchange, account, wanted, grouping, builder))
    return _statuses("order", [_single(exchange, account, row, builder) for row in wanted])


def _made(exchange: Exchange, account: Account, wanted: Wanted, builder: tuple[str, int] | None) -> Order:
    made = order_execution.order_make(exchange, account, wanted)
    made.builder = builder
    return made


def _single(exchange: Exchange, account: Account, wanted: Wanted, builder: tuple[str, int] | None) -> Any:
    try:
        made = _made(exchange, account, wanted, builder)
    except OrderRefused as refusal:
        return {"error": f"{refusal.text} asset={wanted.asset}"}
    if made.trigger:
        return _armed(exchange, account, made)
    status = order_execution.place(exchange, account, made)
    post_trade.settle(exchange)
    return status


def _armed(exchange: Exchange, account: Account, made: Order) -> Any:
    try:
        order_checks.new_order_check(exchange, account, made)
        order_execution.enter(exchange, made)
        triggers.arm(exchange, made)
    except OrderRefused as refusal:
        order_execution.refused(exchange, made, refusal)
        return order_execution.error(exchange, made.coin, refusal)
    return {"resting": {"oid": made.oid} | ({"cloid": made.cloid} if made.cloid else {})}


def _group(
    exchange: Exchange, account: Account, wanted: list[Wanted], grouping: str, builder: Any
) -> list[Any]:
    """TP/SL orders that belong together; with `normalTpsl` the first order is their parent."""
    follows = grouping == "positionTpsl"
    answers: list[Any] = []
    parent: Order | None = None
    first_oid = exchange.next_oid
    for place, row in enumerate(wanted):
        if place == 0 and not follows:
            answers.append(_single(exchange, account, row, builder))
            parent = exchange.orders.get(first_oid)
            continue
        answers.append(_child(exchange, account, row, parent, first_oid if not follows else -first_oid))
    return answers


def _child(exchange: Exchange, account: Account, wanted: Wanted, parent: Order | None, group: int) -> Any:
    """`group` below zero: the size is that of the position."""
    if group > 0 and (parent is None or not (parent.live or parent.status == "filled")):
        return {"error": f"Parent order was not placed. asset={wanted.asset}"}
    try:
        made = _made(exchange, account, wanted, None)
    except OrderRefused as refusal:
        return {"error": f"{refusal.text} asset={wanted.asset}"}
    made.group, made.follows = abs(group), group < 0
    if parent is None or parent.status == "filled":
        answer = _armed(exchange, account, made)
        return "waitingForTrigger" if parent and "resting" in answer else answer
    order_execution.enter(exchange, made)
    triggers.hold_back(exchange, made, parent)
    return "waitingForFill"


# --- cancel ------------------------------------------------------------------------------------
def cancel(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [
        (action_parser.whole(row.get("a")), action_parser.whole(row.get("o")))
        for row in action_parser.rows(action.get("cancels"))
    ]
    return _statuses("cancel", [_cancelled(exchange, account, *pair, action) for pair in found])


def cancel_by_cloid(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [
        (action_parser.whole(row.get("asset")), action_parser.cloid(row.get("cloid")))
        for row in action_parser.rows(action.get("cancels"))
    ]
    return _statuses("cancel", [_cancelled(exchange, account, *pair, action) for pair in found])


def find(exchange: Exchange, account: Account, oid: int | str) -> Order | None:
    """The latest order of that id, whatever became of it; only the account's own."""
    if isinstance(oid, str):
        oid = exchange.by_cloid.get((account.address, oid), -1)
    found = exchange.orders.get(oid)
    return found if found and found.owner == account.address else None


def _cancelled(exchange: Exchange, account: Account, asset: int, oid: int | str, action: Action) -> Any:
    found = find(exchange, account, oid)
    fast_and_waiting = bool(found and found.trigger and action.get("f"))
    if found is None or not found.live or exchange.asset_of[found.coin] != asset or fast_and_waiting:
        return {"error": f"{errors.NEVER_PLACED} asset={asset}"}
    order_execution.cancel(exchange, found)
    post_trade.settle(exchange)
    return "success"


# --- modify ------------------------------------------------------------------------------------
def modify(exchange: Exchange, account: Account, action: Action) -> Action:
    status = _modified(exchange, account, *_modification(action), always=action.get("a") is True)
    if isinstance(status, dict) and "error" in status:
        raise Refused(status["error"])
    return {"type": "default"}


def batch_modify(exchange: Exchange, account: Account, action: Action) -> Action:
    found = [_modification(row) for row in action_parser.rows(action.get("modifies"))]
    always = action.get("a") is True
    return _statuses("order", [_modified(exchange, account, *pair, always=always) for pair in found])


def _modification(row: Action) -> tuple[int | str, Wanted]:
    return action_parser.oid_or_cloid(row.get("oid")), action_parser.order(row.get("order"))


def _modified(exchange: Exchange, account: Account, oid: int | str, wanted: Wanted, *, always: bool) -> Any:
    """Cancel and place anew under another oid. Unless `always`, the new order must be post-only."""
    target = find(exchange, account, oid)
    if target is None or not target.live:
        return {"error": errors.MODIFY_GONE}
    if exchange.asset_of[target.coin] != wanted.asset or target.side != wanted.side:
        return {"error": f"Cannot modify asset or side of order. asset={wanted.asset}"}
    if not always:
        if wanted.trigger or wanted.tif not in ("Gtc", "Alo"):
            return {"error": f"Modified order must be post only. asset={wanted.asset}"}
        wanted = replace(wanted, tif="Alo")
    try:
        order_checks.batch_check(exchange, [wanted])
    except BatchRefused as refusal:
        return {"error": str(refusal)}
    order_execution.cancel(exchange, target)
    return _single(exchange, account, wanted, target.builder)


# --- scheduled cancel --------------------------------------------------------------------------
def schedule_cancel(exchange: Exchange, account: Account, action: Action) -> Action:
    time = action.get("time")
    if time is not None:
        _schedule_check(exchange, account, action_parser.whole(time))
    account.schedule = time
    exchange.touch(account)
    return {"type": "default"}


def _schedule_check(exchange: Exchange, account: Account, time: int) -> None:
    required = exchange.rules.schedule_cancel_volume
    if account.volume < required * MILLION:
        traded = decimal_text(account.volume // 10_000, 2)
        raise Refused(
            "Cannot set scheduled cancel time until enough volume traded. "
            f"Required: ${required}. Traded: ${traded}."
        )
    if time < exchange.now + SOONEST:
        raise Refused("Scheduled cancel time must be at least 5 seconds in the future.")
    if account.fired[0] == day_of(exchange.now) and account.fired[1] >= FIRINGS_A_DAY:
        raise Refused("Too many scheduled cancels today.")


def schedules_fire(exchange: Exchange) -> None:
    """Cancel everything of the accounts whose time has come."""
    for account in exchange.accounts.values():
        if account.schedule is None or exchange.now < account.schedule:
            continue
        account.schedule = None
        day = day_of(exchange.now)
        account.fired = [day, account.fired[1] + 1 if account.fired[0] == day else 1]
        exchange.touch(account)
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
