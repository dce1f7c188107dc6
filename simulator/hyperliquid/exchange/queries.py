"""`POST /info` requests on accounts; requests on market data are passed to `simulator.hyperliquid.info`."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from simulator.hyperliquid import info
from simulator.hyperliquid.exchange import (
    account_state,
    action_parser,
    agents,
    order_actions,
    order_payloads,
    twap,
)
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import Unprocessable
from simulator.hyperliquid.exchange.fixed_point import decimal_of
from simulator.hyperliquid.exchange.orders import Order
from simulator.hyperliquid.info import Reply

Request = dict[str, Any]
Handler = Callable[[Exchange, Account, Request], Any]
PAGE = 500
MAX_FILLS = 2_000
MAX_HISTORY = 2_000


def answer(exchange: Exchange, request: Any) -> Reply:
    """The venue's response to a decoded request body."""
    kind = request.get("type") if isinstance(request, dict) else None
    if not isinstance(kind, str) or kind not in HANDLERS:
        return info.answer(exchange.world, request)
    if request.get("dex") not in (None, ""):
        return Reply(200, None)
    try:
        address = action_parser.address(request.get("user"))
        return Reply(200, HANDLERS[kind](exchange, exchange.accounts.get(address, Account(address)), request))
    except Unprocessable:
        return Reply(422, info.UNPROCESSABLE)


# --- orders ------------------------------------------------------------------------------------
def _open_orders(exchange: Exchange, account: Account, request: Request) -> Any:
    return [
        order_payloads.basic(exchange.market(order.coin).listing, order)
        for order in exchange.open_orders(account)
    ]


def frontend_orders(exchange: Exchange, account: Account, request: Request | None = None) -> Any:
    return [order_payloads.full(exchange, order) for order in exchange.open_orders(account)]


def _order_status(exchange: Exchange, account: Account, request: Request) -> Any:
    found = order_actions.find(exchange, account, action_parser.oid_or_cloid(request.get("oid")))
    if found is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": order_payloads.past(exchange, found)}


def history(exchange: Exchange, account: Account, request: Request | None = None) -> Any:
    """Order history, newest first, including open orders."""
    oids = {*account.history, *account.open}
    orders: Iterable[Order] = (exchange.orders[oid] for oid in oids if oid in exchange.orders)
    rows = sorted(orders, key=lambda order: (order.status_time, order.oid), reverse=True)
    return [order_payloads.past(exchange, order) for order in rows[:MAX_HISTORY]]


