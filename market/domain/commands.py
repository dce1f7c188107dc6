"""Parser of client commands of `/ws/stream`: text in, a command or a `CommandError` out.

Protocol: docs/stream-protocol.md. The limits are enforced here so that no I/O layer has to repeat them.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from market.domain.topics import TopicName, UnknownTopic, topic_parse

RATES = (1, 2, 5, 10, 20)
DEFAULT_RATE = 10
TOPICS_PER_CONNECTION = 256
COMMANDS_PER_SECOND = 20
COMMAND_BURST = 40
FRAME_BYTES = 16 * 1024
TOKEN_LENGTH = 4096


class CommandError(Exception):
    """A rejected command. `fatal`: the connection is closed with 1008 after the error frame."""

    def __init__(self, code: str, message: str, *, topic: str | None = None, fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.topic = topic
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe command. `rate` is pushes per second; `epoch` and `seq` are the client's last, or None."""

    topic: TopicName
    rate: int
    epoch: int | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    topic: TopicName


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class Authenticate:
    token: str


Command = Subscribe | Unsubscribe | Ping | Authenticate


def command_parse(text: str) -> Command:
    """Parse one frame into one command. Raises only `CommandError`, for any text."""
    try:
        message = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise CommandError("bad_json", "A frame must be one JSON object.") from None
    if not isinstance(message, dict):
        raise CommandError("bad_json", "A frame must be one JSON object.")
    match message.get("op"):
        case "subscribe":
            return _subscribe(message)
        case "unsubscribe":
            return Unsubscribe(_topic(message))
        case "ping":
            return Ping()
        case "auth":
            return _authenticate(message)
    raise CommandError("unknown_op", 'op must be one of "subscribe", "unsubscribe", "ping", "auth".')


def _subscribe(message: dict[str, Any]) -> Subscribe:
    topic = _topic(message)
    rate = message.get("rate")
    rate = DEFAULT_RATE if rate is None else rate
    if type(rate) is not int or rate not in RATES:
        raise CommandError("bad_rate", "rate must be one of 1, 2, 5, 10, 20 per second.", topic=topic.text)
    return Subscribe(topic, rate, _whole(message, "epoch", topic), _whole(message, "seq", topic))


def _whole(message: dict[str, Any], name: str, topic: TopicName) -> int | None:
    value = message.get(name)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise CommandError("bad_request", f"{name} must be a non-negative integer.", topic=topic.text)


def _topic(message: dict[str, Any]) -> TopicName:
    text = message.get("topic")
    if not isinstance(text, str):
        raise CommandError("bad_request", "topic must be a string.")
    if text.startswith("me."):
        raise CommandError("forbidden", "You cannot subscribe to another user's topics.", topic=text[:80])
    try:
        return topic_parse(text)
    except UnknownTopic:
        raise CommandError("unknown_topic", "Unknown topic.", topic=text[:80]) from None


def _authenticate(message: dict[str, Any]) -> Authenticate:
    token = message.get("token")
    if not isinstance(token, str) or not 0 < len(token) <= TOKEN_LENGTH:
        raise CommandError("bad_request", "token must be a string.", fatal=True)
    return Authenticate(token)


class CommandBudget:
    """Token bucket: 20 commands a second, bursts of 40 (an opening page subscribes to all it shows)."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float) -> None:
        self._left = float(COMMAND_BURST)
        self._at = now

    def spend(self, now: float) -> None:
        """Use one token. Raises a fatal `CommandError` when none is left."""
        refilled = self._left + (now - self._at) * COMMANDS_PER_SECOND
        self._left, self._at = min(refilled, COMMAND_BURST), now
        if self._left < 1:
            message = f"More than {COMMANDS_PER_SECOND} commands per second."
            raise CommandError("rate_limited", message, fatal=True)
        self._left -= 1
