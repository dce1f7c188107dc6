"""Sans-I/O state machine of one venue stream connection: frames and times in, events and frames out.

The I/O layer opens a socket and calls `connected`, passes every frame to `receive`, sends the frames that
`due` returns, polls `is_stale` a few times a second, and calls `disconnected` at the end. Whatever happens
in between, the set of acknowledged subscriptions converges to the desired one. Times are seconds of any
monotonic clock.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from market.domain.errors import ParseError
from market.domain.events import Event
from market.domain.orders import AccountMessage
from market.domain.subscriptions import MessagePacer, StreamKind, StreamLimits, Subscription, kind_of


@dataclass(frozen=True, slots=True)
class Ack:
    """The venue confirmed a subscription, or its end when `subscribed` is False."""

    subscription: Subscription
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """The venue answered a ping: the connection is open, which does not show that data arrives."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue sent an error frame; `subscription` is set when the frame names the rejected one."""

    text: str
    subscription: Subscription | None = None


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A frame, or a row of one, that the codec rejected. The session continues."""

    error: ParseError


Message = Event | AccountMessage | Ack | Pong | Refusal | Undecodable
Received = Event | AccountMessage | Refusal | Undecodable


class Codec(Protocol):
    """Codec of one venue's frames. Pure; `decode` raises only `ParseError`."""

    def decode(self, frame: bytes) -> Sequence[Message]: ...
    def subscribe(self, subscription: Subscription) -> bytes: ...
    def unsubscribe(self, subscription: Subscription) -> bytes: ...
    def ping(self) -> bytes: ...


class Session:
    """Session: subscription state of one connection and the frames that are still to be sent."""

    def __init__(self, codec: Codec, limits: StreamLimits, pace: MessagePacer | None = None) -> None:
        self._codec = codec
        self._limits = limits
        self._pace = pace or MessagePacer(limits)
        self._desired: dict[Subscription, None] = {}
        self._reset()

    def _reset(self) -> None:
        self.is_connected = False
        self.data_at = self.frame_at = float("-inf")
        self._connected_at = 0.0
        self._pinged_at = 0.0
        self._acked: set[Subscription] = set()
        self._kinds: Counter[StreamKind] = Counter()
        self._requested: dict[Subscription, float] = {}
        self._unsubscribing: dict[Subscription, float] = {}
        self._refused: dict[Subscription, float] = {}
        self._progress_at: dict[StreamKind, float] = {}
        self._settled = False

    # --- inputs --------------------------------------------------------------------------------
    def desired(self, subscriptions: Iterable[Subscription]) -> None:
        """Replace the set of desired subscriptions. They are requested in this order."""
        target = dict.fromkeys(subscriptions)
        if len(target) > self._limits.subscriptions:
            raise ValueError(
                f"{len(target)} subscriptions, but one connection takes {self._limits.subscriptions}"
            )
        if list(target) != list(self._desired):
            self._desired = target
            self._settled = False

    def connected(self, now: float) -> None:
        """A new, empty connection is open."""
        self._reset()
        self.is_connected = True
        self._connected_at = self._pinged_at = now

    def disconnected(self) -> None:
        """The connection was closed, which ends all its subscriptions at the venue."""
        self._reset()

    def receive(self, frame: bytes, now: float) -> list[Received]:
        """The events in a frame, in order. Acks and pongs are consumed here."""
        self.frame_at = now
        try:
            messages = self._codec.decode(frame)
        except ParseError as error:
            return [Undecodable(error)]
        events: list[Received] = []
        for message in messages:
            if isinstance(message, Ack):
                self._ack(message, now)
            elif isinstance(message, Refusal):
                self._on_refusal(message, now)
                events.append(message)
            elif isinstance(message, Undecodable):
                events.append(message)
            elif not isinstance(message, Pong):
                self.data_at = self._progress_at[kind_of(message)] = now
                events.append(message)
        return events

    # --- outputs -------------------------------------------------------------------------------
    @property
    def acked(self) -> frozenset[Subscription]:
        """Streams that the venue confirmed on this connection."""
        return frozenset(self._acked)

    def due(self, now: float) -> list[bytes]:
        """Frames to send now: a ping when it is due, then as many changes as the message rate allows."""
        if not self.is_connected:
            return []
        frames = []
        if now - self._pinged_at >= self._limits.ping_every and self._pace.try_acquire(now):
            self._pinged_at = now
            frames.append(self._codec.ping())
        if not self._settled:
            self._expire(now)
            frames += self._changes(now)
        return frames

    def is_stale(self, now: float) -> str | None:
        """Why this open connection should be replaced; None while it makes progress."""
        if not self.is_connected or not self._desired:
            return None
        if now - max(self.data_at, self._connected_at) > self._limits.silence:
            return f"no data for {self._limits.silence:g} s"
        if now - max(self.frame_at, self._connected_at) > self._limits.any_frame_timeout:
            return f"no answer for {self._limits.any_frame_timeout:g} s"
        for kind, timeout in self._limits.progress.items():
            enough = self._kinds[kind] >= (1 if kind == "mids" else self._limits.min_subscriptions)
            if enough and now - self._progress_at[kind] > timeout:
                return f"{kind} silent for {timeout:g} s"
        return None

    # --- subscriptions -------------------------------------------------------------------------
    def _changes(self, now: float) -> list[bytes]:
        frames: list[bytes] = []
        for subscription in [
            s for s in self._acked if s not in self._desired and s not in self._unsubscribing
        ]:
            if not self._pace.try_acquire(now):
                return frames
            self._unsubscribing[subscription] = now
            frames.append(self._codec.unsubscribe(subscription))
        for subscription in self._desired:
            if self._is_pending(subscription):
                continue
            # A full connection must complete its unsubscribes first.
            if len(self._acked) + len(
                self._requested
            ) >= self._limits.subscriptions or not self._pace.try_acquire(now):
                return frames
            self._requested[subscription] = now
            frames.append(self._codec.subscribe(subscription))
        self._settled = not (self._requested or self._unsubscribing or self._refused)
        return frames

    def _is_pending(self, subscription: Subscription) -> bool:
        return (
            subscription in self._acked
            or subscription in self._requested
            or subscription in self._unsubscribing
            or subscription in self._refused
        )

    def _expire(self, now: float) -> None:
        """Drop requests without an answer in time, and expired rejections, so that they are sent again."""
        late = now - self._limits.ack_within
        for subscription in [s for s, at in self._requested.items() if at <= late]:
            del self._requested[subscription]
        for subscription in [s for s, at in self._unsubscribing.items() if at <= late]:
            self._drop(subscription)
        for subscription in [s for s, until in self._refused.items() if until <= now]:
            del self._refused[subscription]

    def _ack(self, ack: Ack, now: float) -> None:
        self._settled = False
        if not ack.subscribed:
            self._drop(ack.subscription)
            return
        self._requested.pop(ack.subscription, None)
        self._refused.pop(ack.subscription, None)
        if ack.subscription not in self._acked:
            kind = ack.subscription.kind
            self._acked.add(ack.subscription)
            self._kinds[kind] += 1
            # The silence of a kind counts from its first subscription, not from the last.
            self._progress_at.setdefault(kind, now)

    def _drop(self, subscription: Subscription) -> None:
        self._settled = False
        self._unsubscribing.pop(subscription, None)
        if subscription in self._acked:
            self._acked.remove(subscription)
            self._kinds[subscription.kind] -= 1

    def _on_refusal(self, refusal: Refusal, now: float) -> None:
        self._settled = False
        if (subscription := refusal.subscription) and self._requested.pop(subscription, None) is not None:
            self._refused[subscription] = now + self._limits.refused_for
