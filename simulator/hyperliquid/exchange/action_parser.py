"""Parser of client actions into typed values. Raises `Unprocessable` (HTTP 422) for anything malformed."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from market.domain.events import Side
from simulator.hyperliquid.exchange.errors import Unprocessable
from simulator.hyperliquid.exchange.fixed_point import WIRE_DECIMALS, decimal_of
from simulator.hyperliquid.exchange.orders import Purpose

TIFS = ("Gtc", "Ioc", "Alo", "FrontendMarket", "LiquidationMarket")
GROUPINGS = ("na", "normalTpsl", "positionTpsl")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class ParsedTrigger:
    market: bool
    price: Decimal
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class ParsedOrder:
    """An order request; only its form has been checked."""

    asset: int
    side: Side
    price: Decimal
    size: Decimal
    reduce_only: bool
    tif: str
    trigger: ParsedTrigger | None
    cloid: str | None


def whole(value: Any, minimum: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value < 1 << 63:
        raise Unprocessable
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unprocessable
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unprocessable
    return value


def rows(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Unprocessable
    return value


def address(value: Any) -> str:
    """An address, in lower case."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unprocessable
    return value.lower()


def number(value: Any) -> Decimal:
    """A decimal of at least zero with at most eight decimals."""
    try:
        parsed = decimal_of(value)
    except ValueError as problem:
        raise Unprocessable from problem
    if parsed < 0 or parsed >= 10**20 or parsed != round(parsed, WIRE_DECIMALS):
        raise Unprocessable
    return parsed


def cloid(value: Any) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Unprocessable
    return value.lower()


def oid_or_cloid(value: Any) -> int | str:
    return cloid(value) if isinstance(value, str) else whole(value)


def _order_type(data: Any) -> tuple[str, ParsedTrigger | None]:
    if not isinstance(data, dict):
        raise Unprocessable
    if isinstance(limit := data.get("limit"), dict) and limit.get("tif") in TIFS:
        return limit["tif"], None
    trigger = data.get("trigger")
    if not isinstance(trigger, dict) or trigger.get("tpsl") not in ("tp", "sl"):
        raise Unprocessable
    market = flag(trigger.get("isMarket"))
    return "Gtc", ParsedTrigger(market, number(trigger.get("triggerPx")), trigger["tpsl"])


def order(data: Any) -> ParsedOrder:
    """Parse an order in wire format."""
    if not isinstance(data, dict):
        raise Unprocessable
    tif, trigger = _order_type(data.get("t"))
    return ParsedOrder(
        asset=whole(data.get("a")),
        side="buy" if flag(data.get("b")) else "sell",
        price=number(data.get("p")),
        size=number(data.get("s")),
        reduce_only=flag(data.get("r")),
        tif=tif,
        trigger=trigger,
        cloid=None if data.get("c") is None else cloid(data["c"]),
    )


def grouping(data: Any) -> str:
    """The grouping; `{"p": N}` requests priority, which the simulator does not implement."""
    if isinstance(data, dict) and isinstance(data.get("p"), int):
        return "na"
    if data not in GROUPINGS:
        raise Unprocessable
    return str(data)


def builder(data: Any) -> tuple[str, int] | None:
    """Builder address, and its fee in tenths of a basis point."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise Unprocessable
    return address(data.get("b")), whole(data.get("f"))
