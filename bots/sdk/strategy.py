"""The class that a strategy is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.sdk.context import Context, Terms
from bots.sdk.events import BookSeen, Fill, OrderNews, Tick
from market.domain.events import Candle


@dataclass(frozen=True, slots=True)
class Needs:
    """What a strategy has to be fed. `candles` of `interval` are there before `on_start` is called."""

    interval: str | None = None
    candles: int = 0
    book: bool = False


class Strategy:
    """A decision maker. Override what you need; a callback returns nothing and speaks to the context.

    An instance lives for one callback: what must be remembered belongs in `context.state`. A callback
    that raises ends the run as faulted, with its traceback, and does nothing of what it had said.
    """

    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.inputs = inputs

    def needs(self) -> Needs:
        return Needs()

    def problems(self, terms: Terms) -> dict[str, str]:
        """Input name → sentence, for what only shows when inputs, instrument and budget come together."""
        return {}

    def on_start(self, context: Context) -> None:
        """The run begins or continues after a restart, or its inputs changed. `context.state` is as it was left."""

    def on_tick(self, context: Context, tick: Tick) -> None:
        """Prices changed. Of several ticks that wait, only the newest comes."""

    def on_candle(self, context: Context, candle: Candle) -> None:
        """A candle closed; it is the last of `context.candles`."""

    def on_book(self, context: Context, book: BookSeen) -> None:
        """The book changed; only for strategies whose needs say so."""

    def on_order(self, context: Context, news: OrderNews) -> None:
        """An own order was opened, cancelled, refused… Fills have a callback of their own, and of a level that
        was moved only the new order is told of."""

    def on_fill(self, context: Context, fill: Fill) -> None:
        """An own order traded; `context.position` has it already. None is ever dropped or told twice."""

    def on_stop(self, context: Context) -> None:
        """The run ends. What happens to orders and position is for the person who stops it to say."""
