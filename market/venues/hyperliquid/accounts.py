"""Decoder of Hyperliquid's account data: orders, fills, funding payments and balances. Pure.

Every input becomes a typed event or a `ParseError`. Transfers without a trade are in `ledger_updates`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar, get_args

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
from market.venues.rows import Rows, rows_decode

T = TypeVar("T")
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
    """Normalise an order status; the venue's specific ones (`marginCanceled`, …) are mapped by suffix.

    An unknown word is `other`.
    """
    text = name(raw)
    if known := _STATUSES.get(text):
        return known
    for suffix, status in _STATUS_SUFFIXES.items():
        if text.endswith(suffix):
            return status
    return "other"


def update_read(row: JsonObject) -> VenueOrder:
    """Decode a row of `orderUpdates` (`incomplete`: without kind, time in force and trigger) or of
    `orderStatus` and `historicalOrders` (complete)."""
    return _order(row["order"], row["status"], time_of(row["statusTimestamp"]))


def open_order_read(wire: JsonObject) -> VenueOrder:
    """Decode a row of `frontendOpenOrders`."""
    return _order(wire, "open", time_of(wire["timestamp"]))


def open_orders_read(rows: object) -> Rows[VenueOrder]:
    """Decode `frontendOpenOrders`; child orders that wait for the fill of their parent are included."""
    return rows_decode(_with_children(rows), open_order_read)


def _with_children(rows: object) -> object:
    if not isinstance(rows, list):
        return rows
    found: list[Any] = []
    for wire in rows:
        children = wire.get("children") if isinstance(wire, dict) else None
        found += [wire, *_list(_with_children(children or []))]
    return found


def _list(rows: object) -> list[Any]:
    """The rows; anything else as one row, which is then rejected."""
    return rows if isinstance(rows, list) else [rows]


def order_status_read(response: JsonObject) -> VenueOrder | None:
    """Decode `orderStatus`; None for an unknown id."""
    if response["status"] == "unknownOid":
        return None
    if response["status"] != "order":
        raise ParseError("not an orderStatus response", response)
    return update_read(response["order"])


def _order(wire: JsonObject, raw_status: object, status_time: int) -> VenueOrder:
    incomplete = "orderType" not in wire
    kind: OrderKind = "limit" if incomplete else _known(_KINDS, name(wire["orderType"]), "other")
    tif: Tif = "gtc" if incomplete else _known(_TIFS, wire.get("tif"), "other")
    unknown = [
        f"{field} {wire[field]}" for field, value in (("orderType", kind), ("tif", tif)) if value == "other"
    ]
    return VenueOrder(
        symbol=name(wire["coin"]),
        side=SIDES[wire["side"]],
        kind=kind,
        tif=tif,
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
        unknown_words=", ".join(unknown),
    )


def _known(words: Mapping[Any, T], word: object, other: T) -> T:
    return words.get(word, other) if isinstance(word, str | None) else other


def _client_id(wire: JsonObject) -> str | None:
    client_id = wire.get("cloid")
    return None if client_id is None else name(client_id).lower()


# --- fills and payments ------------------------------------------------------------------------
def fills_read(rows: object) -> Rows[VenueFill]:
    """Decode `userFillsByTime` and the stream's `fills`."""
    return rows_decode(rows, fill_read)


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


def fundings_read(rows: object) -> Rows[VenueFunding]:
    """Decode `userFunding` and the stream's `fundings`, which has no `delta` level."""
    return rows_decode(rows, funding_read)


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
    not with prices. `rejected` says which positions and balances could not be decoded; the cash of the perp account
    is then unknown and absent, because the unrealised PnL of a position is missing.
    """
    positions = rows_decode(perp["assetPositions"], lambda row: _position(row["position"]))
    balances = rows_decode(spot["balances"], lambda row: (name(row["coin"]), amount(row["total"])))
    equity = amount(perp["marginSummary"]["accountValue"])
    unrealised = sum((position.unrealised_pnl for position in positions), Decimal(0))
    cash: dict[tuple[AccountType, str], Decimal] = {}
    if not positions.rejected:
        cash["perp", COLLATERAL] = equity - unrealised
    for asset, total in balances:
        cash["spot", asset] = total
    return AccountState(
        time=time_of(perp["time"]),
        cash=cash,
        positions=tuple(positions),
        equity=equity,
        withdrawable=amount(perp["withdrawable"]),
        leverages={position.symbol: position.leverage for position in positions},
        rejected=(*positions.rejected, *balances.rejected),
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


def agents_read(rows: object) -> Rows[Agent]:
    """Decode `extraAgents`."""
    return rows_decode(rows, _agent)


def _agent(row: JsonObject) -> Agent:
    until = row.get("validUntil")
    return Agent(address(row["address"]), name(row["name"]), None if until is None else time_of(until))


def action_quota_read(response: JsonObject) -> tuple[int, int]:
    """Decode `userRateLimit`: actions used and the cap."""
    return _integer(response["nRequestsUsed"]), _integer(response["nRequestsCap"])


def assets_read(meta: JsonObject, spot_meta: JsonObject) -> Mapping[str, int]:
    """Symbol → asset number used in actions. Delisted perpetuals keep their numbers."""
    numbered = list(enumerate(meta["universe"]))
    perps = rows_decode(numbered, lambda row: (name(row[1]["name"]), row[0]))
    spots = rows_decode(
        spot_meta["universe"], lambda wire: (name(wire["name"]), 10_000 + _integer(wire["index"]))
    )
    return dict(perps) | dict(spots)


# --- helpers -----------------------------------------------------------------------------------
def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ParseError("not true or false", value)


def _integer(value: object) -> int:
    return int(identity(value))
