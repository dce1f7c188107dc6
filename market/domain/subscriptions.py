"""Streams of a venue: their names, how many a connection takes, how fast one may ask. Times in seconds."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from market.domain.events import Book, Candle, Context, Event, Mids, Quote, Trades
from market.domain.orders import AccountStream, News

StreamKind = (
    Literal["mids", "quote", "context", "candle", "trades", "book", "fast_book"] | AccountStream
)  # fmt: skip


class Subscription(NamedTuple):
    """One stream of a venue. `symbol` is empty for `mids`, and the account for streams of accounts;
    `interval` is set for `candle` only."""

    kind: StreamKind
    symbol: str = ""
    interval: str = ""


_KINDS: dict[type[Event], StreamKind] = {
    Quote: "quote",
    Context: "context",
    Mids: "mids",
    Trades: "trades",
    Candle: "candle",
}


def kind_of(event: Event | News) -> StreamKind:
    """The kind of stream that an event came from."""
    if isinstance(event, News):
        return event.kind
    if isinstance(event, Book):
        return "fast_book" if event.shallow else "book"
    return _KINDS[type(event)]


@dataclass(frozen=True)
class Limits:
    """What a venue allows, and how long we bear its silence (seconds).

    `subscriptions` is per connection. `progress` names kinds that must keep moving while at least
    `crowd` of them are subscribed: a venue may feed one channel and starve another. `quiet` is about
    frames of any sort, answers to our pings included.
    """

    subscriptions: int = 1000
    connections: int = 1
    messages_per_second: int = 50
    messages_per_minute: int = 1800
    ping_every: float = 30.0
    ack_within: float = 10.0
    refused_for: float = 60.0
    silence: float = 10.0
    quiet: float = float("inf")
    crowd: int = 10
    progress: Mapping[StreamKind, float] = field(
        default_factory=lambda: {"quote": 20.0, "mids": 30.0, "context": 60.0}
    )


class Pace:
    """Counts client messages of one address over a second and a minute; shared by its connections."""

    def __init__(self, limits: Limits) -> None:
        self._second = limits.messages_per_second
        self._minute = limits.messages_per_minute
        self._sent: deque[float] = deque()

    def take(self, now: float) -> bool:
        """True when one more message may be sent now; it is then counted."""
        while self._sent and self._sent[0] <= now - 60:
            self._sent.popleft()
        if len(self._sent) >= self._minute:
            return False
        if len(self._sent) >= self._second and self._sent[-self._second] > now - 1:
            return False
        self._sent.append(now)
        return True


def shard(
    wanted: Iterable[Subscription], before: Sequence[Iterable[Subscription]], limits: Limits
) -> tuple[list[list[Subscription]], list[Subscription]]:
    """Spread `wanted` over connections, and say what did not fit (the last of `wanted`).

    A subscription stays on the connection that it was on (`before`), so that adding one never moves
    another.
    """
    most = limits.subscriptions * limits.connections
    order = list(dict.fromkeys(wanted))
    fits, dropped = set(order[:most]), order[most:]
    home = {subscription: number for number, held in enumerate(before) for subscription in held}
    shards: list[list[Subscription]] = [[] for _ in range(limits.connections)]
    loads = Counter(home[s] for s in fits if s in home)
    for subscription in order[:most]:
        number = home.get(subscription)
        if number is None:
            # The first with room: few, full connections rather than many half-empty ones.
            number = next(n for n in range(limits.connections) if loads[n] < limits.subscriptions)
            loads[number] += 1
        shards[number].append(subscription)
    return shards, dropped


def backoff(jitter: Callable[[], float], *, first: float = 0.5, most: float = 20.0) -> Iterator[float]:
    """Seconds to wait before each try: doubling, capped, and spread over the upper half by `jitter`.

    `jitter` returns a number in [0, 1). The spread keeps clients of a venue that went away from
    coming back all at once.
    """
    delay = first
    while True:
        yield delay * (0.5 + jitter() / 2)
        delay = min(most, delay * 2)
