"""Shared frames: encoded once for many sockets, identical bytes, and never sent past a blocked socket."""

import asyncio

import pytest
from websockets.frames import Frame, Opcode

from market.hub.client import TRY_LATER, Client, Text, text_frame

SIZES = [0, 1, 125, 126, 65_535, 65_536]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_what_the_websocket_library_would_have_made(size):
    payload = ("é" * size).encode()[:size]
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


class Wire:
    def __init__(self):
        self.free = True
        self.frames = []

    def write_frame(self, frame):
        if self.free:
            self.frames.append(frame)
        return self.free


class Server:
    """An ASGI server with a `send` that waits until `free`."""

    def __init__(self):
        self.free = asyncio.Event()
        self.sent = []

    async def send(self, message):
        await self.free.wait()
        self.sent.append(message)


@pytest.fixture
def connection():
    server, wire, blocked = Server(), Wire(), []
    return Client(server.send, address="here", on_blocked=blocked.append, wire=wire), server, wire, blocked


async def test_a_free_socket_is_given_the_frame_itself(connection):
    client, server, wire, blocked = connection
    client.write_shared(Text("hello"))
    assert wire.frames == [text_frame(b"hello")]
    assert (server.sent, blocked) == ([], [])


async def test_a_socket_that_refuses_counts_as_blocked_until_the_text_is_gone(connection):
    client, server, wire, blocked = connection
    wire.free = False
    client.write_shared(Text("first"))
    assert (client.blocked, blocked) == (True, [client])
    wire.free = True
    client.write("second")
    assert wire.frames == [], "what comes later must not overtake what waits"
    server.free.set()
    async with asyncio.timeout(60):
        while client.blocked:
            await asyncio.sleep(0)
    assert [message["text"] for message in server.sent] == ["first", "second"]
    client.write("third")
    assert wire.frames == [text_frame(b"third")]


async def test_what_a_blocked_client_may_hold_is_bounded(connection):
    client, server, wire, _ = connection
    wire.free = False
    for number in range(100):
        client.write(str(number))
    assert client.closing
    server.free.set()
    async with asyncio.timeout(60):
        while not server.sent:
            await asyncio.sleep(0)
    assert server.sent == [{"type": "websocket.close", "code": TRY_LATER}]


async def test_nothing_is_written_once_the_connection_is_closing(connection):
    client, _, wire, _ = connection
    client.close(1012)
    client.write("late")
    assert wire.frames == []
