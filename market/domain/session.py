"""One connection to a venue's stream, without the connection: bytes and times in, events and frames out.

The shell opens a socket and calls `connected`, hands every frame to `receive`, sends what `due`
returns, asks `is_stale` a few times a second, and calls `disconnected` at the end. Whatever happens
in between, the set of acknowledged subscriptions converges to the desired one. Times are seconds of
any monotonic clock.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from market.domain.errors import ParseError
from market.domain.events import Event
from market.domain.orders import News
from market.domain.subscriptions import Limits, Pace, StreamKind, Subscription, kind_of


@dataclass(frozen=True, slots=True)
class Ack:
    """The venue confirmed: from now on it is (or is not) subscribed."""

    subscription: Subscription
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """The venue answered our ping: the line is open, which says nothing about data."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue sent an error frame; `subscription` when it says which one it refuses."""

    text: str
    subscription: Subscription | None = None


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A frame that the codec rejected. The session goes on."""

    error: ParseError


Message = Event | News | Ack | Pong | Refusal
Received = Event | News | Refusal | Undecodable


class Codec(Protocol):
    """Translates one venue's frames. Pure; `decode` raises `ParseError` and nothing else."""

    def decode(self, frame: bytes) -> Sequence[Message]: ...
    def subscribe(self, subscription: Subscription) -> bytes: ...
    def unsubscribe(self, subscription: Subscription) -> bytes: ...
    def ping(self) -> bytes: ...


class Session:
    """The state of one connection and what it still has to say."""

    def __init__(self, codec: Codec, limits: Limits, pace: Pace | None = None) -> None:
        self._codec = codec
        self._limits = limits
        self._pace = pace or Pace(limits)
        self._wanted: dict[Subscription, None] = {}
        self._reset()

    def _reset(self) -> None:
        self.is_connected = False
        self.data_at = self.heard_at = float("-inf")
        self._connected_at = 0.0
        self._pinged_at = 0.0
        self._acked: set[Subscription] = set()
        self._kinds: Counter[StreamKind] = Counter()
        self._asked: dict[Subscription, float] = {}
        self._leaving: dict[Subscription, float] = {}
        self._refused: dict[Subscription, float] = {}
        self._moved_at: dict[StreamKind, float] = {}
        self._settled = False

    # --- what the shell tells ------------------------------------------------------------------
    def desired(self, subscriptions: Iterable[Subscription]) -> None:
        """Replace the set of streams that we want. Asked for in this order."""
        wanted = dict.fromkeys(subscriptions)
        if len(wanted) > self._limits.subscriptions:
            raise ValueError(
                f"{len(wanted)} subscriptions, but one connection takes {self._limits.subscriptions}"
            )
        if list(wanted) != list(self._wanted):
            self._wanted = wanted
            self._settled = False

    def connected(self, now: float) -> None:
        """A new, empty connection is open."""
        self._reset()
        self.is_connected = True
        self._connected_at = self._pinged_at = now

    def disconnected(self) -> None:
        """It is gone, and the venue's memory of our subscriptions with it."""
        self._reset()

    def receive(self, frame: bytes, now: float) -> list[Received]:
        """The events in a frame, in order. Acks and pongs are consumed here."""
        self.heard_at = now
        try:
            messages = self._codec.decode(frame)
        except ParseError as error:
            return [Undecodable(error)]
        events: list[Received] = []
        for message in messages:
            if isinstance(message, Ack):
                self._ack(message, now)
            elif isinstance(message, Refusal):
                self._refuse(message, now)
                events.append(message)
            elif not isinstance(message, Pong):
                self.data_at = self._moved_at[kind_of(message)] = now
                events.append(message)
        return events

    # --- what the shell asks -------------------------------------------------------------------
    @property
    def acked(self) -> frozenset[Subscription]:
        """Streams that the venue confirmed on this connection."""
        return frozenset(self._acked)

    def due(self, now: float) -> list[bytes]:
        """Frames to send now: a ping when it is time, then as many changes as the pace allows."""
        if not self.is_connected:
            return []
        frames = []
        if now - self._pinged_at >= self._limits.ping_every and self._pace.take(now):
            self._pinged_at = now
            frames.append(self._codec.ping())
        if not self._settled:
            self._expire(now)
            frames += self._changes(now)
        return frames

    def is_stale(self, now: float) -> str | None:
        """Why this connection, though open, should be replaced; None while it makes progress."""
        if not self.is_connected or not self._wanted:
            return None
        if now - max(self.data_at, self._connected_at) > self._limits.silence:
            return f"no data for {self._limits.silence:g} s"
        if now - max(self.heard_at, self._connected_at) > self._limits.quiet:
            return f"no answer for {self._limits.quiet:g} s"
        for kind, bearable in self._limits.progress.items():
            many = self._kinds[kind] >= (1 if kind == "mids" else self._limits.crowd)
            if many and now - self._moved_at[kind] > bearable:
                return f"{kind} silent for {bearable:g} s"
        return None

    # --- subscriptions -------------------------------------------------------------------------
    def _changes(self, now: float) -> list[bytes]:
        frames: list[bytes] = []
        for subscription in [s for s in self._acked if s not in self._wanted and s not in self._leaving]:
            if not self._pace.take(now):
                return frames
            self._leaving[subscription] = now
            frames.append(self._codec.unsubscribe(subscription))
        for subscription in self._wanted:
            if self._is_open_question(subscription):
                continue
            # A full connection first has to lose what it leaves.
            if len(self._acked) + len(self._asked) >= self._limits.subscriptions or not self._pace.take(now):
                return frames
            self._asked[subscription] = now
            frames.append(self._codec.subscribe(subscription))
        self._settled = not (self._asked or self._leaving or self._refused)
        return frames

    def _is_open_question(self, subscription: Subscription) -> bool:
        return (
            subscription in self._acked
            or subscription in self._asked
            or subscription in self._leaving
            or subscription in self._refused
        )

    def _expire(self, now: float) -> None:
        """Answers that never came are asked for again; refusals are not for ever."""
        late = now - self._limits.ack_within
        for subscription in [s for s, at in self._asked.items() if at <= late]:
            del self._asked[subscription]
        for subscription in [s for s, at in self._leaving.items() if at <= late]:
            self._forget(subscription)
        for subscription in [s for s, until in self._refused.items() if until <= now]:
            del self._refused[subscription]

    def _ack(self, ack: Ack, now: float) -> None:
        self._settled = False
        if not ack.subscribed:
            self._forget(ack.subscription)
            return
        self._asked.pop(ack.subscription, None)
        self._refused.pop(ack.subscription, None)
        if ack.subscription not in self._acked:
            kind = ack.subscription.kind
            self._acked.add(ack.subscription)
            self._kinds[kind] += 1
            # Its silence counts from the first subscription, not from the last.
            self._moved_at.setdefault(kind, now)

    def _forget(self, subscription: Subscription) -> None:
        self._settled = False
        self._leaving.pop(subscription, None)
        if subscription in self._acked:
            self._acked.remove(subscription)
            self._kinds[subscription.kind] -= 1

    def _refuse(self, refusal: Refusal, now: float) -> None:
        self._settled = False
        if (subscription := refusal.subscription) and self._asked.pop(subscription, None) is not None:
            self._refused[subscription] = now + self._limits.refused_for
