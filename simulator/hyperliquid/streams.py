"""Streams of `/ws` without sockets: sessions, subscriptions, and publication of frames.

A session receives text and passes frames to its `send`. Frames are encoded once per topic and shared by all
sessions that subscribed to it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from simulator.hyperliquid import info, wire
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.core import Notification
from simulator.hyperliquid.exchange.private_streams import MOVING, PRIVATE, AccountStreams
from simulator.hyperliquid.faults import Faults
from simulator.hyperliquid.limits import ClientLimits, VenueLimits
from simulator.hyperliquid.topics import (
    EVERY_MS,
    InvalidSubscription,
    Topic,
    cadence,
    deflated,
    fast_contexts,
    frame,
    frame_of,
    topic_parse,
)
from simulator.markets.candles import INTERVALS
from simulator.markets.world import Event, Traded, World

IDLE_MS = 60_000


class Session:
    """Session of one websocket connection: its subscriptions and counters."""

    def __init__(self, send: Callable[[bytes], None], account: ClientLimits, now: int) -> None:
        self._send = send
        self.account = account
        self.topics: set[Topic] = set()
        self.pending_posts = 0
        self.last_sent = now

    def send(self, data: bytes, now: int) -> None:
        self.last_sent = now
        self._send(data)


class Streams:
    """Streams of the venue: all sessions and their subscriptions."""

    def __init__(
        self, world: World, limits: VenueLimits, faults: Faults, engine: AccountEngine | None = None
    ) -> None:
        self.world = world
        self.account_engine = engine or AccountEngine(world)
        self.private = AccountStreams(self.account_engine)
        self.limits = limits
        self.faults = faults
        self.sessions: set[Session] = set()
        self.frames = 0
        self._subscribers: dict[Topic, set[Session]] = {}
        self._due = dict.fromkeys(EVERY_MS, 0)
        self._fast_sent: dict[str, Any] = {}
        self.info_handler: Callable[[Any], info.Reply] = self.account_engine.handle_info
        self.action_handler: Callable[[Any], info.Reply] = lambda body: self.account_engine.handle_action(
            body, world.now
        )

    # --- requests of sessions ------------------------------------------------------------------
    def open(self, session: Session) -> None:
        self.sessions.add(session)

    def close(self, session: Session) -> None:
        """Remove the session; does nothing if it was removed already."""
        self.sessions.discard(session)
        for topic in list(session.topics):
            self._leave(session, topic)

    def receive(self, session: Session, text: str, now: int) -> None:
        """Process one text frame of a client and send the responses."""
        if not session.account.messages.allows(self.limits.messages_per_minute, now):
            self._reply(session, frame("error", "Too many messages per minute."), now)
            return
        session.account.messages.spend(1, now)
        for answer in self._answers(session, text):
            self._reply(session, answer, now)

    def _reply(self, session: Session, answer: bytes, now: int) -> None:
        if not self.faults.active("half_open", now):
            session.send(answer, now)

    def _answers(self, session: Session, text: str) -> Iterable[bytes]:
        unreadable = [frame("error", f"Error parsing JSON into valid websocket request: {text}")]
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return unreadable
        method = message.get("method") if isinstance(message, dict) else None
        if method == "ping":
            return [orjson.dumps({"channel": "pong"})]
        if method in ("subscribe", "unsubscribe"):
            return self._subscription(session, method, message.get("subscription"))
        if method == "post" and isinstance(message.get("id"), int):
            return [self._post(session, message["id"], message.get("request"))]
        return unreadable

    def _subscription(self, session: Session, method: str, subscription: Any) -> Iterable[bytes]:
        text = orjson.dumps(subscription).decode()
        try:
            topic = self._topic(subscription)
        except InvalidSubscription:
            return [frame("error", f"Invalid subscription {text}")]
        if method == "unsubscribe":
            if topic not in session.topics:
                return [frame("error", f"Already unsubscribed: {text}")]
            self._leave(session, topic)
            return [self._acknowledged(method, topic)]
        if topic in session.topics:
            return [frame("error", f"Already subscribed: {text}")]
        maximum = self.limits.subscriptions
        if maximum is not None and session.account.subscriptions >= maximum:
            return [frame("error", f"Cannot subscribe to more than {maximum} channels.")]
        if max_users_reached(self.limits, session.account, topic):
            return [frame("error", f"Cannot track more than {self.limits.users} total users.")]
        self._join(session, topic)
        first = self.private.first(topic) if topic.user else frame_of(self.world, topic)
        return [self._acknowledged(method, topic), *([first] if first else [])]

    def _topic(self, subscription: Any) -> Topic:
        kind = subscription.get("type") if isinstance(subscription, dict) else None
        private = isinstance(kind, str) and kind in PRIVATE
        return self.private.parse(subscription) if private else topic_parse(subscription, self.world)

    def _join(self, session: Session, topic: Topic) -> None:
        session.topics.add(topic)
        session.account.subscriptions += 1
        if topic.user:
            session.account.users[topic.user] += 1
        self._subscribers.setdefault(topic, set()).add(session)

    def _leave(self, session: Session, topic: Topic) -> None:
        session.topics.discard(topic)
        session.account.subscriptions -= 1
        if topic.user:
            session.account.users[topic.user] -= 1
        subscribers = self._subscribers[topic]
        subscribers.discard(session)
        if not subscribers:
            del self._subscribers[topic]

    def _acknowledged(self, method: str, topic: Topic) -> bytes:
        return frame("subscriptionResponse", {"method": method, "subscription": topic.echo()})

    def _post(self, session: Session, number: int, request: Any) -> bytes:
        maximum = self.limits.pending_posts
        if maximum is not None and session.pending_posts >= maximum:
            return frame("error", f"too many pending post requests id={number}")
        session.pending_posts += 1
        return frame("post", {"id": number, "response": self._post_response(request)})

    def _post_response(self, request: Any) -> dict[str, Any]:
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("info", "action"):
            return {"type": "error", "payload": info.UNPROCESSABLE}
        payload = request.get("payload")
        status, body = self.info_handler(payload) if kind == "info" else self.action_handler(payload)
        if status != 200:
            return {"type": "error", "payload": body or f"HTTP {status}"}
        return {
            "type": kind,
            "payload": {"type": payload["type"], "data": body} if kind == "info" else body,
        }

    # --- publication ---------------------------------------------------------------------------
    def publish(self, events: Iterable[Event], now: int) -> None:
        """Publish the events of a block, and the topics that are due by the clock."""
        notices = self.account_engine.drain()
        if not self._subscribers:
            return
        self._publish_private(notices, now)
        for event in events:
            if isinstance(event, Traded):
                self._publish_trades(event, now)
            else:
                self._publish_topic(Topic("bbo", event.coin), now)
        due = {name for name, at in self._due.items() if now >= at}
        if due:
            self._due |= {name: now - now % EVERY_MS[name] + EVERY_MS[name] for name in due}
            for topic in [topic for topic in self._subscribers if cadence(topic) in due]:
                self._publish_topic(topic, now)

    def _publish_private(self, notices: list[Notification], now: int) -> None:
        by_user: dict[str, list[Notification]] = {}
        for notice in self.faults.notices(notices, now):
            by_user.setdefault(notice.user, []).append(notice)
        if not by_user:
            return
        for topic in [topic for topic in self._subscribers if topic.user in by_user]:
            for data in self.private.frames(topic, by_user[topic.user or ""]):
                self._fan_out(topic, data, now)

    def _publish_trades(self, event: Traded, now: int) -> None:
        topic = Topic("trades", event.coin)
        if topic in self._subscribers:
            market = self.world.markets[event.coin]
            self._fan_out(topic, frame("trades", wire.trades(market, event.trades)), now)
        for interval in INTERVALS:
            self._publish_topic(Topic("candle", event.coin, interval), now)

    def _publish_topic(self, topic: Topic, now: int) -> None:
        if topic not in self._subscribers:
            return
        if topic.user:
            data = self.private.state(topic) if topic.kind in MOVING else None
        elif topic.kind == "fastAssetCtxs":
            data = self._fast_changes()
        else:
            data = frame_of(self.world, topic)
        if data is not None:
            self._fan_out(topic, data, now)

    def _fast_changes(self) -> bytes | None:
        contexts = fast_contexts(self.world)
        changed = {coin: value for coin, value in contexts.items() if self._fast_sent.get(coin) != value}
        self._fast_sent = contexts
        return frame("fastAssetCtxs", deflated(changed)) if changed else None

    def _fan_out(self, topic: Topic, data: bytes, now: int) -> None:
        if self.faults.active("half_open", now):
            return
        subscribers = self._subscribers[topic]
        for sent in self.faults.frames(topic.kind, topic.coin, data, now):
            for session in subscribers:
                session.send(sent, now)
            self.frames += len(subscribers)

    def idle(self, now: int) -> list[Session]:
        """Sessions to which nothing was sent for a minute; the venue closes them."""
        return [session for session in self.sessions if now - session.last_sent >= IDLE_MS]


def max_users_reached(limits: VenueLimits, account: ClientLimits, topic: Topic) -> bool:
    """Whether the topic would exceed the number of users that an address may track."""
    tracked = {user for user, count in account.users.items() if count}
    maximum = limits.users
    return bool(topic.user and maximum is not None and topic.user not in tracked and len(tracked) >= maximum)
