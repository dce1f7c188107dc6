"""Recordings: files of raw frames with their receive times, and a feed that replays them.

A file is gzipped JSON lines. The first line is `{"recording": 2, "venue": …, "instruments": […]}`; the
others are `{"at": <ns since 1970>, "frame": <text>}`. The older format, lines `<ns> <frame>` without a
header, is supported too; its instruments are taken from the frames.
"""

import asyncio
import contextlib
import gzip
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import orjson

from market.domain.errors import ParseError
from market.domain.events import Candle, Context, Mids, Trade
from market.domain.instruments import Instrument, InstrumentRules
from market.domain.orders import AccountMessage
from market.domain.session import Codec, Refusal, Session, Undecodable
from market.domain.subscriptions import StreamLimits, Subscription
from market.venues.base import FeedListener
from market.venues.rows import Rows

VERSION = 2  # 1 had the decimals of prices and sizes instead of their steps
START_DELAY = 0.5  # seconds in which the publisher announces the instruments before the first frame


class Recorder:
    """Recorder: a `Tap` that writes frames to a file; use as a context manager."""

    def __init__(self, path: Path, venue: str, instruments: Iterable[Instrument]) -> None:
        self.frames = 0
        self._file = gzip.open(path, "wb")  # noqa: SIM115 -- closed by __exit__
        listed = [asdict(instrument) for instrument in instruments]
        self._write({"recording": VERSION, "venue": venue, "instruments": listed})

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __call__(self, frame: bytes, at: int) -> None:
        self.frames += 1
        self._write({"at": at, "frame": frame.decode(errors="replace")})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(row, default=str) + b"\n")


@dataclass(frozen=True)
class Recording:
    """A validated recording: path, venue and instruments."""

    path: Path
    venue: str | None
    instruments: tuple[Instrument, ...]

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(receive time in ns, raw frame), in order of reception."""
        for line in _lines(self.path):
            if (row := _row(line)) is not None:
                yield row


def recording_open(path: Path, venue: str, codec: Codec) -> Recording:
    """Read the header, or all frames of a file without one. Raises `ParseError` or `OSError`."""
    first_line = next(_lines(path), b"{}")
    if not first_line.startswith(b"{"):
        recording = Recording(path, None, ())
        symbols = {symbol for _, frame in recording.frames() for symbol in _symbols(codec, frame)}
        return Recording(path, None, tuple(_unknown_instrument(venue, symbol) for symbol in sorted(symbols)))
    try:
        header = orjson.loads(first_line)
        if header["recording"] != VERSION:
            raise ParseError("unsupported recording version", header["recording"])
        instruments = tuple(_instrument(row) for row in header["instruments"])
        return Recording(path, header["venue"], instruments)
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise ParseError("not a recording", first_line[:100]) from problem


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as file, contextlib.suppress(EOFError):  # the recorder was killed
        for line in file:
            yield line.strip()


def _row(line: bytes) -> tuple[int, bytes] | None:
    """One frame; None for the header and for a truncated last line."""
    if line[:1].isdigit():
        at, _, frame = line.partition(b" ")
        return int(at), frame
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return (row["at"], row["frame"].encode()) if "frame" in row else None


def _symbols(codec: Codec, frame: bytes) -> list[str]:
    try:
        messages = codec.decode(frame)
    except ParseError:  # counted during replay
        return []
    return [
        symbol
        for message in messages
        for symbol in (message.mids if isinstance(message, Mids) else [getattr(message, "symbol", "")])
        if symbol
    ]


def _instrument(row: dict[str, Any]) -> Instrument:
    return msgspec.convert(row, Instrument)


def _unknown_instrument(venue: str, symbol: str) -> Instrument:
    return Instrument(venue, symbol, "perp", symbol, "USDC", InstrumentRules.from_decimals(8, 8))


class ReplayFeed:
    """Replay feed: a `market.venues.base.Feed` that plays a recording at `speed` times real time."""

    def __init__(self, venue: str, recording: Recording, codec: Codec, *, speed: float = 1.0) -> None:
        self.venue = venue
        self.finished = asyncio.Event()
        self.played = 0
        self.rejected = 0
        self._recording = recording
        self._session = Session(codec, StreamLimits())
        self._speed = speed
        self._desired = asyncio.Event()

    async def instruments(self) -> Rows[Instrument]:
        return Rows(self._recording.instruments)

    async def contexts(self) -> Rows[Context]:
        return Rows()

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> Rows[Candle]:
        return Rows()

    async def recent_trades(self, symbol: str) -> Rows[Trade]:
        return Rows()

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        self._desired.set()
        return []

    async def run(self, listener: FeedListener) -> None:
        await self._desired.wait()
        await asyncio.sleep(START_DELAY)
        listener.connected()
        began, first = time.monotonic(), None
        for at, frame in self._recording.frames():
            first = at if first is None else first
            due = began + (at - first) / 1e9 / self._speed
            # Always yield to the event loop: the flush task must run at any speed.
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._play(frame, listener)
        self.finished.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        return

    def _play(self, frame: bytes, listener: FeedListener) -> None:
        self.played += 1
        for received in self._session.receive(frame, time.monotonic()):
            if isinstance(received, Undecodable | Refusal):
                self.rejected += 1
            elif not isinstance(received, AccountMessage):
                listener.event(received)