# --- fills and money ---------------------------------------------------------------------------
def aggregated(fills: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge the fills of one crossing order at one time into one row."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for fill in fills:
        key = (fill["oid"], fill["time"], fill["crossed"])
        groups.setdefault(key if fill["crossed"] else (fill["tid"],), []).append(fill)
    return [_merged(rows) if len(rows) > 1 else rows[0] for rows in groups.values()]


def _merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = [decimal_of(row["sz"]) for row in rows]
    size, zero = sum(sizes, Decimal(0)), Decimal(0)
    paid = sum((lots * decimal_of(row["px"]) for lots, row in zip(sizes, rows, strict=True)), zero)
    sums = {name: str(sum(decimal_of(row[name]) for row in rows)) for name in ("fee", "closedPnl")}
    return {**rows[0], **sums, "sz": str(size), "px": f"{(paid / size).normalize():f}"}


def recent_fills(account: Account, *, aggregate: bool = False) -> list[dict[str, Any]]:
    """The most recent fills, newest first."""
    fills = list(account.fills)[-MAX_FILLS:]
    return (aggregated(fills) if aggregate else fills)[::-1]


def _fills(exchange: Exchange, account: Account, request: Request) -> Any:
    return recent_fills(account, aggregate=bool(request.get("aggregateByTime")))


def _fills_by_time(exchange: Exchange, account: Account, request: Request) -> Any:
    found = _within(account.fills, request, exchange.now)
    if request.get("reversed") is True:
        found.reverse()
    return (aggregated(found) if request.get("aggregateByTime") else found)[:MAX_FILLS]


def _within(rows: Iterable[dict[str, Any]], request: Request, now: int) -> list[dict[str, Any]]:
    start = action_parser.whole(request.get("startTime"))
    end = now if request.get("endTime") is None else action_parser.whole(request["endTime"])
    return [row for row in rows if start <= row["time"] <= end]


def _funding(exchange: Exchange, account: Account, request: Request) -> Any:
    return _within(account.fundings, request, exchange.now)[:PAGE]


def _updates(exchange: Exchange, account: Account, request: Request) -> Any:
    return _within(account.updates, request, exchange.now)[:PAGE]


# --- the account -------------------------------------------------------------------------------
def _clearinghouse(exchange: Exchange, account: Account, request: Request) -> Any:
    return account_state.clearinghouse(exchange, account)


def _spot(exchange: Exchange, account: Account, request: Request) -> Any:
    return account_state.spot(exchange, account)


def _active_asset(exchange: Exchange, account: Account, request: Request) -> Any:
    coin = action_parser.text(request.get("coin"))
    if coin not in exchange.world.markets or exchange.market(coin).listing.is_spot:
        return None
    return account_state.active_asset(exchange, account, coin)


def _role(exchange: Exchange, account: Account, request: Request) -> Any:
    agent = exchange.agents.get(account.address)
    if agent and agents.agent_alive(exchange, agent):
        return {"role": "agent", "data": {"user": agent.master}}
    if account.address not in exchange.accounts:
        return {"role": "missing"}
    return {"role": "subAccount", "data": {"master": account.master}} if account.master else {"role": "user"}


def _agents(exchange: Exchange, account: Account, request: Request) -> Any:
    return [
        {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until}
        for agent in agents.agents_of(exchange, account.address)
        if agent.name and agents.agent_alive(exchange, agent)
    ]


def _sub_accounts(exchange: Exchange, account: Account, request: Request) -> Any:
    rows = [
        {
            "name": sub.name,
            "subAccountUser": sub.address,
            "master": account.address,
            "clearinghouseState": account_state.clearinghouse(exchange, sub),
            "spotState": account_state.spot(exchange, sub),
        }
        for sub in agents.sub_accounts_of(exchange, account.address)
    ]
    return rows or None


def _rate_limit(exchange: Exchange, account: Account, request: Request) -> Any:
    return account_state.rate_limit(account)


def _fees(exchange: Exchange, account: Account, request: Request) -> Any:
    return account_state.user_fees(account)


def _portfolio(exchange: Exchange, account: Account, request: Request) -> Any:
    return account_state.portfolio(exchange, account)


def _abstraction(exchange: Exchange, account: Account, request: Request) -> Any:
    return account.abstraction


def _builder_fee(exchange: Exchange, account: Account, request: Request) -> Any:
    return account.builders.get(action_parser.address(request.get("builder")), 0)


def _referral(exchange: Exchange, account: Account, request: Request) -> Any:
    return {"referredBy": {"code": account.referrer} if account.referrer else None}


HANDLERS: dict[str, Handler] = {
    "openOrders": _open_orders,
    "frontendOpenOrders": frontend_orders,
    "orderStatus": _order_status,
    "historicalOrders": history,
    "userFills": _fills,
    "userFillsByTime": _fills_by_time,
    "userFunding": _funding,
    "userNonFundingLedgerUpdates": _updates,
    "clearinghouseState": _clearinghouse,
    "spotClearinghouseState": _spot,
    "activeAssetData": _active_asset,
    "userRole": _role,
    "extraAgents": _agents,
    "subAccounts": _sub_accounts,
    "userRateLimit": _rate_limit,
    "userFees": _fees,
    "portfolio": _portfolio,
    "userAbstraction": _abstraction,
    "maxBuilderFee": _builder_fee,
    "referral": _referral,
    "userTwapSliceFills": twap.fills_query,
    "twapHistory": twap.history_query,
}
