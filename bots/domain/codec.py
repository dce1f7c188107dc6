"""Snapshots, events and decisions as JSON and back, exactly: what is journalled can be replayed."""

from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from bots.domain import events, orders
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.snapshot import Refusals, Snapshot
from bots.sdk.context import Position
from bots.sdk.events import BookSeen, Tick
from bots.sdk.intents import Level
from market.domain.events import Candle

_CLASSES: tuple[type, ...] = (
    events.Claimed, events.Warmed, events.Started, events.Ticked, events.CandleClosed, events.BookShown,
    events.Woken, events.InputsChanged, events.StopAsked, events.Crashed, events.OrderChanged, events.Traded,
    events.FundingPaid, events.Remains, orders.Live, orders.Put, orders.Withdraw, orders.Move,
    BookSeen, Candle, Level, Position, Refusals, Snapshot, Tick,
)  # fmt: skip
_BY_NAME = {cls.__name__: cls for cls in _CLASSES}
_ENUMS: dict[str, type[StrEnum]] = {cls.__name__: cls for cls in (Status, StopPolicy)}


def encode(value: Any) -> Any:
    """JSON of a value of the classes above; lists come back as tuples."""
    if is_dataclass(value) and not isinstance(value, type):
        if type(value) not in _CLASSES:
            raise TypeError(f"{type(value).__name__} is not journalled")
        return {"$": type(value).__name__} | {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, StrEnum):
        return {"$": type(value).__name__, "is": value.value}
    if isinstance(value, Decimal | UUID):
        return {"$": type(value).__name__, "is": str(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} is not journalled")


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: decode(item) for key, item in value.items()}
    name = value["$"]
    if "is" in value:
        makers: dict[str, Any] = {"Decimal": Decimal, "UUID": UUID, **_ENUMS}
        return makers[name](value["is"])
    return _BY_NAME[name](**{key: decode(item) for key, item in value.items() if key != "$"})
