"""One topic as a reader holds it, and the frames in which it is told (docs/stream-protocol.md)."""

from dataclasses import dataclass
from typing import Any

import orjson

from market.domain.topics import AnyTopic, LogTopic, TopicClass, topic_state


@dataclass(eq=False, slots=True)
class Topic:
    """The reading side of one topic. `id` is its number in this process."""

    key: str
    name: str
    id: int
    cls: TopicClass
    state: AnyTopic
    epoch: int = 0
    seq: int = 0

    def update(self, *, epoch: int, first: int, last: int, body: Any) -> bool:
        """Apply one update. False: something before it is missing, a snapshot is needed."""
        if epoch < self.epoch or (epoch == self.epoch and last <= self.seq):
            return True
        if epoch > self.epoch and first == 1:
            self._begin(epoch)
        if epoch != self.epoch or first > self.seq + 1:
            return False
        if self.cls is TopicClass.LOG:
            body = body[self.seq + 1 - first :]
        self.seq = last
        self.state.apply(last, body)
        return True

    def replace(self, *, epoch: int, seq: int, whole: Any) -> None:
        """Take over a snapshot; an older one than what is known changes nothing."""
        if (epoch, seq) <= (self.epoch, self.seq):
            return
        if epoch > self.epoch:
            self._begin(epoch)
        missed = seq - self.seq
        if isinstance(self.state, LogTopic) and 0 < missed <= len(whole) and self.seq:
            self.state.apply(seq, whole[-missed:])
        else:
            self.state.catch_up(seq, whole)
        self.seq = seq

    def _begin(self, epoch: int) -> None:
        self.state = topic_state(self.cls)
        self.epoch, self.seq = epoch, 0


@dataclass(frozen=True, slots=True)
class Part:
    """An element of a push frame, or a whole `ok` frame when no update can be made."""

    json: bytes
    is_ok: bool = False


def encode_since(topic: Topic, epoch: int, seq: int) -> Part:
    """The update from `seq` to now; a fresh `ok` when the epoch changed or what lies between is gone."""
    body = topic.state.since(seq) if epoch == topic.epoch else None
    if body is None:
        return Part(encode_ok(topic, epoch=None, seq=None).encode(), is_ok=True)
    return Part(b"[%d,%d,%d,%b]" % (topic.id, seq + 1, topic.seq, orjson.dumps(body)))


def frames_of(parts: list[Part]) -> list[str]:
    """One push frame for all updates, after the `ok` frames."""
    frames = [part.json.decode() for part in parts if part.is_ok]
    pushes = [part.json for part in parts if not part.is_ok]
    if pushes:
        frames.append((b'{"op":"push","m":[%b]}' % b",".join(pushes)).decode())
    return frames


def encode_ok(topic: Topic, *, epoch: int | None, seq: int | None) -> str:
    """The answer to a subscription of somebody who last saw `seq` of `epoch`."""
    known = epoch == topic.epoch and seq is not None and seq <= topic.seq and topic.seq > 0
    snap = topic.state.whole() if topic.seq else None
    if topic.cls is TopicClass.LOG and known:
        missed = topic.state.since(seq or 0)
        known = missed is not None
        snap = missed if known else snap
    return orjson.dumps(
        {
            "op": "ok",
            "topic": topic.name,
            "id": topic.id,
            "epoch": topic.epoch,
            "seq": topic.seq,
            "recovered": known,
            "snap": snap,
        }
    ).decode()
