"""Base class of strategies and their data requirements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.sdk.context import Context, Terms
from bots.sdk.events import BookSnapshot, Fill, OrderUpdate, Tick
from market.domain.events import Candle


@dataclass(frozen=True, slots=True)
class DataRequirements:
    """Market data that a strategy needs. `candles` candles of `interval` are loaded before `on_start`."""

    interval: str | None = None
    candles: int = 0
    book: bool = False


class Strategy:
    """Base class of strategies. Override the callbacks you need; they return None and act on the context.

    An instance exists for one callback only: keep state in `context.state`. A callback that raises ends the
    run as faulted, with its traceback, and its intents are discarded.
    """

    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.inputs = inputs

    def requirements(self) -> DataRequirements:
        """The market data that the strategy needs with its inputs."""
        return DataRequirements()

    def validate(self, terms: Terms) -> dict[str, str]:
        """Errors (input name → sentence) that depend on inputs, instrument and budget together."""
        return {}

    def on_start(self, context: Context) -> None:
        """The run starts, continues after a restart, or its inputs changed. `context.state` is preserved."""

    def on_tick(self, context: Context, tick: Tick) -> None:
        """Prices changed. Waiting ticks are conflated: only the newest is delivered."""

    def on_candle(self, context: Context, candle: Candle) -> None:
        """A candle closed; it is the last of `context.candles`."""

    def on_book(self, context: Context, book: BookSnapshot) -> None:
        """The order book changed; only for strategies with `DataRequirements.book`."""

    def on_order(self, context: Context, update: OrderUpdate) -> None:
        """An own order changed its state. Fills have their own callback; for a modified level only updates of
        the new order are delivered."""

    def on_fill(self, context: Context, fill: Fill) -> None:
        """An own order was filled; `context.position` includes it. Each fill is delivered exactly once."""

    def on_stop(self, context: Context) -> None:
        """The run stops. The stop policy, chosen by the user, decides about open orders and the position."""
