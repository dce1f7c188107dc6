"""`/ws` without its sockets: what a session is told, and when.

A session is fed text and hands frames to its `send`. Frames are encoded once per topic and shared by
all sessions that subscribed to it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from market.simulator import info, wire
from market.simulator.candles import INTERVALS
from market.simulator.exchange.account_engine import House
from market.simulator.exchange.core import Notice
from market.simulator.exchange.private_streams import MOVING, PRIVATE, Private
from market.simulator.faults import Faults
from market.simulator.limits import Account, Limits
from market.simulator.topics import (
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
from market.simulator.world import Event, Traded, World

IDLE_MS = 60_000


class Session:
    """One connection."""

    def __init__(self, send: Callable[[bytes], None], account: Account, now: int) -> None:
        self._send = send
        self.account = account
        self.topics: set[Topic] = set()
        self.pending_posts = 0
        self.last_sent = now

    def send(self, told: bytes, now: int) -> None:
        self.last_sent = now
        self._send(told)


class Streams:
    """All sessions of the venue and what they subscribed to."""

    def __init__(self, world: World, limits: Limits, faults: Faults, house: House | None = None) -> None:
        self.world = world
        self.house = house or House(world)
        self.private = Private(self.house)
        self.limits = limits
        self.faults = faults
        self.sessions: set[Session] = set()
        self.frames = 0
        self._readers: dict[Topic, set[Session]] = {}
        self._due = dict.fromkeys(EVERY_MS, 0)
        self._fast_told: dict[str, Any] = {}
        self.ask: Callable[[Any], info.Reply] = self.house.ask
        self.act: Callable[[Any], info.Reply] = lambda body: self.house.act(body, world.now)

    # --- what a session says -------------------------------------------------------------------
    def open(self, session: Session) -> None:
        self.sessions.add(session)

    def close(self, session: Session) -> None:
        """Forget the session; harmless when it is forgotten already."""
        self.sessions.discard(session)
        for topic in list(session.topics):
            self._leave(session, topic)

    def receive(self, session: Session, text: str, now: int) -> None:
        """Answer one text frame."""
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

    def _subscription(self, session: Session, method: str, asked: Any) -> Iterable[bytes]:
        said = orjson.dumps(asked).decode()
        try:
            topic = self._topic(asked)
        except InvalidSubscription:
            return [frame("error", f"Invalid subscription {said}")]
        if method == "unsubscribe":
            if topic not in session.topics:
                return [frame("error", f"Already unsubscribed: {said}")]
            self._leave(session, topic)
            return [self._acknowledged(method, topic)]
        if topic in session.topics:
            return [frame("error", f"Already subscribed: {said}")]
        most = self.limits.subscriptions
        if most is not None and session.account.subscriptions >= most:
            return [frame("error", f"Cannot subscribe to more than {most} channels.")]
        if most_users_reached(self.limits, session.account, topic):
            return [frame("error", f"Cannot track more than {self.limits.users} total users.")]
        self._join(session, topic)
        first = self.private.first(topic) if topic.user else frame_of(self.world, topic)
        return [self._acknowledged(method, topic), *([first] if first else [])]

    def _topic(self, asked: Any) -> Topic:
        kind = asked.get("type") if isinstance(asked, dict) else None
        private = isinstance(kind, str) and kind in PRIVATE
        return self.private.parse(asked) if private else topic_parse(asked, self.world)

    def _join(self, session: Session, topic: Topic) -> None:
        session.topics.add(topic)
        session.account.subscriptions += 1
        if topic.user:
            session.account.users[topic.user] += 1
        self._readers.setdefault(topic, set()).add(session)

    def _leave(self, session: Session, topic: Topic) -> None:
        session.topics.discard(topic)
        session.account.subscriptions -= 1
        if topic.user:
            session.account.users[topic.user] -= 1
        readers = self._readers[topic]
        readers.discard(session)
        if not readers:
            del self._readers[topic]

    def _acknowledged(self, method: str, topic: Topic) -> bytes:
        return frame("subscriptionResponse", {"method": method, "subscription": topic.echo()})

    def _post(self, session: Session, number: int, request: Any) -> bytes:
        most = self.limits.pending_posts
        if most is not None and session.pending_posts >= most:
            return frame("error", f"too many pending post requests id={number}")
        session.pending_posts += 1
        return frame("post", {"id": number, "response": self._post_response(request)})

    def _post_response(self, request: Any) -> dict[str, Any]:
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("info", "action"):
            return {"type": "error", "payload": info.UNPROCESSABLE}
        payload = request.get("payload")
        status, body = self.ask(payload) if kind == "info" else self.act(payload)
        if status != 200:
            return {"type": "error", "payload": body or f"HTTP {status}"}
        return {
            "type": kind,
            "payload": {"type": payload["type"], "data": body} if kind == "info" else body,
        }

    # --- what the venue says -------------------------------------------------------------------
    def publish(self, events: Iterable[Event], now: int) -> None:
        """Tell everybody what happened in this block, and what is due by the clock."""
        notices = self.house.drain()
        if not self._readers:
            return
        self._tell_owners(notices, now)
        for event in events:
            if isinstance(event, Traded):
                self._tell_trades(event, now)
            else:
                self._tell(Topic("bbo", event.coin), now)
        due = {name for name, at in self._due.items() if now >= at}
        if due:
            self._due |= {name: now - now % EVERY_MS[name] + EVERY_MS[name] for name in due}
            for topic in [topic for topic in self._readers if cadence(topic) in due]:
                self._tell(topic, now)

    def _tell_owners(self, notices: list[Notice], now: int) -> None:
        by_user: dict[str, list[Notice]] = {}
        for notice in self.faults.notices(notices, now):
            by_user.setdefault(notice.user, []).append(notice)
        if not by_user:
            return
        for topic in [topic for topic in self._readers if topic.user in by_user]:
            for told in self.private.frames(topic, by_user[topic.user or ""]):
                self._fan_out(topic, told, now)

    def _tell_trades(self, event: Traded, now: int) -> None:
        topic = Topic("trades", event.coin)
        if topic in self._readers:
            market = self.world.markets[event.coin]
            self._fan_out(topic, frame("trades", wire.trades(market, event.trades)), now)
        for interval in INTERVALS:
            self._tell(Topic("candle", event.coin, interval), now)

    def _tell(self, topic: Topic, now: int) -> None:
        if topic not in self._readers:
            return
        if topic.user:
            told = self.private.state(topic) if topic.kind in MOVING else None
        elif topic.kind == "fastAssetCtxs":
            told = self._fast_changes()
        else:
            told = frame_of(self.world, topic)
        if told is not None:
            self._fan_out(topic, told, now)

    def _fast_changes(self) -> bytes | None:
        contexts = fast_contexts(self.world)
        changed = {coin: value for coin, value in contexts.items() if self._fast_told.get(coin) != value}
        self._fast_told = contexts
        return frame("fastAssetCtxs", deflated(changed)) if changed else None

    def _fan_out(self, topic: Topic, told: bytes, now: int) -> None:
        if self.faults.active("half_open", now):
            return
        readers = self._readers[topic]
        for sent in self.faults.frames(topic.kind, topic.coin, told, now):
            for session in readers:
                session.send(sent, now)
            self.frames += len(readers)

    def idle(self, now: int) -> list[Session]:
        """Sessions to which nothing was sent for a minute; the venue hangs up on them."""
        return [session for session in self.sessions if now - session.last_sent >= IDLE_MS]


def most_users_reached(limits: Limits, account: Account, topic: Topic) -> bool:
    """Whether the topic is of one user more than an address may track."""
    tracked = {user for user, count in account.users.items() if count}
    most = limits.users
    return bool(topic.user and most is not None and topic.user not in tracked and len(tracked) >= most)
