"""How a load client talks to each server, and how it proves what it received. Pure.

Both dialects turn a text frame into `Delivered` values: (topic, seq from, seq to, due). The servers
write the same bytes to many clients, so each frame is parsed once; and clients that saw the same frames
are in the same `Position`, so each step is computed once too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from cryptotrade.bench.payloads import due_of

FORGET_AFTER = 5_000


class Delivered(NamedTuple):
    """One update of one topic. `first` is 0 for a snapshot, which nothing has to precede."""

    topic: str
    first: int
    last: int
    due: int


@dataclass(eq=False)
class Frame:
    """One text frame: what it says and when it was received, by any client."""

    says: Sequence[Delivered]
    answers: int = 0  # subscriptions that it confirms
    told: dict[str, int] = field(default_factory=dict)  # a beat: what each topic stands at
    received: list[int] = field(default_factory=list)


class Dialect(Protocol):
    """What a client says when connected, and what it is told."""

    answers: int  # confirmations to wait for

    def greeting(self) -> Sequence[bytes]: ...

    def read(self, text: bytes) -> Frame: ...


class HubDialect:
    """docs/stream-protocol.md."""

    def __init__(self, topics: Sequence[str], rate: int) -> None:
        self.answers = len(topics)
        self._topics = topics
        self._rate = rate
        self._names: dict[int, str] = {}

    def greeting(self) -> Sequence[bytes]:
        return [orjson.dumps({"op": "sub", "topic": t, "rate": self._rate}) for t in self._topics]

    def read(self, text: bytes) -> Frame:
        said = orjson.loads(text)
        match said["op"]:
            case "push":
                return Frame([self._pushed(*element) for element in said["m"]])
            case "ok":
                self._names[said["id"]] = said["topic"]
                return Frame([Delivered(said["topic"], 0, said["seq"], 0)], answers=1)
            case "beat":
                return Frame([], told={self._names[int(i)]: seq for i, seq in said["seq"].items()})
        raise ValueError(f"the hub said {said}")

    def _pushed(self, number: int, first: int, last: int, body: Any) -> Delivered:
        topic = self._names[number]
        return Delivered(topic, first, last, due_of(topic, body))


class PlainDialect:
    """One update a message: `{"topic", "seq", "body"}`, after one list of topics from the client."""

    def __init__(self, topics: Sequence[str], *, silent: bool = False) -> None:
        """`silent`: the address has named the topics already, and nothing is confirmed."""
        self._topics = topics
        self.answers = 0 if silent else 1

    def greeting(self) -> Sequence[bytes]:
        return [orjson.dumps({"topics": self._topics})] if self.answers else []

    def read(self, text: bytes) -> Frame:
        said = orjson.loads(text)
        if "ready" in said:
            return Frame([], answers=1)
        topic, seq = said["topic"], said["seq"]
        return Frame([Delivered(topic, seq, seq, due_of(topic, said["body"]))])


def plain_message(topic: str, seq: int, body: Any) -> bytes:
    """What a plain server sends."""
    return orjson.dumps({"topic": topic, "seq": seq, "body": body})


class Position:
    """What a client has seen of each topic. Never changed: a step leads to another position."""

    __slots__ = ("_next", "seen")

    def __init__(self, seen: dict[str, int]) -> None:
        self.seen = seen
        self._next: dict[Frame, tuple[Position, int]] = {}

    def step(self, frame: Frame) -> tuple["Position", int]:
        """Where this frame leads, and how many updates were missed on the way."""
        known = self._next.get(frame)
        if known is None:
            known = self._next[frame] = self._step(frame)
        return known

    def _step(self, frame: Frame) -> tuple["Position", int]:
        seen, lost = dict(self.seen), 0
        for said in frame.says:
            before = seen.get(said.topic)
            if said.first and before is not None:
                lost += max(0, said.first - 1 - before)
            seen[said.topic] = said.last if before is None or not said.first else max(before, said.last)
        for topic, seq in frame.told.items():
            lost += max(0, seq - seen.get(topic, seq))
            seen[topic] = max(seq, seen.get(topic, seq))
        return Position(seen), lost


class Frames:
    """All different frames of a run, each parsed once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[bytes, Frame] = {}
        self.all: list[Frame] = []

    def of(self, text: bytes) -> Frame:
        frame = self._known.get(text)
        if frame is None:
            if len(self._known) > FORGET_AFTER:
                self._known.clear()  # only bytes that are still on their way come again
            frame = self._known[text] = self._dialect.read(text)
            self.all.append(frame)
        return frame
