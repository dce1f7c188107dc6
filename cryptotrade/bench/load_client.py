"""The load client: one process, one epoll, many raw sockets. `python -m cryptotrade.bench.load_client`

Speaks lines of JSON with whoever started it: reads an `Order`, says `{"connected": n}` once every reader
is subscribed, reads `{"start", "end"}` (ns, monotonic) and then `{"final": {topic: seq}}`, and answers
with what was received in between.
"""

import contextlib
import gc
import os
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from cryptotrade.bench import frames as wire
from cryptotrade.bench.client_protocols import Dialect, Frame, Frames, HubDialect, PlainDialect, Position
from cryptotrade.bench.stats import Histogram

READ_BYTES = 1 << 14  # more would be mapped and unmapped for every read
SLOW_BUFFER, SLOW_SEGMENT, SLOW_BYTES, SLOW_EVERY = 2048, 536, 256, 1.0
DRAIN_SECONDS = 2.0
QUANTILES = (0.5, 0.99, 0.999)


@dataclass(frozen=True)
class Order:
    """What to open: `clients` sockets, `slow` of which hardly read."""

    port: int
    path: str
    dialect: str
    topics: list[str]
    rate: int
    clients: int
    slow: int

    def make_dialect(self) -> Dialect:
        if self.dialect == "hub":
            return HubDialect(self.topics, self.rate)
        return PlainDialect(self.topics, silent=self.dialect == "nchan")


class Reader:
    """A client that reads as fast as it can."""

    def __init__(self, sock: socket.socket, rest: bytes, frames: Frames) -> None:
        self.sock = sock
        self.position = Position({})
        self.answers = 0
        self.lost = 0
        self.closed: int | None = None
        self._frames = frames
        self._reader = wire.FrameReader()
        self._take(rest)

    def readable(self) -> bool:
        """Read what is there. False when the connection is over."""
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.closed = self.closed or 1006
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        now = time.monotonic_ns()
        for opcode, payload in self._reader.feed(data):
            if opcode == wire.TEXT:
                frame = self._frames.of(payload)
                frame.received.append(now)
                self.answers += frame.answers
                self.position, lost = self.position.step(frame)
                self.lost += lost
            elif opcode == wire.PING:
                self.sock.send(wire.client_frame(wire.PONG, payload))
            elif opcode == wire.CLOSE:
                self.closed = wire.close_code(payload)


class SlowReader:
    """A client that takes a few bytes a second, as if on a bad line."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed: int | None = None

    def sip(self) -> None:
        try:
            if not self.sock.recv(SLOW_BYTES):
                self.closed = 1006
        except BlockingIOError:
            return
        except OSError:
            self.closed = 1006


def connect(order: Order, greeting: list[bytes], *, slow: bool) -> tuple[socket.socket, bytes]:
    """A connected, greeted, non-blocking socket, and what the server said beyond the handshake."""
    sock = socket.socket()
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        # Else the loopback's huge segments make the kernel of the server buffer megabytes.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SLOW_SEGMENT)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", order.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(wire.handshake(f"127.0.0.1:{order.port}", order.path))
    said, rest = b"", None
    while rest is None:
        data = sock.recv(4096)
        if not data:
            raise wire.FrameError("the server hung up in the handshake")
        said += data
        rest = wire.after_handshake(said)
    sock.sendall(b"".join(wire.client_frame(wire.TEXT, text) for text in greeting))
    sock.settimeout(0)
    return sock, rest


class Crowd:
    """All clients and their loop."""

    def __init__(self, order: Order, mouth: Any) -> None:
        dialect = order.make_dialect()
        greeting = list(dialect.greeting())
        self._answers = dialect.answers
        self._frames = Frames(dialect)
        self._epoll = select.epoll()
        self._mouth = mouth
        self._sipped = time.monotonic()
        self.readers: dict[int, Reader] = {}
        self.slow: list[SlowReader] = []
        self.closes: Counter[str] = Counter()
        for number in range(order.clients):
            slow = number < order.slow
            sock, rest = connect(order, greeting, slow=slow)
            if slow:
                self.slow.append(SlowReader(sock))
            else:
                self.readers[sock.fileno()] = Reader(sock, rest, self._frames)
                self._epoll.register(sock.fileno(), select.EPOLLIN)

    def until(self, done: Any, seconds: float) -> bool:
        """Serve the sockets until `done()` or for so long. True when done."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            self._turn()
        return True

    def said(self, seconds: float) -> Any:
        """Serve the sockets until whoever started us says something, and return it."""
        fd = self._mouth.fileno()
        mouth = select.poll()
        mouth.register(fd, select.POLLIN)
        if not self.until(lambda: mouth.poll(0), seconds):
            raise TimeoutError("nobody said what to do next")
        return orjson.loads(self._mouth.readline())

    def _turn(self) -> None:
        for fd, _ in self._epoll.poll(0.02):
            reader = self.readers[fd]
            if not reader.readable():
                self._epoll.unregister(fd)
                self.closes[str(reader.closed)] += 1
        now = time.monotonic()
        if self.slow and now - self._sipped >= SLOW_EVERY:
            self._sipped = now
            for slow in [slow for slow in self.slow if slow.closed is None]:
                slow.sip()

    def is_subscribed(self) -> bool:
        return self.served() == len(self.readers)

    def served(self) -> int:
        """Readers whose subscriptions were confirmed."""
        return sum(reader.answers >= self._answers for reader in self.readers.values())

    def missing(self, final: dict[str, int]) -> int:
        """Updates at the end that never came."""
        positions = Counter(reader.position for reader in self.readers.values())
        return sum(
            times * max(0, seq - position.seen.get(topic, seq))
            for position, times in positions.items()
            for topic, seq in final.items()
        )

    def account(self, start: int, end: int) -> dict[str, Any]:
        """What was received from `start` to `end` (ns)."""
        tally: Counter[str] = Counter()
        latency = Histogram()
        for frame in self._frames.all:
            times = [at for at in frame.received if start <= at < end]
            if times:
                tally.update(_tally(frame, times, latency))
        p50, p99, p999 = latency.percentiles(QUANTILES)
        return {
            **{key: tally[key] for key in ("messages", "deliveries", "updates")},
            "p50_ms": p50,
            "p99_ms": p99,
            "p999_ms": p999,
            "lost": sum(reader.lost for reader in self.readers.values()),
            "closed": sum(self.closes.values()),
            "slow_closed": sum(slow.closed is not None for slow in self.slow),
        }


def _tally(frame: Frame, times: list[int], latency: Histogram) -> dict[str, int]:
    pushed = [said for said in frame.says if said.first]
    for said in pushed:
        for at in times:
            latency.add(at - said.due)
    updates = sum(said.last - said.first + 1 for said in pushed)
    return {
        "messages": len(times),
        "deliveries": len(times) * len(pushed),
        "updates": len(times) * updates,
    }


def say(words: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(words) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    gc.disable()  # there are no cycles here, and every collection would look like latency
    # Unbuffered: what `poll` does not see would be waited for in vain.
    mouth = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    crowd = Crowd(Order(**orjson.loads(mouth.readline())), mouth)
    crowd.until(crowd.is_subscribed, 20)
    say({"connected": crowd.served()})
    window = crowd.said(60)
    final = crowd.said(600)["final"]
    crowd.until(lambda: not crowd.missing(final), DRAIN_SECONDS)
    say({**crowd.account(window["start"], window["end"]), "undelivered": crowd.missing(final)})


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
