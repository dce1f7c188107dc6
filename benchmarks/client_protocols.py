"""Client protocols of the load client, and its loss detection. Pure.

Both dialects turn a text frame into `Delivered` values: (topic, first seq, last seq, due). Servers send the same
bytes to many clients, so each frame is parsed once. Clients that received the same frames share the same
`Position`, so each step is computed once too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from benchmarks.payloads import due_time

MAX_CACHED_FRAMES = 5_000


class Delivered(NamedTuple):
    """One update of a topic, with its range of seq. `first` is 0 for a snapshot, which has no predecessor."""

    topic: str
    first: int
    last: int
    due: int


@dataclass(eq=False)
class Frame:
    """One text frame: its parsed content, and the times at which clients received it."""

    message: Sequence[Delivered]
    confirmations: int = 0  # number of subscriptions that it confirms
    delivered: dict[str, int] = field(default_factory=dict)  # of a heartbeat: the last seq of each topic
    received: list[int] = field(default_factory=list)


class Dialect(Protocol):
    """Protocol of a server: the client's first messages, and the parser of its frames."""

    confirmations: int  # confirmations to wait for

    def greeting(self) -> Sequence[bytes]: ...

    def read(self, text: bytes) -> Frame: ...


class HubDialect:
    """Protocol of the application's hub (docs/stream-protocol.md)."""

    def __init__(self, topics: Sequence[str], rate: int) -> None:
        self.confirmations = len(topics)
        self._topics = topics
        self._rate = rate
        self._names: dict[int, str] = {}

    def greeting(self) -> Sequence[bytes]:
        return [orjson.dumps({"op": "subscribe", "topic": t, "rate": self._rate}) for t in self._topics]

    def read(self, text: bytes) -> Frame:
        message = orjson.loads(text)
        match message["op"]:
            case "push":
                return Frame([self._pushed(*element) for element in message["m"]])
            case "ok":
                self._names[message["id"]] = message["topic"]
                return Frame([Delivered(message["topic"], 0, message["seq"], 0)], confirmations=1)
            case "heartbeat":
                return Frame([], delivered={self._names[int(i)]: seq for i, seq in message["seq"].items()})
        raise ValueError(f"unknown message of the hub: {message}")

    def _pushed(self, number: int, first: int, last: int, body: Any) -> Delivered:
        topic = self._names[number]
        return Delivered(topic, first, last, due_time(topic, body))


class PlainDialect:
    """One update per message, `{"topic", "seq", "body"}`, after the client has sent its list of topics."""

    def __init__(self, topics: Sequence[str], *, silent: bool = False) -> None:
        """`silent`: the URL names the topics, and the server confirms nothing."""
        self._topics = topics
        self.confirmations = 0 if silent else 1

    def greeting(self) -> Sequence[bytes]:
        return [orjson.dumps({"topics": self._topics})] if self.confirmations else []

    def read(self, text: bytes) -> Frame:
        message = orjson.loads(text)
        if "ready" in message:
            return Frame([], confirmations=1)
        topic, seq = message["topic"], message["seq"]
        return Frame([Delivered(topic, seq, seq, due_time(topic, message["body"]))])


def plain_message(topic: str, seq: int, body: Any) -> bytes:
    """A message of a plain server."""
    return orjson.dumps({"topic": topic, "seq": seq, "body": body})


class Position:
    """The last seq that a client received of each topic. Immutable: a step returns another position."""

    __slots__ = ("_next", "seen")

    def __init__(self, seen: dict[str, int]) -> None:
        self.seen = seen
        self._next: dict[Frame, tuple[Position, int]] = {}

    def step(self, frame: Frame) -> tuple["Position", int]:
        """The position after this frame, and the number of updates lost before it."""
        cached = self._next.get(frame)
        if cached is None:
            cached = self._next[frame] = self._step(frame)
        return cached

    def _step(self, frame: Frame) -> tuple["Position", int]:
        seen, lost = dict(self.seen), 0
        for message in frame.message:
            before = seen.get(message.topic)
            if message.first and before is not None:
                lost += max(0, message.first - 1 - before)
            seen[message.topic] = (
                message.last if before is None or not message.first else max(before, message.last)
            )
        for topic, seq in frame.delivered.items():
            lost += max(0, seq - seen.get(topic, seq))
            seen[topic] = max(seq, seen.get(topic, seq))
        return Position(seen), lost


class Frames:
    """All distinct frames of a run, each parsed once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._cache: dict[bytes, Frame] = {}
        self.all: list[Frame] = []

    def of(self, text: bytes) -> Frame:
        frame = self._cache.get(text)
        if frame is None:
            if len(self._cache) > MAX_CACHED_FRAMES:
                self._cache.clear()  # only frames still in transit can be received again
            frame = self._cache[text] = self._dialect.read(text)
            self.all.append(frame)
        return frame
