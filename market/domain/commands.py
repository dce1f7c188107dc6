"""What a client of `/ws/stream` may say: text in, a command or a clear error out.

Protocol: docs/stream-protocol.md. Limits are enforced here so that no shell has to remember them.
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
    """A command that is refused. `fatal`: the connection is closed with 1008 after saying so."""

    def __init__(self, code: str, message: str, *, topic: str | None = None, fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.topic = topic
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`rate` is pushes per second; `epoch` and `seq` are what the client saw last, or None."""

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
    """One frame → one command. Raises `CommandError` and nothing else, whatever the text."""
    try:
        said = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise CommandError("bad_json", "A frame is one JSON object.") from None
    if not isinstance(said, dict):
        raise CommandError("bad_json", "A frame is one JSON object.")
    match said.get("op"):
        case "sub":
            return _subscribe(said)
        case "unsub":
            return Unsubscribe(_topic(said))
        case "ping":
            return Ping()
        case "auth":
            return _authenticate(said)
    raise CommandError("unknown_op", 'op is one of "sub", "unsub", "ping", "auth".')


def _subscribe(said: dict[str, Any]) -> Subscribe:
    topic = _topic(said)
    rate = said.get("rate")
    rate = DEFAULT_RATE if rate is None else rate
    if type(rate) is not int or rate not in RATES:
        raise CommandError("bad_rate", "rate is one of 1, 2, 5, 10, 20 per second.", topic=topic.text)
    return Subscribe(topic, rate, _whole(said, "epoch", topic), _whole(said, "seq", topic))


def _whole(said: dict[str, Any], name: str, topic: TopicName) -> int | None:
    value = said.get(name)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise CommandError("bad_request", f"{name} is a whole number, zero or more.", topic=topic.text)


def _topic(said: dict[str, Any]) -> TopicName:
    text = said.get("topic")
    if not isinstance(text, str):
        raise CommandError("bad_request", "topic is a string.")
    if text.startswith("me."):
        raise CommandError("forbidden", "Private topics of other people are not for you.", topic=text[:80])
    try:
        return topic_parse(text)
    except UnknownTopic:
        raise CommandError("unknown_topic", "There is no such topic.", topic=text[:80]) from None


def _authenticate(said: dict[str, Any]) -> Authenticate:
    token = said.get("token")
    if not isinstance(token, str) or not 0 < len(token) <= TOKEN_LENGTH:
        raise CommandError("bad_request", "token is a string.", fatal=True)
    return Authenticate(token)


class CommandBudget:
    """Twenty commands a second, forty at once (a page that opens subscribes to what it shows)."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float) -> None:
        self._left = float(COMMAND_BURST)
        self._at = now

    def spend(self, now: float) -> None:
        """Raises a fatal `CommandError` when nothing is left."""
        refilled = self._left + (now - self._at) * COMMANDS_PER_SECOND
        self._left, self._at = min(refilled, COMMAND_BURST), now
        if self._left < 1:
            message = f"More than {COMMANDS_PER_SECOND} commands a second."
            raise CommandError("rate_limited", message, fatal=True)
        self._left -= 1
