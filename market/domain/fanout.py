"""Fan-out of topics to clients (pure): decides which frames each client receives at each tick.

Clients of equal rate and equal topics form a *cohort* and receive the same bytes. A *lane* is one topic
at one rate; it stores the `seq` up to which its cohorts have received updates, so that every push begins
exactly where the previous one ended. A client with a blocked socket is detached from its cohort: its
`Subscriber` stores what it has received, and when the socket is writable again it gets one update from
there to now (a topic can produce an update from any `seq`) and rejoins the cohort.

Nothing here awaits, reads a clock or copies per client.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from market.domain.commands import RATES
from market.domain.topic_reader import TopicReader, TopicUpdate, encode_ok, encode_since, frames_of
from market.domain.topics import TopicClass, topic_state

TICKS_PER_SECOND = max(RATES)
ClientT = TypeVar("ClientT", bound=Hashable)


@dataclass(eq=False, slots=True)
class TopicLane:
    """One topic at one rate. `epoch`, `sent`: the last update that its cohorts have received."""

    topic: TopicReader
    epoch: int
    sent: int
    subscribers: int = 0


@dataclass(eq=False, slots=True)
class Subscriber(Generic[ClientT]):
    """A client at one rate. `seen` (topic → epoch, seq) is None while it follows its cohort."""

    client: ClientT
    rate: int
    topics: frozenset[str] = frozenset()
    seen: dict[str, tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True)
class Delivery(Generic[ClientT]):
    """Frames to write, in order, to each of these subscribers."""

    frames: list[str]
    subscribers: Iterable[Subscriber[ClientT]]


@dataclass(frozen=True, slots=True)
class PendingSubscribe(Generic[ClientT]):
    """A subscribe request, answered at the first tick at which its topic has a value."""

    client: ClientT
    topic: TopicReader
    rate: int
    epoch: int | None
    seq: int | None
    deadline: int  # number of the tick at which it is answered even without a value


class Fanout(Generic[ClientT]):
    """Fan-out: topics, lanes and cohorts of one process. `tick(n)` yields the deliveries of tick n."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicReader] = {}
        self._lanes: dict[int, dict[str, TopicLane]] = {rate: {} for rate in RATES}
        self._cohorts: dict[int, dict[frozenset[str], set[Subscriber[ClientT]]]] = {
            rate: {} for rate in RATES
        }
        self._subscribers: dict[ClientT, dict[int, Subscriber[ClientT]]] = {}
        self._rates: dict[ClientT, dict[str, int]] = {}
        self._pending: dict[ClientT, dict[str, PendingSubscribe[ClientT]]] = {}
        self._behind: set[ClientT] = set()
        self._numbers = 0

    # --- topics --------------------------------------------------------------------------------
    def topic(self, key: str, cls: TopicClass, *, name: str | None = None) -> TopicReader:
        """The topic of that key, created if missing. `name` is its name in the protocol (default: key)."""
        if key not in self.topics:
            self._numbers += 1
            self.topics[key] = TopicReader(key, name or key, self._numbers, cls, topic_state(cls))
        return self.topics[key]

    def watched(self) -> set[str]:
        """Keys of topics with at least one subscriber or pending subscription."""
        lanes = {key for lanes in self._lanes.values() for key in lanes}
        return lanes.union(*self._pending.values())

    def forget(self, key: str) -> None:
        """Drop a topic that has no subscribers."""
        if key not in self.watched():
            self.topics.pop(key, None)

    # --- clients -------------------------------------------------------------------------------
    def subscriptions(self, client: ClientT) -> int:
        """Number of topics the client is subscribed to, pending subscriptions included."""
        return len(self._rates.get(client, {}).keys() | self._pending.get(client, {}).keys())

    def reads(self, client: ClientT, key: str) -> bool:
        return key in self._rates.get(client, ())

    def subscribe(self, request: PendingSubscribe[ClientT]) -> None:
        """Queue a subscription; a repeated one replaces the pending or active one."""
        self._pending.setdefault(request.client, {})[request.topic.key] = request

    def unsubscribe(self, client: ClientT, key: str) -> bool:
        """End one subscription. False when there was none."""
        pending = self._pending.get(client, {}).pop(key, None)
        return self._detach_topic(client, key) or pending is not None

    def _detach_topic(self, client: ClientT, key: str) -> bool:
        rate = self._rates.get(client, {}).pop(key, None)
        if rate is None:
            return False
        self._move(client, rate, self._subscribers[client][rate].topics - {key})
        self._release_lane(rate, key)
        return True

    def remove(self, client: ClientT) -> list[str]:
        """Remove a client. Returns the keys of its subscriptions."""
        self._pending.pop(client, None)
        self._behind.discard(client)
        rates = self._rates.pop(client, {})
        for rate in list(self._subscribers.get(client, ())):
            self._move(client, rate, frozenset())
        for key, rate in rates.items():
            self._release_lane(rate, key)
        self._subscribers.pop(client, None)
        return list(rates)

    def detach(self, client: ClientT) -> None:
        """Detach a client with a blocked socket from its cohorts and store what it has received."""
        self._behind.add(client)
        for rate, subscriber in self._subscribers.get(client, {}).items():
            if subscriber.seen is None:
                lanes = self._lanes[rate]
                subscriber.seen = {key: (lanes[key].epoch, lanes[key].sent) for key in subscriber.topics}

    def resume(self) -> list[ClientT]:
        """Clients that are detached from their cohorts."""
        return list(self._behind)

    def _move(self, client: ClientT, rate: int, topics: frozenset[str]) -> None:
        subscribers = self._subscribers.setdefault(client, {})
        subscriber = subscribers.get(rate) or Subscriber(client, rate)
        cohorts = self._cohorts[rate]
        if subscriber.topics:
            cohorts[subscriber.topics].discard(subscriber)
            if not cohorts[subscriber.topics]:
                del cohorts[subscriber.topics]
        if not topics:
            subscribers.pop(rate, None)
            return
        subscriber.topics = topics
        subscribers[rate] = subscriber
        cohorts.setdefault(topics, set()).add(subscriber)

    def _release_lane(self, rate: int, key: str) -> None:
        lane = self._lanes[rate][key]
        lane.subscribers -= 1
        if not lane.subscribers:
            del self._lanes[rate][key]

    # --- time ----------------------------------------------------------------------------------
    def tick(self, number: int, *, blocked: Callable[[ClientT], bool]) -> Iterator[Delivery[ClientT]]:
        """The deliveries of this tick, rate by rate; `blocked(client)` is True for a blocked socket.

        Write each delivery before requesting the next one: a `detach` in between is taken into account.
        """
        ready = [
            request
            for requests in self._pending.values()
            for request in requests.values()
            if (request.topic.seq or number >= request.deadline) and not blocked(request.client)
        ]
        early: dict[int, set[str]] = {}
        for request in ready:
            early.setdefault(request.rate, set()).add(request.topic.key)
        for rate in RATES:
            if number % (TICKS_PER_SECOND // rate) == 0:
                yield from self._flush(rate, self._lanes[rate].keys())
                yield from self._catch_up(rate, blocked)
            elif rate in early:
                # The snapshot of a new subscriber is current, so its lane must be flushed up to it, too.
                yield from self._flush(rate, early[rate])
        yield from self._answer(ready, blocked)

    def _flush(self, rate: int, keys: Iterable[str]) -> Iterator[Delivery[ClientT]]:
        lanes = self._lanes[rate]
        parts: dict[str, TopicUpdate] = {}
        for key in keys & lanes.keys():
            lane, topic = lanes[key], lanes[key].topic
            if (lane.epoch, lane.sent) != (topic.epoch, topic.seq):
                parts[key] = encode_since(topic, lane.epoch, lane.sent)
                lane.epoch, lane.sent = topic.epoch, topic.seq
        if not parts:
            return
        for topics, subscribers in list(self._cohorts[rate].items()):
            if changed := [parts[key] for key in parts.keys() & topics]:
                yield Delivery(
                    frames_of(changed), [subscriber for subscriber in subscribers if subscriber.seen is None]
                )

    def _catch_up(self, rate: int, blocked: Callable[[ClientT], bool]) -> Iterator[Delivery[ClientT]]:
        """Send each detached, writable subscriber one update from its last received state to now.

        Runs after a flush of the whole rate, so that every lane is up to date with its topic.
        """
        lanes = self._lanes[rate]
        recovering = [
            subscriber
            for subscriber in self._behind_subscribers()
            if subscriber.rate == rate and not blocked(subscriber.client)
        ]
        for subscriber in recovering:
            seen, subscriber.seen = subscriber.seen or {}, None
            behind = [
                encode_since(lanes[key].topic, *at)
                for key, at in seen.items()
                if key in subscriber.topics and at != (lanes[key].epoch, lanes[key].sent)
            ]
            if all(other.seen is None for other in self._subscribers[subscriber.client].values()):
                self._behind.discard(subscriber.client)
            if behind:
                yield Delivery(frames_of(behind), [subscriber])

    def _behind_subscribers(self) -> list[Subscriber[ClientT]]:
        return [
            s
            for client in self._behind
            for s in self._subscribers.get(client, {}).values()
            if s.seen is not None
        ]

    def _answer(
        self, requests: list[PendingSubscribe[ClientT]], blocked: Callable[[ClientT], bool]
    ) -> Iterator[Delivery[ClientT]]:
        encoded: dict[tuple[str, int | None, int | None], str] = {}
        for request in requests:
            current = self._pending.get(request.client, {}).get(request.topic.key)
            if current is not request or blocked(request.client):
                continue  # unsubscribed, or blocked by an earlier delivery of this tick
            key = (request.topic.key, request.epoch, request.seq)
            if key not in encoded:
                encoded[key] = encode_ok(request.topic, epoch=request.epoch, seq=request.seq)
            yield Delivery([encoded[key]], [self._attach_topic(request)])

    def _attach_topic(self, request: PendingSubscribe[ClientT]) -> Subscriber[ClientT]:
        key, rate, client = request.topic.key, request.rate, request.client
        del self._pending[client][key]
        self._detach_topic(client, key)
        self._rates.setdefault(client, {})[key] = rate
        lane = self._lanes[rate].setdefault(
            key, TopicLane(request.topic, request.topic.epoch, request.topic.seq)
        )
        lane.subscribers += 1
        subscriber = self._subscribers.get(client, {}).get(rate)
        self._move(client, rate, (subscriber.topics if subscriber else frozenset()) | {key})
        subscriber = self._subscribers[client][rate]
        if subscriber.seen is not None:
            subscriber.seen[key] = (lane.epoch, lane.sent)
        return subscriber

    def heartbeats(self) -> Iterator[Delivery[ClientT]]:
        """`{"op":"heartbeat","seq":{id: seq}}` for every cohort: the last `seq` sent of each topic."""
        for rate, cohorts in self._cohorts.items():
            lanes = self._lanes[rate]
            for topics, subscribers in list(cohorts.items()):
                sequences = {str(lanes[key].topic.id): lanes[key].sent for key in topics}
                frame = orjson.dumps({"op": "heartbeat", "seq": sequences}).decode()
                yield Delivery([frame], [subscriber for subscriber in subscribers if subscriber.seen is None])
