"""Stream subscriptions of a venue: names, limits per connection, message rate, sharding. Times in seconds."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from market.domain.events import Book, Candle, Context, Event, Mids, Quote, Trades
from market.domain.orders import AccountMessage, AccountStream

StreamKind = (
    Literal["mids", "quote", "context", "candle", "trades", "book", "fast_book"] | AccountStream
)  # fmt: skip


class Subscription(NamedTuple):
    """One stream of a venue. `symbol` is empty for `mids`, and the account address for account streams;
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


def kind_of(event: Event | AccountMessage) -> StreamKind:
    """The kind of stream that delivered the event."""
    if isinstance(event, AccountMessage):
        return event.kind
    if isinstance(event, Book):
        return "fast_book" if event.shallow else "book"
    return _KINDS[type(event)]


@dataclass(frozen=True)
class StreamLimits:
    """Limits of a venue's streams and the timeouts after which silence counts as a failure (seconds).

    `subscriptions` is per connection. `progress` maps the kinds that must keep updating while at least
    `min_subscriptions` of them are subscribed to their timeouts, because a venue may serve one channel and
    stall another. `any_frame_timeout` is for frames of any type, pongs included.
    """

    subscriptions: int = 1000
    connections: int = 1
    messages_per_second: int = 50
    messages_per_minute: int = 1800
    ping_every: float = 30.0
    ack_within: float = 10.0
    refused_for: float = 60.0
    silence: float = 10.0
    any_frame_timeout: float = float("inf")
    min_subscriptions: int = 10
    progress: Mapping[StreamKind, float] = field(
        default_factory=lambda: {"quote": 20.0, "mids": 30.0, "context": 60.0}
    )


class MessagePacer:
    """Rate limiter of client messages per second and minute; shared by all connections of one address."""

    def __init__(self, limits: StreamLimits) -> None:
        self._second = limits.messages_per_second
        self._minute = limits.messages_per_minute
        self._sent: deque[float] = deque()

    def try_acquire(self, now: float) -> bool:
        """Count one message and return True when it may be sent now."""
        while self._sent and self._sent[0] <= now - 60:
            self._sent.popleft()
        if len(self._sent) >= self._minute:
            return False
        if len(self._sent) >= self._second and self._sent[-self._second] > now - 1:
            return False
        self._sent.append(now)
        return True


def shard(
    desired: Iterable[Subscription], previous: Sequence[Iterable[Subscription]], limits: StreamLimits
) -> tuple[list[list[Subscription]], list[Subscription]]:
    """Distribute `desired` over connections; also returns those that did not fit (the last of `desired`).

    A subscription stays on its connection of the `previous` distribution, so that adding one never moves
    another.
    """
    maximum = limits.subscriptions * limits.connections
    order = list(dict.fromkeys(desired))
    fits, dropped = set(order[:maximum]), order[maximum:]
    home = {subscription: number for number, assigned in enumerate(previous) for subscription in assigned}
    shards: list[list[Subscription]] = [[] for _ in range(limits.connections)]
    loads = Counter(home[s] for s in fits if s in home)
    for subscription in order[:maximum]:
        number = home.get(subscription)
        if number is None:
            # The first connection with capacity: few full connections rather than many half-empty ones.
            number = next(n for n in range(limits.connections) if loads[n] < limits.subscriptions)
            loads[number] += 1
        shards[number].append(subscription)
    return shards, dropped


def backoff(jitter: Callable[[], float], *, first: float = 0.5, maximum: float = 20.0) -> Iterator[float]:
    """Exponential backoff: seconds to wait before each attempt, doubling, capped, with jitter.

    `jitter` returns a number in [0, 1) that spreads the delay over its upper half, so that clients do not
    all reconnect to a recovered venue at once.
    """
    delay = first
    while True:
        yield delay * (0.5 + jitter() / 2)
        delay = min(maximum, delay * 2)
