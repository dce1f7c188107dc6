"""Servers of the Python peers. `python -m benchmarks.servers NAME PORT INGRESS`

All use uvloop without compression. A client sends `{"topics": [...]}` and receives `{"ready": true}`.
"""

import asyncio
import sys
from collections import defaultdict
from typing import Any

import orjson
import uvicorn
import uvloop
from channels.generic.websocket import AsyncWebsocketConsumer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from websockets.asyncio.server import ServerConnection, broadcast, serve

CAPACITY = 20_000  # per channel: the default of 100 would lose most messages of this load
READY = orjson.dumps({"ready": True}).decode()


# --- Channels ----------------------------------------------------------------------------------------
def roomy_layer(kind: str) -> Any:
    """The channel layer of that kind, with a capacity for bursts."""
    from django.conf import settings

    if kind == "core":
        return RedisChannelLayer(hosts=[settings.REDIS_URL], prefix="bench", capacity=CAPACITY)
    return RedisPubSubChannelLayer(hosts=[settings.REDIS_URL], prefix="bench")


class TickConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """The consumer of the Channels tutorial, with one group per requested topic."""

    topics: tuple[str, ...] = ()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.topics = orjson.loads(text_data or "{}")["topics"]
        for topic in self.topics:
            await self.channel_layer.group_add(topic, self.channel_name)
        await self.send(text_data=READY)

    async def disconnect(self, code: int) -> None:
        for topic in self.topics:
            await self.channel_layer.group_discard(topic, self.channel_name)

    async def tick(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


def serve_channels(kind: str, port: int) -> None:
    import django
    from channels.layers import channel_layers

    django.setup()  # the web server imports the hub, which imports lease models
    from cryptotrade.web import web_config

    channel_layers.set("default", roomy_layer(kind))
    uvicorn.Server(web_config(TickConsumer.as_asgi(), port=port)).run()


# --- websockets ----------------------------------------------------------------------------------------
class Broadcaster:
    """`websockets.broadcast` per topic; updates are received as lines."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    async def client(self, connection: ServerConnection) -> None:
        topics = orjson.loads(await connection.recv())["topics"]
        for topic in topics:
            self._subscribers[topic].add(connection)
        await connection.send(READY)
        await connection.wait_closed()
        for topic in topics:
            self._subscribers[topic].discard(connection)

    async def ingress(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            topic, _, message = line.rstrip(b"\n").decode().partition("\t")
            broadcast(self._subscribers[topic], message)
        writer.close()

    async def run(self, port: int, ingress: int) -> None:
        await asyncio.start_server(self.ingress, "127.0.0.1", ingress)
        async with serve(self.client, "127.0.0.1", port, compression=None) as server:
            await server.serve_forever()


def main(name: str, port: int, ingress: int) -> None:
    if name == "websockets":
        uvloop.run(Broadcaster().run(port, ingress))
    else:
        serve_channels(name, port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
