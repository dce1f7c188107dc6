"""JSON codec of the bot journal: snapshots, events and decisions, encoded and decoded without loss.

The round trip is exact, so that a journal can be replayed.
"""

from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from bots.domain import events, orders
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.snapshot import LevelBackoff, Snapshot
from bots.sdk.context import Position
from bots.sdk.events import BookSnapshot, Tick
from bots.sdk.intents import Level
from market.domain.events import Candle

FORMAT = (
    1  # of the JSON of journal entries and of the provenance of orders; raise it when their shape changes
)

_CLASSES: tuple[type, ...] = (
    events.Claimed, events.CandlesLoaded, events.Started, events.TickReceived, events.CandleClosed, events.BookUpdated,
    events.TimerFired, events.InputsChanged, events.StopRequested, events.Crashed, events.OrderUpdated, events.OrderFilled,
    events.FundingPaid, events.PositionAdjusted, orders.LiveOrder, orders.PlaceAction, orders.CancelAction, orders.ModifyAction,
    BookSnapshot, Candle, Level, Position, LevelBackoff, Snapshot, Tick,
)  # fmt: skip
_BY_NAME = {cls.__name__: cls for cls in _CLASSES}
_ENUMS: dict[str, type[StrEnum]] = {cls.__name__: cls for cls in (Status, StopPolicy)}


def encode(value: object) -> Any:
    """The JSON form of a value of the classes above; lists are decoded as tuples."""
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


def decode(value: object) -> Any:
    """The inverse of `encode`."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: decode(item) for key, item in value.items()}
    name = value["$"]
    if "is" in value:
        constructors: dict[str, Any] = {"Decimal": Decimal, "UUID": UUID, **_ENUMS}
        return constructors[name](value["is"])
    return _BY_NAME[name](**{key: decode(item) for key, item in value.items() if key != "$"})
