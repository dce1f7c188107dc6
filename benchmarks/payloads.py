"""Payloads of the stream benchmarks: topics as on a real page, and bodies with their due time. Pure.

The time fields of a body hold nanoseconds of the monotonic clock, which is the same for all processes of a host:
the time at which the body was *due*, even if the publisher was late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

VENUE = "bench"
LEVELS = 5


@dataclass(frozen=True)
class Load:
    """`topics` topics, each updated `rate` times a second."""

    topics: int
    rate: float

    def names(self) -> list[str]:
        """One topic is the venue's ticks; more are books, candles and trades of its instruments."""
        return [_name(number) for number in range(self.topics)]

    def symbols(self) -> list[str]:
        return [_symbol(number) for number in range(max(2, self.topics))]

    def schedule(self, start: int) -> Iterator[tuple[int, int, int]]:
        """Endless sequence of (due in ns, topic number, round). Topics are spread evenly over a period."""
        step = 1e9 / self.rate / self.topics
        for number in count():
            yield start + round(number * step), number % self.topics, number // self.topics


def _symbol(number: int) -> str:
    return f"S{number:03d}"


def _name(number: int) -> str:
    if not number:
        return f"ticks.{VENUE}"
    symbol = f"{VENUE}.{_symbol(number)}"
    return (f"candles.{symbol}.1m", f"book.{symbol}", f"trades.{symbol}")[number % 3]


def body(topic: str, turn: int, due: int) -> Any:
    """The update of `topic` in round `turn`."""
    kind = topic.partition(".")[0]
    price = f"{60_000 + turn % 1000}.5"
    if kind == "ticks":
        tick = {"bid": price, "ask": price, "last": price, "mark": price}
        return {_symbol(0): {**tick, "change24h": "1.8712", "volume24h": f"{turn}.25", "t": due}}
    if kind == "candles":
        return [due, "60000.5", "61000.5", "59000.5", price, f"{turn}.125"]
    if kind == "book":
        sides = ([[f"{base + level}.0", f"{turn}.5"] for level in range(LEVELS)] for base in (59_000, 61_000))
        bids, asks = sides
        return {"bids": bids, "asks": asks, "t": due}
    return [[price, "0.25", "buy", due, str(turn)]]


def due_time(topic: str, update: Any) -> int:
    """Due time of the newest part of an update, in ns."""
    kind = topic.partition(".")[0]
    if kind == "ticks":
        return max(int(tick["t"]) for tick in update.values())
    if kind == "candles":
        return int(update[0])
    return int(update["t"] if kind == "book" else update[-1][3])
