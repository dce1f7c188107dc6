"""Who is told what, and when: the fan-out of topics to clients, without sockets.

Clients of equal rate and equal topics form a *cohort* and are written the same bytes. A *lane* is one
topic at one rate; it remembers the `seq` up to which its cohorts have been told, so that every push
begins exactly where the one before ended. A client whose socket does not take a frame at once leaves
the step of its cohort: its *seat* remembers what it has seen, and when the socket is free again it
gets one update from there to now (a topic can make an update from any `seq`) and is in step again.

Nothing here awaits, reads a clock or copies per client.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from market.domain.commands import RATES
from market.domain.topic_reader import Part, Topic, encode_ok, encode_since, frames_of
from market.domain.topics import TopicClass, topic_state

TICKS_PER_SECOND = max(RATES)


@dataclass(eq=False, slots=True)
class Lane:
    """One topic at one rate. `epoch`, `sent`: up to where its cohorts have been told."""

    topic: Topic
    epoch: int
    sent: int
    seats: int = 0


@dataclass(eq=False, slots=True)
class Seat:
    """A client at one rate. `seen` is None while in step with the cohort."""

    client: Any
    rate: int
    topics: frozenset[str] = frozenset()
    seen: dict[str, tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The same frames for all these clients, to be written in order."""

    frames: list[str]
    seats: Iterable[Seat]


@dataclass(frozen=True, slots=True)
class Join:
    """A subscription that is answered at the next tick at which its topic has a value."""

    client: Any
    topic: Topic
    rate: int
    epoch: int | None
    seq: int | None
    deadline: int  # the tick at which it is answered without a value


