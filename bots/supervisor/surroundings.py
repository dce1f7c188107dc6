"""What all desks of one supervisor share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bots.supervisor.candles import CandleShelf
from bots.supervisor.deciding import Decider

Tell = Callable[[str, Iterable[Mapping[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`safe` says whether the worker's lease still holds by our own clock; `tell` reaches an owner's pages."""

    decider: Decider
    shelf: CandleShelf
    safe: Callable[[], bool]
    tell: Tell
