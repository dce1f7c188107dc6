"""Websocket endpoint `/ws/stream`: handshake, commands and errors (docs/stream-protocol.md).

This is a plain ASGI application instead of a Channels consumer class: the dispatch of a consumer costs
one thread hop per message (86 to 192 µs measured), and only authentication accesses the database here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import validate_host

from core.asgi import Receive, Scope, Send
from market.domain.commands import (
    FRAME_BYTES,
    Authenticate,
    CommandBudget,
    CommandError,
    Ping,
    Subscribe,
    Unsubscribe,
    command_parse,
)
from market.hub import Client, Hub
from market.hub.client import GOING_AWAY, POLICY, TOO_BIG, UNSUPPORTED, WIRE
from market.hub.credential_monitor import CredentialsLive

logger = logging.getLogger(__name__)


class Principal(Protocol):
    """The authenticated user of a credential: its handle, and its expiry in Unix time (None: never)."""

    @property
    def user_id(self) -> str: ...
    @property
    def credential(self) -> str: ...
    @property
    def expires_at(self) -> float | None: ...


Identify = Callable[[str], Principal | None]
Wait = Callable[[Scope], Awaitable[int]]  # seconds until the address may open a connection; 0: now


async def _no_wait(scope: Scope) -> int:
    return 0


@dataclass(frozen=True)
class StreamConsumer:
    """ASGI application of `/ws/stream`.

    The project package injects the look-ups of users and credentials, because this app may not import
    `accounts`.
    """

    session_user: Identify
    token_user: Identify
    credentials_live: CredentialsLive
    address: Callable[[Scope], str]
    wait: Wait = _no_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        hub = Hub.current()
        hub.guard.ask = self.credentials_live
        if not is_same_origin(scope):
            await send({"type": "websocket.close", "code": POLICY})  # before accept: HTTP 403
            return
        await send({"type": "websocket.accept"})
        address = self.address(scope)
        wire = scope.get("extensions", {}).get(WIRE)
        client = Client(send, address=address, on_blocked=hub.fanout.detach, wire=wire)
        hub.add(client)
        try:
            await _Connection(self, scope, hub, client).run(receive)
        finally:
            hub.remove(client)


class _Connection:
    """One websocket connection from accept to disconnect."""

    def __init__(self, consumer: StreamConsumer, scope: Scope, hub: Hub, client: Client) -> None:
        self._consumer = consumer
        self._scope = scope
        self._hub = hub
        self._client = client
        self._cookie_tried = False
        self._budget = CommandBudget(asyncio.get_running_loop().time())

    async def run(self, receive: Receive) -> None:
        if await self._admit():
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._received(message)
            return
        while (await receive())["type"] != "websocket.disconnect":
            pass  # the close frame is being sent

    async def _admit(self) -> bool:
        if self._hub.draining:
            self._client.close(GOING_AWAY)
            return False
        try:
            if self._hub.per_address[self._client.address] > settings.MAX_STREAMS_PER_ADDRESS:
                raise CommandError(
                    "too_many_connections", "Too many connections from this address.", fatal=True
                )
            if seconds := await self._consumer.wait(self._scope):
                message = f"Too many connections from this address; try again in {seconds} s."
                raise CommandError("rate_limited", message, fatal=True)
            if token := _bearer(self._scope):
                await self._sign_in(self._consumer.token_user, token)
        except CommandError as error:
            self._reject(error)
        return not self._client.closing

    async def _received(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if text is None:
            error = CommandError("binary", "Binary frames are not supported; send text frames.")
            self._send_error(error)
            self._client.close(UNSUPPORTED)
            return
        if len(text) > FRAME_BYTES:
            self._client.close(TOO_BIG)
            return
        try:
            self._budget.spend(asyncio.get_running_loop().time())
            await self._execute(text)
        except CommandError as error:
            self._reject(error)

    async def _execute(self, text: str) -> None:
        match command_parse(text):
            case Subscribe() as command:
                if command.topic.kind == "me":
                    await self._try_cookie()
                await self._hub.subscribe(self._client, command)
            case Unsubscribe(topic):
                number = self._hub.unsubscribe(self._client, topic)
                if number is None:
                    raise CommandError("not_subscribed", "This topic is not subscribed.", topic=topic.text)
                self._send_json({"op": "ok", "topic": topic.text, "id": number})
            case Authenticate(token):
                await self._sign_in(self._consumer.token_user, token)
                self._send_json({"op": "ok", "user": self._client.user_id})
            case Ping():
                self._send_json({"op": "pong"})

    async def _try_cookie(self) -> None:
        """Authenticate by cookie at the first private topic only, so that public pages cost no look-up."""
        if self._client.user_id or self._cookie_tried:
            return
        self._cookie_tried = True
        if session := _cookie(self._scope, settings.SESSION_COOKIE_NAME):
            await self._sign_in(self._consumer.session_user, session)
        elif token := _cookie(self._scope, settings.ACCESS_COOKIE):
            await self._sign_in(self._consumer.token_user, token)

    async def _sign_in(self, identify: Identify, credential: str) -> None:
        principal = await database_sync_to_async(identify)(credential)
        if principal is None:
            raise CommandError("unauthenticated", "Invalid credential.", fatal=True)
        user_id = principal.user_id
        if self._client.user_id not in (None, user_id):
            raise CommandError("forbidden", "This connection is signed in as another user.", fatal=True)
        if self._client.user_id is None:
            self._hub.per_user[user_id] += 1
            self._client.user_id = user_id
        self._client.credential, self._client.until = principal.credential, principal.expires_at
        if self._hub.per_user[user_id] > settings.MAX_STREAMS_PER_USER:
            raise CommandError("too_many_connections", "Too many connections for this user.", fatal=True)

    def _reject(self, error: CommandError) -> None:
        self._send_error(error)
        if error.fatal:
            self._client.close(POLICY)

    def _send_error(self, error: CommandError) -> None:
        body: dict[str, Any] = {"op": "error", "code": error.code, "message": error.message}
        self._send_json({**body, "topic": error.topic} if error.topic else body)

    def _send_json(self, body: dict[str, Any]) -> None:
        self._client.write(orjson.dumps(body).decode())


# --- the handshake -----------------------------------------------------------------------------------
def _header(scope: Scope, name: bytes) -> str | None:
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[-1].decode("latin-1") if values else None


def is_same_origin(scope: Scope) -> bool:
    """True for the server's own pages, for trusted origins, and for API clients, which send no Origin.

    Browsers always send the header, so a page of another site cannot use a visitor's session.
    """
    origin = _header(scope, b"origin")
    if origin is None:
        return True
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    host = _header(scope, b"host")
    allowed = settings.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
    same = parts.scheme in ("http", "https") and parts.netloc == host
    return same and validate_host(_without_port(parts.netloc), allowed)


def _without_port(netloc: str) -> str:
    host, colon, port = netloc.rpartition(":")
    return host if colon and port.isdigit() else netloc


def _bearer(scope: Scope) -> str | None:
    kind, _, token = (_header(scope, b"authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _cookie(scope: Scope, name: str) -> str | None:
    try:
        morsel = SimpleCookie(_header(scope, b"cookie") or "").get(name)
    except CookieError:
        return None
    return morsel.value if morsel else None
