"""The load client: one process, one epoll, many raw sockets. `python -m benchmarks.load_client`

Exchanges lines of JSON with its parent process: reads a `Job`, writes `{"connected": n}` once every reader is
subscribed, reads `{"start", "end"}` (ns, monotonic) and then `{"final": {topic: seq}}`, and writes what was
received from start to end.
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

from benchmarks import frames as wire
from benchmarks.client_protocols import Dialect, Frame, Frames, HubDialect, PlainDialect, Position
from benchmarks.report import Histogram

READ_BYTES = 1 << 14  # more would be mapped and unmapped for every read
SLOW_BUFFER, SLOW_SEGMENT, SLOW_BYTES, SLOW_EVERY = 2048, 536, 256, 1.0
DRAIN_SECONDS = 2.0
QUANTILES = (0.5, 0.99, 0.999)


@dataclass(frozen=True)
class Job:
    """Parameters: `clients` sockets, of which `slow` are slow consumers."""

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
        self.confirmations = 0
        self.lost = 0
        self.closed: int | None = None
        self._frames = frames
        self._reader = wire.FrameReader()
        self._receive(rest)

    def readable(self) -> bool:
        """Read the available data. False when the connection has ended."""
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.closed = self.closed or 1006
            return False
        self._receive(data)
        return True

    def _receive(self, data: bytes) -> None:
        now = time.monotonic_ns()
        for opcode, payload in self._reader.feed(data):
            if opcode == wire.TEXT:
                frame = self._frames.of(payload)
                frame.received.append(now)
                self.confirmations += frame.confirmations
                self.position, lost = self.position.step(frame)
                self.lost += lost
            elif opcode == wire.PING:
                self.sock.send(wire.client_frame(wire.PONG, payload))
            elif opcode == wire.CLOSE:
                self.closed = wire.close_code(payload)


class SlowReader:
    """A slow consumer that reads a few bytes per second, as on a bad network."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed: int | None = None

    def read_slowly(self) -> None:
        try:
            if not self.sock.recv(SLOW_BYTES):
                self.closed = 1006
        except BlockingIOError:
            return
        except OSError:
            self.closed = 1006


def connect(job: Job, greeting: list[bytes], *, slow: bool) -> tuple[socket.socket, bytes]:
    """A connected and subscribed non-blocking socket, and the bytes received after the handshake."""
    sock = socket.socket()
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        # Otherwise the kernel buffers megabytes on the server side, because of the loopback's large segments.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SLOW_SEGMENT)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", job.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(wire.handshake(f"127.0.0.1:{job.port}", job.path))
    received, rest = b"", None
    while rest is None:
        data = sock.recv(4096)
        if not data:
            raise wire.FrameError("the server closed the connection during the handshake")
        received += data
        rest = wire.after_handshake(received)
    sock.sendall(b"".join(wire.client_frame(wire.TEXT, text) for text in greeting))
    sock.settimeout(0)
    return sock, rest


class ClientPool:
    """All clients, and their event loop."""

    def __init__(self, job: Job, control: Any) -> None:
        dialect = job.make_dialect()
        greeting = list(dialect.greeting())
        self._confirmations = dialect.confirmations
        self._frames = Frames(dialect)
        self._epoll = select.epoll()
        self._control = control
        self._last_slow_read = time.monotonic()
        self.readers: dict[int, Reader] = {}
        self.slow: list[SlowReader] = []
        self.closes: Counter[str] = Counter()
        for number in range(job.clients):
            slow = number < job.slow
            sock, rest = connect(job, greeting, slow=slow)
            if slow:
                self.slow.append(SlowReader(sock))
            else:
                self.readers[sock.fileno()] = Reader(sock, rest, self._frames)
                self._epoll.register(sock.fileno(), select.EPOLLIN)

    def until(self, done: Any, seconds: float) -> bool:
        """Serve the sockets until `done()`, at most for `seconds`. True when done."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            self._poll()
        return True

    def acks(self, seconds: float) -> Any:
        """Serve the sockets until the parent process sends a message, and return it."""
        fd = self._control.fileno()
        control = select.poll()
        control.register(fd, select.POLLIN)
        if not self.until(lambda: control.poll(0), seconds):
            raise TimeoutError("no message from the parent process")
        return orjson.loads(self._control.readline())

    def _poll(self) -> None:
        for fd, _ in self._epoll.poll(0.02):
            reader = self.readers[fd]
            if not reader.readable():
                self._epoll.unregister(fd)
                self.closes[str(reader.closed)] += 1
        now = time.monotonic()
        if self.slow and now - self._last_slow_read >= SLOW_EVERY:
            self._last_slow_read = now
            for slow in [slow for slow in self.slow if slow.closed is None]:
                slow.read_slowly()

    def is_subscribed(self) -> bool:
        return self.served() == len(self.readers)

    def served(self) -> int:
        """Number of readers with confirmed subscriptions."""
        return sum(reader.confirmations >= self._confirmations for reader in self.readers.values())

    def missing(self, final: dict[str, int]) -> int:
        """Number of final updates that were never received."""
        positions = Counter(reader.position for reader in self.readers.values())
        return sum(
            times * max(0, seq - position.seen.get(topic, seq))
            for position, times in positions.items()
            for topic, seq in final.items()
        )

    def statistics(self, start: int, end: int) -> dict[str, Any]:
        """Statistics of what was received from `start` to `end` (ns)."""
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
    pushed = [update for update in frame.message if update.first]
    for update in pushed:
        for at in times:
            latency.add(at - update.due)
    updates = sum(update.last - update.first + 1 for update in pushed)
    return {
        "messages": len(times),
        "deliveries": len(times) * len(pushed),
        "updates": len(times) * updates,
    }


def write_json(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    gc.disable()  # no reference cycles are created, and every collection would add latency
    # Unbuffered: `poll` does not see data in Python's buffer.
    control = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    pool = ClientPool(Job(**orjson.loads(control.readline())), control)
    pool.until(pool.is_subscribed, 20)
    write_json({"connected": pool.served()})
    window = pool.acks(60)
    final = pool.acks(600)["final"]
    pool.until(lambda: not pool.missing(final), DRAIN_SECONDS)
    write_json({**pool.statistics(window["start"], window["end"]), "undelivered": pool.missing(final)})


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
