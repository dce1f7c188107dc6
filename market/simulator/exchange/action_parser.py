"""What clients write in an action, read into types. Everything that does not fit is HTTP 422."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from market.domain.events import Side
from market.simulator.exchange.errors import Unprocessable
from market.simulator.exchange.fixed_point import WIRE_DECIMALS, decimal_of
from market.simulator.exchange.orders import Purpose

TIFS = ("Gtc", "Ioc", "Alo", "FrontendMarket", "LiquidationMarket")
GROUPINGS = ("na", "normalTpsl", "positionTpsl")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class WantedTrigger:
    market: bool
    price: Decimal
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as it was asked for; nothing about it is checked but its form."""

    asset: int
    side: Side
    price: Decimal
    size: Decimal
    reduce_only: bool
    tif: str
    trigger: WantedTrigger | None
    cloid: str | None


def whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 63:
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
    """In lower case."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unprocessable
    return value.lower()


def number(value: Any) -> Decimal:
    """Not below zero and of at most eight decimals."""
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


def _kind(said: Any) -> tuple[str, WantedTrigger | None]:
    if not isinstance(said, dict):
        raise Unprocessable
    if isinstance(limit := said.get("limit"), dict) and limit.get("tif") in TIFS:
        return limit["tif"], None
    trigger = said.get("trigger")
    if not isinstance(trigger, dict) or trigger.get("tpsl") not in ("tp", "sl"):
        raise Unprocessable
    market = flag(trigger.get("isMarket"))
    return "Gtc", WantedTrigger(market, number(trigger.get("triggerPx")), trigger["tpsl"])


def order(said: Any) -> Wanted:
    """An order of the wire."""
    if not isinstance(said, dict):
        raise Unprocessable
    tif, trigger = _kind(said.get("t"))
    return Wanted(
        asset=whole(said.get("a")),
        side="buy" if flag(said.get("b")) else "sell",
        price=number(said.get("p")),
        size=number(said.get("s")),
        reduce_only=flag(said.get("r")),
        tif=tif,
        trigger=trigger,
        cloid=None if said.get("c") is None else cloid(said["c"]),
    )


def grouping(said: Any) -> str:
    """`{"p": N}` asks for priority, which the simulator has none of."""
    if isinstance(said, dict) and isinstance(said.get("p"), int):
        return "na"
    if said not in GROUPINGS:
        raise Unprocessable
    return str(said)


def builder(said: Any) -> tuple[str, int] | None:
    """Address, and fee in tenths of a basis point."""
    if said is None:
        return None
    if not isinstance(said, dict):
        raise Unprocessable
    return address(said.get("b")), whole(said.get("f"))
