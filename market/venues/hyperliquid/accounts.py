"""Orders, fills, payments and balances in Hyperliquid's words, as domain facts. Pure.

Whatever the venue sends becomes a typed fact or a `ParseError`. Money without a trade is in `movements`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

from market.domain.errors import ParseError
from market.domain.orders import (
    AccountState,
    Agent,
    KeyRole,
    MarginMode,
    OrderKind,
    Pot,
    Tif,
    VenueFill,
    VenueFunding,
    VenueOrder,
    VenuePosition,
    VenueStatus,
)
from market.venues.hyperliquid.instruments import COLLATERAL
from market.venues.hyperliquid.parsing import SIDES, address, amount, identity, name, quantity, time_of

_KINDS: dict[str, OrderKind] = {
    "Limit": "limit",
    "Market": "market",
    "Stop Market": "stop_market",
    "Stop Limit": "stop_limit",
    "Take Profit Market": "take_market",
    "Take Profit Limit": "take_limit",
}
# What the venue sends to the market by itself has no time in force of ours: it never rests.
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
_ENDINGS: dict[str, VenueStatus] = {"Canceled": "cancelled", "Rejected": "rejected"}
_ROLES: dict[str, Any] = {
    "user": "user",
    "agent": "agent",
    "subAccount": "sub_account",
    "vault": "vault",
    "missing": "missing",
}
_MASTERS = {"agent": "user", "subAccount": "master"}


# --- orders ------------------------------------------------------------------------------------
def status_read(raw: Any) -> VenueStatus:
    """`marginCanceled`, `badAloPxRejected`, …: every word of the venue says by its end what it means."""
    text = name(raw)
    if found := _STATUSES.get(text):
        return found
    for ending, status in _ENDINGS.items():
        if text.endswith(ending):
            return status
    raise ParseError("not a status of an order", raw)


def update_read(row: Any) -> VenueOrder:
    """A row of `orderUpdates` (`partial`: it does not tell kind, time in force or trigger) or of
    `orderStatus` and `historicalOrders`, which tell all."""
    return _order(row["order"], row["status"], time_of(row["statusTimestamp"]))


def standing_read(wire: Any) -> VenueOrder:
    """A row of `frontendOpenOrders`."""
    return _order(wire, "open", time_of(wire["timestamp"]))


def standing_list_read(rows: Any) -> list[VenueOrder]:
    """`frontendOpenOrders`; orders that wait for another to fill stand too."""
    found = []
    for wire in _rows(rows):
        found.append(standing_read(wire))
        found += standing_list_read(wire.get("children") or [])
    return found


def order_status_read(answer: Any) -> VenueOrder | None:
    """`orderStatus`; None for an id that the venue does not know."""
    if answer["status"] == "unknownOid":
        return None
    if answer["status"] != "order":
        raise ParseError("not an answer about an order", answer)
    return update_read(answer["order"])


def _order(wire: Any, raw_status: Any, status_time: int) -> VenueOrder:
    partial = "orderType" not in wire
    kind: OrderKind = "limit" if partial else _KINDS[wire["orderType"]]
    return VenueOrder(
        symbol=name(wire["coin"]),
        side=SIDES[wire["side"]],
        kind=kind,
        tif="gtc" if partial else _TIFS[wire.get("tif")],
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
        partial=partial,
    )


def _client_id(wire: Any) -> str | None:
    client_id = wire.get("cloid")
    return None if client_id is None else name(client_id).lower()


# --- fills and payments ------------------------------------------------------------------------
def fills_read(rows: Any) -> list[VenueFill]:
    """`userFillsByTime`, and `fills` of the stream. A row that cannot be read fails them all: none may
    be lost."""
    return [fill_read(row) for row in _rows(rows)]


def fill_read(wire: Any) -> VenueFill:
    """Spot fills pay in the token that they receive: `feeToken` says which. A rebate is below zero."""
    before = wire.get("startPosition")
    return VenueFill(
        symbol=name(wire["coin"]),
        side=SIDES[wire["side"]],
        price=quantity(wire["px"]),
        size=quantity(wire["sz"]),
        time=time_of(wire["time"]),
        venue_id=identity(wire["oid"]),
        trade_id=identity(wire["tid"]),
        client_id=_client_id(wire),
        fee=amount(wire["fee"]),
        fee_asset=name(wire["feeToken"]),
        closed_pnl=amount(wire["closedPnl"]),
        taker=_flag(wire["crossed"]),
        position_before=None if before is None else amount(before),
        liquidation=wire.get("liquidation") is not None,
    )


def fundings_read(rows: Any) -> list[VenueFunding]:
    """`userFunding`, and `fundings` of the stream, which leaves out a layer."""
    return [funding_read(row) for row in _rows(rows)]


def funding_read(row: Any) -> VenueFunding:
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
def account_read(perp: Any, spot: Any) -> AccountState:
    """`clearinghouseState` and `spotClearinghouseState` together.

    Cash of the perp pot is equity less unrealised profit, so it moves with trades, fees and payments
    and never with prices.
    """
    positions = tuple(_position(row["position"]) for row in perp["assetPositions"])
    equity = amount(perp["marginSummary"]["accountValue"])
    unrealised = sum((position.unrealised for position in positions), Decimal(0))
    cash: dict[tuple[Pot, str], Decimal] = {("perp", COLLATERAL): equity - unrealised}
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


def _position(wire: Any) -> VenuePosition:
    size, unrealised = amount(wire["szi"]), amount(wire["unrealizedPnl"])
    value = quantity(wire["positionValue"]).copy_sign(size)
    liquidation = wire.get("liquidationPx")
    return VenuePosition(
        symbol=name(wire["coin"]),
        size=size,
        cost=value - unrealised,  # exact, where the entry price is rounded
        leverage=_whole(wire["leverage"]["value"]),
        mode=_mode(wire["leverage"]["type"]),
        margin_used=amount(wire["marginUsed"]),
        unrealised=unrealised,
        liquidation_price=None if liquidation is None else amount(liquidation),
    )


def _mode(value: Any) -> MarginMode:
    if value in get_args(MarginMode):
        mode: MarginMode = value
        return mode
    raise ParseError("not a margin mode", value)


def role_read(answer: Any) -> KeyRole:
    """`userRole`."""
    role = answer["role"]
    master = address(answer["data"][_MASTERS[role]]) if role in _MASTERS else None
    return KeyRole(_ROLES[role], master)


def agents_read(rows: Any) -> list[Agent]:
    """`extraAgents`."""
    return [_agent(row) for row in _rows(rows)]


def _agent(row: Any) -> Agent:
    until = row.get("validUntil")
    return Agent(address(row["address"]), name(row["name"]), None if until is None else time_of(until))


def requests_left_read(answer: Any) -> tuple[int, int]:
    """`userRateLimit`: actions used, and how many there may be."""
    return _whole(answer["nRequestsUsed"]), _whole(answer["nRequestsCap"])


def assets_read(meta: Any, spot_meta: Any) -> Mapping[str, int]:
    """The number under which each symbol is traded. Delisted perpetuals keep theirs."""
    perps = {name(wire["name"]): number for number, wire in enumerate(meta["universe"])}
    spots = {name(wire["name"]): 10_000 + _whole(wire["index"]) for wire in spot_meta["universe"]}
    return perps | spots


# --- shapes ------------------------------------------------------------------------------------
def _rows(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ParseError("not a list", value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ParseError("not true or false", value)


def _whole(value: Any) -> int:
    return int(identity(value))
