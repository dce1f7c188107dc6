"""Decoder of Hyperliquid's account data: orders, fills, funding payments and balances. Pure.

Every input becomes a typed event or a `ParseError`. Transfers without a trade are in `ledger_updates`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

from market.domain.errors import ParseError
from market.domain.orders import (
    AccountState,
    AccountType,
    Agent,
    KeyRole,
    MarginMode,
    OrderKind,
    Tif,
    VenueFill,
    VenueFunding,
    VenueOrder,
    VenuePosition,
    VenueStatus,
)
from market.venues.hyperliquid.instruments import COLLATERAL
from market.venues.hyperliquid.parsing import (
    SIDES,
    JsonObject,
    address,
    amount,
    identity,
    name,
    quantity,
    time_of,
)

_KINDS: dict[str, OrderKind] = {
    "Limit": "limit",
    "Market": "market",
    "Stop Market": "stop_market",
    "Stop Limit": "stop_limit",
    "Take Profit Market": "take_profit_market",
    "Take Profit Limit": "take_profit_limit",
}
# Orders that the venue places itself have no time in force of their own: they never rest.
_TIFS: dict[str | None, Tif] = {
    "Gtc": "gtc",
    "Ioc": "ioc",
    "Alo": "alo",
    "FrontendMarket": "ioc",
    "LiquidationMarket": "ioc",
    None: "ioc",
}
_STATUSES: dict[str, VenueStatus] = {
    "open": "open",
    "triggered": "triggered",
    "filled": "filled",
    "canceled": "cancelled",
    "scheduledCancel": "cancelled",
    "internalCancel": "cancelled",
    "rejected": "rejected",
}
_STATUS_SUFFIXES: dict[str, VenueStatus] = {"Canceled": "cancelled", "Rejected": "rejected"}
_ROLES: dict[str, Any] = {
    "user": "user",
    "agent": "agent",
    "subAccount": "sub_account",
    "vault": "vault",
    "missing": "missing",
}
_MASTER_FIELDS = {"agent": "user", "subAccount": "master"}


# --- orders ------------------------------------------------------------------------------------
def status_read(raw: object) -> VenueStatus:
    """Normalise an order status; the venue's specific ones (`marginCanceled`, …) are mapped by suffix."""
    text = name(raw)
    if known := _STATUSES.get(text):
        return known
    for suffix, status in _STATUS_SUFFIXES.items():
        if text.endswith(suffix):
            return status
    raise ParseError("not an order status", raw)


def update_read(row: JsonObject) -> VenueOrder:
    """Decode a row of `orderUpdates` (`incomplete`: without kind, time in force and trigger) or of
    `orderStatus` and `historicalOrders` (complete)."""
    return _order(row["order"], row["status"], time_of(row["statusTimestamp"]))


def open_order_read(wire: JsonObject) -> VenueOrder:
    """Decode a row of `frontendOpenOrders`."""
    return _order(wire, "open", time_of(wire["timestamp"]))


def open_orders_read(rows: object) -> list[VenueOrder]:
    """Decode `frontendOpenOrders`; child orders that wait for the fill of their parent are included."""
    orders = []
    for wire in _rows(rows):
        orders.append(open_order_read(wire))
        orders += open_orders_read(wire.get("children") or [])
    return orders


def order_status_read(response: JsonObject) -> VenueOrder | None:
    """Decode `orderStatus`; None for an unknown id."""
    if response["status"] == "unknownOid":
        return None
    if response["status"] != "order":
        raise ParseError("not an orderStatus response", response)
    return update_read(response["order"])


def _order(wire: JsonObject, raw_status: object, status_time: int) -> VenueOrder:
    incomplete = "orderType" not in wire
    kind: OrderKind = "limit" if incomplete else _KINDS[wire["orderType"]]
    return VenueOrder(
        symbol=name(wire["coin"]),
        side=SIDES[wire["side"]],
        kind=kind,
        tif="gtc" if incomplete else _TIFS[wire.get("tif")],
        price=quantity(wire["limitPx"]),
        size=quantity(wire["origSz"]),
        remaining=quantity(wire["sz"]),
        venue_id=identity(wire["oid"]),
        client_id=_client_id(wire),
        status=status_read(raw_status),
        raw_status=name(raw_status),
        time=time_of(wire["timestamp"]),
        status_time=status_time,
        reduce_only=wire.get("reduceOnly") is True,
        trigger_price=quantity(wire["triggerPx"]) if wire.get("isTrigger") is True else None,
        incomplete=incomplete,
    )


def _client_id(wire: JsonObject) -> str | None:
    client_id = wire.get("cloid")
    return None if client_id is None else name(client_id).lower()


# --- fills and payments ------------------------------------------------------------------------
def fills_read(rows: object) -> list[VenueFill]:
    """Decode `userFillsByTime` and the stream's `fills`. One bad row fails them all: no fill may be lost."""
    return [fill_read(row) for row in _rows(rows)]


