"""Read side of one stream topic, and the encoding of its frames (docs/stream-protocol.md)."""

from dataclasses import dataclass
from typing import Any

import orjson

from market.domain.topics import AnyTopic, LogTopic, TopicClass, topic_state


@dataclass(eq=False, slots=True)
class TopicReader:
    """Topic reader: applies updates and snapshots of one topic. `id` is its number in this process."""

    key: str
    name: str
    id: int
    cls: TopicClass
    state: AnyTopic
    epoch: int = 0
    seq: int = 0

    def update(self, *, epoch: int, first: int, last: int, body: Any) -> bool:
        """Apply one update. False: an earlier update is missing, a snapshot is needed."""
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
        """Apply a snapshot; one that is older than the current state is ignored."""
        if (epoch, seq) <= (self.epoch, self.seq):
            return
        if epoch > self.epoch:
            self._begin(epoch)
        missing = seq - self.seq
        if isinstance(self.state, LogTopic) and 0 < missing <= len(whole) and self.seq:
            self.state.apply(seq, whole[-missing:])
        else:
            self.state.catch_up(seq, whole)
        self.seq = seq

    def _begin(self, epoch: int) -> None:
        self.state = topic_state(self.cls)
        self.epoch, self.seq = epoch, 0


@dataclass(frozen=True, slots=True)
class TopicUpdate:
    """An element of a push frame, or a full `ok` frame when no update is possible."""

    json: bytes
    is_ok: bool = False


def encode_since(topic: TopicReader, epoch: int, seq: int) -> TopicUpdate:
    """The update from `seq` to now; an `ok` frame when the epoch changed or older items were dropped."""
    body = topic.state.since(seq) if epoch == topic.epoch else None
    if body is None:
        return TopicUpdate(encode_ok(topic, epoch=None, seq=None).encode(), is_ok=True)
    return TopicUpdate(b"[%d,%d,%d,%b]" % (topic.id, seq + 1, topic.seq, orjson.dumps(body)))


def frames_of(parts: list[TopicUpdate]) -> list[str]:
    """The `ok` frames, then one push frame with all updates."""
    frames = [part.json.decode() for part in parts if part.is_ok]
    pushes = [part.json for part in parts if not part.is_ok]
    if pushes:
        frames.append((b'{"op":"push","m":[%b]}' % b",".join(pushes)).decode())
    return frames


def encode_ok(topic: TopicReader, *, epoch: int | None, seq: int | None) -> str:
    """The `ok` frame for a subscriber with last state `epoch`, `seq` (None: no state)."""
    recoverable = epoch == topic.epoch and seq is not None and seq <= topic.seq and topic.seq > 0
    snap = topic.state.full_value() if topic.seq else None
    if topic.cls is TopicClass.LOG and recoverable:
        missing = topic.state.since(seq or 0)
        recoverable = missing is not None
        snap = missing if recoverable else snap
    return orjson.dumps(
        {
            "op": "ok",
            "topic": topic.name,
            "id": topic.id,
            "epoch": topic.epoch,
            "seq": topic.seq,
            "recovered": recoverable,
            "snapshot": snap,
        }
    ).decode()
