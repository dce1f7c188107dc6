"""Feed of the stream benchmarks. `python -m benchmarks.publisher`

Open loop: every update has a due time that does not depend on the previous one. Reads a `Job`, writes
`{"publishing": true}`, and after a stop message writes the last `seq` of each topic.
"""

import asyncio
import contextlib
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import uvloop

from benchmarks.client_protocols import plain_message
from benchmarks.payloads import VENUE, Load, body

FLUSH_EVERY = 0.05  # as the feed worker does, with the same drift against the hub's own clock
LEAD_NS = 50_000_000


@dataclass(frozen=True)
class Job:
    """Parameters: the load, and the sink: the hub, a channel layer, or lines or nchan at `port`."""

    sink: str
    topics: int
    rate: float
    port: int


class Sink(Protocol):
    """Destination of updates. `seqs`: the last published `seq` of each topic."""

    seqs: dict[str, int]

    async def offer(self, topic: str, turn: int, due: int) -> None: ...

    async def close(self) -> None: ...


class HubSink:
    """The application's `Publisher`, flushed through Redis as in the feed worker."""

    def __init__(self, load: Load) -> None:
        import django

        django.setup()  # the hub imports lease models
        from market.hub import Publisher

        self.seqs: dict[str, int] = dict.fromkeys(load.names(), 0)
        self._publisher = Publisher(VENUE, int(time.time() * 1000), simulated=True)
        self._publisher.symbols(load.symbols())
        self._offered: set[str] = set()
        self._closing = False
        self.ready = asyncio.Event()  # set when the symbols are in Redis, so that clients can subscribe
        self._flushing = asyncio.create_task(self._flush_always())

    async def offer(self, topic: str, turn: int, due: int) -> None:
        if self._flushing.done():
            self._flushing.result()  # the task only ends with an error
        update = body(topic, turn, due)
        kind, _, rest = topic.partition(".")
        symbol = rest.split(".")[1] if "." in rest else ""
        if kind == "trades":
            self.seqs[topic] += len(update)
            self._publisher.queue_trades(symbol, update)
            return
        self._offered.add(topic)
        if kind == "ticks":
            self._publisher.queue_ticks(update)
        elif kind == "book":
            self._publisher.queue_book(symbol, update)
        else:
            self._publisher.queue_candle(symbol, "1m", update)

    async def _flush_always(self) -> None:
        while not self._closing:
            await self._flush()
            await asyncio.sleep(FLUSH_EVERY)

    async def _flush(self) -> None:
        for topic in self._offered:
            self.seqs[topic] += 1
        self._offered.clear()
        await self._publisher.flush(status="live", age_ms=1)
        self.ready.set()

    async def close(self) -> None:
        self._closing = True  # not cancelled: an interrupted flush would leave its Redis lock behind
        await self._flushing
        await self._flush()
        await self._publisher.close()


class PlainSink(ABC):
    """One message per update, with a seq of its own."""

    def __init__(self, load: Load) -> None:
        self.seqs: dict[str, int] = dict.fromkeys(load.names(), 0)

    async def offer(self, topic: str, turn: int, due: int) -> None:
        self.seqs[topic] = turn + 1
        await self.send(topic, plain_message(topic, turn + 1, body(topic, turn, due)))

    @abstractmethod
    async def send(self, topic: str, message: bytes) -> None: ...

    async def close(self) -> None:  # noqa: B027  most sinks have nothing to close
        """Close what was opened."""


class GroupSink(PlainSink):
    """`group_send`, as in the Channels documentation."""

    def __init__(self, load: Load, kind: str) -> None:
        from benchmarks.servers import roomy_layer

        super().__init__(load)
        self._layer = roomy_layer(kind)

    async def send(self, topic: str, message: bytes) -> None:
        await self._layer.group_send(topic, {"type": "tick", "text": message.decode()})


class LinesSink(PlainSink):
    """`topic TAB message LF` over one socket, which costs a server very little to parse."""

    def __init__(self, load: Load, writer: asyncio.StreamWriter) -> None:
        super().__init__(load)
        self._writer = writer

    async def send(self, topic: str, message: bytes) -> None:
        self._writer.write(topic.encode() + b"\t" + message + b"\n")

    async def close(self) -> None:
        await self._writer.drain()
        self._writer.close()


class NchanSink(LinesSink):
    """One POST per update over a persistent connection, without waiting for responses."""

    async def send(self, topic: str, message: bytes) -> None:
        head = f"POST /pub?id={topic} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(message)}\r\n\r\n"
        self._writer.write(head.encode() + message)


async def make_sink(job: Job, load: Load) -> Sink:
    if job.sink == "hub":
        hub_sink = HubSink(load)
        await hub_sink.ready.wait()
        return hub_sink
    if job.sink in ("core", "pubsub"):
        return GroupSink(load, job.sink)
    reader, writer = await asyncio.open_connection("127.0.0.1", job.port)
    if job.sink == "nchan":
        sink = NchanSink(load, writer)
        sink.reading = asyncio.create_task(_discard(reader))  # type: ignore[attr-defined]
        return sink
    return LinesSink(load, writer)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


async def publish(sink: Sink, load: Load, stopped: asyncio.Event) -> int:
    """Publish updates when due, until stopped. Returns the largest delay, in ns."""
    worst = 0
    for due, number, turn in load.schedule(time.monotonic_ns() + LEAD_NS):
        wait = due - time.monotonic_ns()
        if wait > 0:
            await asyncio.sleep(wait / 1e9)
        else:
            worst = max(worst, -wait)
        if stopped.is_set():
            break
        await sink.offer(load.names()[number], turn, due)
        if not turn and not number:
            _write_message({"publishing": True})
    return worst


async def run() -> None:
    job = Job(**orjson.loads(sys.stdin.buffer.readline()))
    load = Load(job.topics, job.rate)
    sink = await make_sink(job, load)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
    late = await publish(sink, load, stopped)
    await sink.close()
    _write_message({"final": sink.seqs, "late_ms": round(late / 1e6, 1)})


def _write_message(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(run())