def fill_read(wire: JsonObject) -> VenueFill:
    """Decode one fill. The fee of a spot fill is in the received token (`feeToken`); a rebate is negative."""
    position_before = wire.get("startPosition")
    return VenueFill(
        symbol=name(wire["coin"]),
        side=SIDES[wire["side"]],
        price=quantity(wire["px"]),
        size=quantity(wire["sz"]),
        time=time_of(wire["time"]),
        venue_id=identity(wire["oid"]),
        trade_id=identity(wire["tid"]),
        client_id=_client_id(wire),
        fees=((name(wire["feeToken"]), amount(wire["fee"])),),
        closed_pnl=amount(wire["closedPnl"]),
        taker=_flag(wire["crossed"]),
        position_before=None if position_before is None else amount(position_before),
        liquidation=wire.get("liquidation") is not None,
    )


def fundings_read(rows: object) -> list[VenueFunding]:
    """Decode `userFunding` and the stream's `fundings`, which has no `delta` level."""
    return [funding_read(row) for row in _rows(rows)]


def funding_read(row: JsonObject) -> VenueFunding:
    delta = row.get("delta", row)
    return VenueFunding(
        symbol=name(delta["coin"]),
        amount=amount(delta["usdc"]),
        asset=COLLATERAL,
        rate=amount(delta["fundingRate"]),
        position=amount(delta["szi"]),
        time=time_of(row["time"]),
    )


# --- the account -------------------------------------------------------------------------------
def account_read(perp: JsonObject, spot: JsonObject) -> AccountState:
    """Decode `clearinghouseState` and `spotClearinghouseState` into one state.

    Cash of the perp account is equity minus unrealised PnL, so it changes with trades, fees and funding but
    not with prices.
    """
    positions = tuple(_position(row["position"]) for row in perp["assetPositions"])
    equity = amount(perp["marginSummary"]["accountValue"])
    unrealised = sum((position.unrealised_pnl for position in positions), Decimal(0))
    cash: dict[tuple[AccountType, str], Decimal] = {("perp", COLLATERAL): equity - unrealised}
    for row in spot["balances"]:
        cash["spot", name(row["coin"])] = amount(row["total"])
    return AccountState(
        time=time_of(perp["time"]),
        cash=cash,
        positions=positions,
        equity=equity,
        withdrawable=amount(perp["withdrawable"]),
        leverages={position.symbol: position.leverage for position in positions},
    )


def _position(wire: JsonObject) -> VenuePosition:
    size, unrealised = amount(wire["szi"]), amount(wire["unrealizedPnl"])
    value = quantity(wire["positionValue"]).copy_sign(size)
    liquidation = wire.get("liquidationPx")
    return VenuePosition(
        symbol=name(wire["coin"]),
        size=size,
        cost=value - unrealised,  # exact, in contrast to the rounded entry price
        leverage=_integer(wire["leverage"]["value"]),
        mode=_mode(wire["leverage"]["type"]),
        margin_used=amount(wire["marginUsed"]),
        unrealised_pnl=unrealised,
        liquidation_price=None if liquidation is None else amount(liquidation),
    )


def _mode(value: object) -> MarginMode:
    modes: tuple[MarginMode, ...] = get_args(MarginMode)
    for mode in modes:
        if mode == value:
            return mode
    raise ParseError("not a margin mode", value)


def role_read(response: JsonObject) -> KeyRole:
    """Decode `userRole`."""
    role = response["role"]
    master = address(response["data"][_MASTER_FIELDS[role]]) if role in _MASTER_FIELDS else None
    return KeyRole(_ROLES[role], master)


def agents_read(rows: object) -> list[Agent]:
    """Decode `extraAgents`."""
    return [_agent(row) for row in _rows(rows)]


def _agent(row: JsonObject) -> Agent:
    until = row.get("validUntil")
    return Agent(address(row["address"]), name(row["name"]), None if until is None else time_of(until))


def action_quota_read(response: JsonObject) -> tuple[int, int]:
    """Decode `userRateLimit`: actions used and the cap."""
    return _integer(response["nRequestsUsed"]), _integer(response["nRequestsCap"])


def assets_read(meta: JsonObject, spot_meta: JsonObject) -> Mapping[str, int]:
    """Symbol → asset number used in actions. Delisted perpetuals keep their numbers."""
    perps = {name(wire["name"]): number for number, wire in enumerate(meta["universe"])}
    spots = {name(wire["name"]): 10_000 + _integer(wire["index"]) for wire in spot_meta["universe"]}
    return perps | spots


# --- helpers -----------------------------------------------------------------------------------
def _rows(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ParseError("not a list", value)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ParseError("not true or false", value)


def _integer(value: object) -> int:
    return int(identity(value))
