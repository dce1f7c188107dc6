"""The feed of a benchmark. `python -m cryptotrade.bench.publisher`

Open loop: every update has a moment at which it is due, whether or not the one before has left. Reads an
`Order`, says `{"publishing": true}`, and when told to stop answers with the last `seq` of each topic.
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

from cryptotrade.bench.client_protocols import plain_message
from cryptotrade.bench.payloads import VENUE, Load, body

FLUSH_EVERY = 0.05  # as the feed worker does, with the same drift against the hub's own clock
LEAD_NS = 50_000_000


@dataclass(frozen=True)
class Order:
    """What to publish, and into what: the hub, a channel layer, lines or nchan at `port`."""

    sink: str
    topics: int
    rate: float
    port: int


class Sink(Protocol):
    """Where updates go. `seqs`: the last `seq` of each topic that went."""

    seqs: dict[str, int]

    async def offer(self, topic: str, turn: int, due: int) -> None: ...

    async def close(self) -> None: ...


class HubSink:
    """Our own way: a `Publisher`, flushed through Redis as the feed worker does it."""

    def __init__(self, load: Load) -> None:
        import django

        django.setup()  # the hub knows the rows of leases
        from market.hub import Publisher

        self.seqs: dict[str, int] = dict.fromkeys(load.names(), 0)
        self._publisher = Publisher(VENUE, int(time.time() * 1000), simulated=True)
        self._publisher.symbols(load.symbols())
        self._offered: set[str] = set()
        self._closing = False
        self.begun = asyncio.Event()  # Redis knows what may be subscribed
        self._flushing = asyncio.create_task(self._flush_always())

    async def offer(self, topic: str, turn: int, due: int) -> None:
        if self._flushing.done():
            self._flushing.result()  # it never ends but by an error
        update = body(topic, turn, due)
        kind, _, rest = topic.partition(".")
        symbol = rest.split(".")[1] if "." in rest else ""
        if kind == "trades":
            self.seqs[topic] += len(update)
            self._publisher.offer_trades(symbol, update)
            return
        self._offered.add(topic)
        if kind == "ticks":
            self._publisher.offer_ticks(update)
        elif kind == "book":
            self._publisher.offer_book(symbol, update)
        else:
            self._publisher.offer_candle(symbol, "1m", update)

    async def _flush_always(self) -> None:
        while not self._closing:
            await self._flush()
            await asyncio.sleep(FLUSH_EVERY)

    async def _flush(self) -> None:
        for topic in self._offered:
            self.seqs[topic] += 1
        self._offered.clear()
        await self._publisher.flush(status="live", age_ms=1)
        self.begun.set()

    async def close(self) -> None:
        self._closing = True  # not cancelled: what is half-way through Redis would leave its lock behind
        await self._flushing
        await self._flush()
        await self._publisher.close()


class PlainSink(ABC):
    """One message per update, numbered by us."""

    def __init__(self, load: Load) -> None:
        self.seqs: dict[str, int] = dict.fromkeys(load.names(), 0)

    async def offer(self, topic: str, turn: int, due: int) -> None:
        self.seqs[topic] = turn + 1
        await self.send(topic, plain_message(topic, turn + 1, body(topic, turn, due)))

    @abstractmethod
    async def send(self, topic: str, message: bytes) -> None: ...

    async def close(self) -> None:  # noqa: B027  most have nothing to give back
        """Give back what was opened."""


class GroupSink(PlainSink):
    """`group_send`, as the Channels documentation has it."""

    def __init__(self, load: Load, kind: str) -> None:
        from cryptotrade.bench.servers import roomy_layer

        super().__init__(load)
        self._layer = roomy_layer(kind)

    async def send(self, topic: str, message: bytes) -> None:
        await self._layer.group_send(topic, {"type": "tick", "text": message.decode()})


class LinesSink(PlainSink):
    """`topic TAB message LF` over one socket: next to nothing for a server to read."""

    def __init__(self, load: Load, writer: asyncio.StreamWriter) -> None:
        super().__init__(load)
        self._writer = writer

    async def send(self, topic: str, message: bytes) -> None:
        self._writer.write(topic.encode() + b"\t" + message + b"\n")

    async def close(self) -> None:
        await self._writer.drain()
        self._writer.close()


class NchanSink(LinesSink):
    """One POST per update over a connection that is kept; answers are not waited for."""

    async def send(self, topic: str, message: bytes) -> None:
        head = f"POST /pub?id={topic} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(message)}\r\n\r\n"
        self._writer.write(head.encode() + message)


async def make_sink(order: Order, load: Load) -> Sink:
    if order.sink == "hub":
        ours = HubSink(load)
        await ours.begun.wait()
        return ours
    if order.sink in ("core", "pubsub"):
        return GroupSink(load, order.sink)
    reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
    if order.sink == "nchan":
        sink = NchanSink(load, writer)
        sink.reading = asyncio.create_task(_discard(reader))  # type: ignore[attr-defined]
        return sink
    return LinesSink(load, writer)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


async def publish(sink: Sink, load: Load, stopped: asyncio.Event) -> int:
    """Offer what is due until stopped. Returns by how much the latest offer was late, in ns."""
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
            _say({"publishing": True})
    return worst


async def run() -> None:
    order = Order(**orjson.loads(sys.stdin.buffer.readline()))
    load = Load(order.topics, order.rate)
    sink = await make_sink(order, load)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
    late = await publish(sink, load, stopped)
    await sink.close()
    _say({"final": sink.seqs, "late_ms": round(late / 1e6, 1)})


def _say(words: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(words) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(run())