class Fanout:
    """Topics, lanes and cohorts of one process. `tick(n)` yields what is to be written at tick n."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self._lanes: dict[int, dict[str, Lane]] = {rate: {} for rate in RATES}
        self._cohorts: dict[int, dict[frozenset[str], set[Seat]]] = {rate: {} for rate in RATES}
        self._seats: dict[Any, dict[int, Seat]] = {}
        self._rates: dict[Any, dict[str, int]] = {}
        self._joins: dict[Any, dict[str, Join]] = {}
        self._behind: set[Any] = set()
        self._numbers = 0

    # --- topics --------------------------------------------------------------------------------
    def topic(self, key: str, cls: TopicClass, *, name: str | None = None) -> Topic:
        """The topic of that key, made when new. `name` is what clients call it (default: the key)."""
        if key not in self.topics:
            self._numbers += 1
            self.topics[key] = Topic(key, name or key, self._numbers, cls, topic_state(cls))
        return self.topics[key]

    def watched(self) -> set[str]:
        """Keys of topics that somebody reads or waits for."""
        lanes = {key for lanes in self._lanes.values() for key in lanes}
        return lanes.union(*self._joins.values())

    def forget(self, key: str) -> None:
        """Drop a topic that nobody reads."""
        if key not in self.watched():
            self.topics.pop(key, None)

    # --- clients -------------------------------------------------------------------------------
    def subscriptions(self, client: Any) -> int:
        """How many topics the client reads or waits for."""
        return len(self._rates.get(client, {}).keys() | self._joins.get(client, {}).keys())

    def reads(self, client: Any, key: str) -> bool:
        return key in self._rates.get(client, ())

    def join(self, join: Join) -> None:
        """Queue a subscription; a repeated one replaces what was waiting or running."""
        self._joins.setdefault(join.client, {})[join.topic.key] = join

    def leave(self, client: Any, key: str) -> bool:
        """End one subscription. False when there was none."""
        waited = self._joins.get(client, {}).pop(key, None)
        return self._stand_up(client, key) or waited is not None

    def _stand_up(self, client: Any, key: str) -> bool:
        rate = self._rates.get(client, {}).pop(key, None)
        if rate is None:
            return False
        self._move(client, rate, self._seats[client][rate].topics - {key})
        self._unseat(rate, key)
        return True

    def remove(self, client: Any) -> list[str]:
        """Forget a client. Returns the keys it read."""
        self._joins.pop(client, None)
        self._behind.discard(client)
        rates = self._rates.pop(client, {})
        for rate in list(self._seats.get(client, ())):
            self._move(client, rate, frozenset())
        for key, rate in rates.items():
            self._unseat(rate, key)
        self._seats.pop(client, None)
        return list(rates)

    def fall_behind(self, client: Any) -> None:
        """The client's socket did not take a frame at once: remember what it has been told."""
        self._behind.add(client)
        for rate, seat in self._seats.get(client, {}).items():
            if seat.seen is None:
                lanes = self._lanes[rate]
                seat.seen = {key: (lanes[key].epoch, lanes[key].sent) for key in seat.topics}

    def behind(self) -> list[Any]:
        """Clients that are out of step with their cohorts."""
        return list(self._behind)

    def _move(self, client: Any, rate: int, topics: frozenset[str]) -> None:
        seats = self._seats.setdefault(client, {})
        seat = seats.get(rate) or Seat(client, rate)
        cohorts = self._cohorts[rate]
        if seat.topics:
            cohorts[seat.topics].discard(seat)
            if not cohorts[seat.topics]:
                del cohorts[seat.topics]
        if not topics:
            seats.pop(rate, None)
            return
        seat.topics = topics
        seats[rate] = seat
        cohorts.setdefault(topics, set()).add(seat)

    def _unseat(self, rate: int, key: str) -> None:
        lane = self._lanes[rate][key]
        lane.seats -= 1
        if not lane.seats:
            del self._lanes[rate][key]

    # --- time ----------------------------------------------------------------------------------
    def tick(self, number: int, *, blocked: Any) -> Iterator[Delivery]:
        """What to write at this tick, rate by rate; `blocked(client)` says whose socket is not free.

        Write each delivery before asking for the next: `fall_behind` in between is taken into account.
        """
        ready = [
            join
            for joins in self._joins.values()
            for join in joins.values()
            if (join.topic.seq or number >= join.deadline) and not blocked(join.client)
        ]
        early: dict[int, set[str]] = {}
        for join in ready:
            early.setdefault(join.rate, set()).add(join.topic.key)
        for rate in RATES:
            if number % (TICKS_PER_SECOND // rate) == 0:
                yield from self._flush(rate, self._lanes[rate].keys())
                yield from self._catch_up(rate, blocked)
            elif rate in early:
                # A joiner's snapshot is of now, so its lane has to be told up to now as well.
                yield from self._flush(rate, early[rate])
        yield from self._answer(ready, blocked)

    def _flush(self, rate: int, keys: Iterable[str]) -> Iterator[Delivery]:
        lanes = self._lanes[rate]
        parts: dict[str, Part] = {}
        for key in keys & lanes.keys():
            lane, topic = lanes[key], lanes[key].topic
            if (lane.epoch, lane.sent) != (topic.epoch, topic.seq):
                parts[key] = encode_since(topic, lane.epoch, lane.sent)
                lane.epoch, lane.sent = topic.epoch, topic.seq
        if not parts:
            return
        for topics, seats in list(self._cohorts[rate].items()):
            if changed := [parts[key] for key in parts.keys() & topics]:
                yield Delivery(frames_of(changed), [seat for seat in seats if seat.seen is None])

    def _catch_up(self, rate: int, blocked: Any) -> Iterator[Delivery]:
        """Give each free seat that is out of step one update from what it has seen to now.

        Comes after a flush of the whole rate, so that every lane is level with its topic.
        """
        lanes = self._lanes[rate]
        late = [seat for seat in self._late() if seat.rate == rate and not blocked(seat.client)]
        for seat in late:
            seen, seat.seen = seat.seen or {}, None
            behind = [
                encode_since(lanes[key].topic, *at)
                for key, at in seen.items()
                if key in seat.topics and at != (lanes[key].epoch, lanes[key].sent)
            ]
            if all(other.seen is None for other in self._seats[seat.client].values()):
                self._behind.discard(seat.client)
            if behind:
                yield Delivery(frames_of(behind), [seat])

    def _late(self) -> list[Seat]:
        return [
            s for client in self._behind for s in self._seats.get(client, {}).values() if s.seen is not None
        ]

    def _answer(self, joins: list[Join], blocked: Any) -> Iterator[Delivery]:
        encoded: dict[tuple[str, int | None, int | None], str] = {}
        for join in joins:
            waiting = self._joins.get(join.client, {}).get(join.topic.key)
            if waiting is not join or blocked(join.client):
                continue  # gone, or it fell behind while being told something else
            key = (join.topic.key, join.epoch, join.seq)
            if key not in encoded:
                encoded[key] = encode_ok(join.topic, epoch=join.epoch, seq=join.seq)
            yield Delivery([encoded[key]], [self._sit_down(join)])

    def _sit_down(self, join: Join) -> Seat:
        key, rate, client = join.topic.key, join.rate, join.client
        del self._joins[client][key]
        self._stand_up(client, key)
        self._rates.setdefault(client, {})[key] = rate
        lane = self._lanes[rate].setdefault(key, Lane(join.topic, join.topic.epoch, join.topic.seq))
        lane.seats += 1
        seat = self._seats.get(client, {}).get(rate)
        self._move(client, rate, (seat.topics if seat else frozenset()) | {key})
        seat = self._seats[client][rate]
        if seat.seen is not None:
            seat.seen[key] = (lane.epoch, lane.sent)
        return seat

    def beats(self) -> Iterator[Delivery]:
        """`{"op":"beat","seq":{id: seq}}` for every cohort, of what it has been told."""
        for rate, cohorts in self._cohorts.items():
            lanes = self._lanes[rate]
            for topics, seats in list(cohorts.items()):
                told = {str(lanes[key].topic.id): lanes[key].sent for key in topics}
                frame = orjson.dumps({"op": "beat", "seq": told}).decode()
                yield Delivery([frame], [seat for seat in seats if seat.seen is None])
