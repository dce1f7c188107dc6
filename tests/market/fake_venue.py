"""Fake Hyperliquid server on 127.0.0.1 with scripted responses, stream messages and faults."""

import asyncio
import json
from collections import Counter, deque

from aiohttp import WSMsgType, web

META = {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}, {"name": "ETH", "szDecimals": 4}]}
SPOT = {"universe": [], "tokens": [{"index": 0, "name": "USDC", "szDecimals": 8}]}
CTX = {"prevDayPx": "100.0", "dayNtlVlm": "5.0", "markPx": "101.0", "midPx": None}


def bbo(coin, bid, ask, time=1):
    return {
        "coin": coin,
        "time": time,
        "bbo": [{"px": bid, "sz": "1", "n": 1}, {"px": ask, "sz": "1", "n": 1}],
    }


def trade(tid, *, coin="BTC", price="100.0", time=1, side="B"):
    return {"coin": coin, "side": side, "px": price, "sz": "1", "time": time, "hash": "0x", "tid": tid}


def candle(time, *, coin="BTC", interval="1m", close="100", volume="1"):
    row = {"t": time, "T": time + 1, "s": coin, "i": interval, "o": "100", "h": "200", "l": "50", "n": 1}
    return row | {"c": close, "v": volume}


def book(coin, bid, ask, time, *, fast=False):
    levels = [[{"px": bid, "sz": "1", "n": 1}], [{"px": ask, "sz": "1", "n": 1}]]
    return {"coin": coin, "time": time, "levels": levels} | ({"fast": True} if fast else {})


class FakeVenue:
    """Fake venue server: `async with FakeVenue() as venue:`; its address is `venue.url`."""

    def __init__(self):
        self.answers = {
            "meta": META,
            "spotMeta": SPOT,
            "metaAndAssetCtxs": [META, [CTX, CTX]],
            "spotMetaAndAssetCtxs": [SPOT, []],
            "recentTrades": [],
        }
        self.bars = {}  # (coin, interval) → rows of candleSnapshot
        self.requests = []
        self.faults = deque()  # HTTP statuses of the next responses
        self.sockets = []
        self.subscribed = []  # per connection, in order of connecting
        self.commands = Counter()
        self.mute = False  # half-open connection: accepts commands, sends nothing
        self.refuses = False
        self.refused = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/info", self._info)
        app.router.add_get("/ws", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *problem):
        self.drop()
        await self._runner.cleanup()

    # --- requests --------------------------------------------------------------------------------
    async def _info(self, request):
        query = await request.json()
        self.requests.append(query)
        if self.faults and (status := self.faults.popleft()) != 200:
            return web.Response(status=status, text="null")
        if query["type"] == "candleSnapshot":
            params = query["req"]
            rows = self.bars.get((params["coin"], params["interval"]), [])
            return web.json_response([r for r in rows if params["startTime"] <= r["t"] <= params["endTime"]])
        return web.json_response(self.answers[query["type"]])

    def snapshots(self, interval="1m"):
        return [
            a["req"]
            for a in self.requests
            if a["type"] == "candleSnapshot" and a["req"]["interval"] == interval
        ]

    # --- stream ----------------------------------------------------------------------------------
    async def _stream(self, request):
        if self.refuses:
            self.refused += 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        subscribed = set()
        self.sockets.append(socket)
        self.subscribed.append(subscribed)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await self._command(socket, subscribed, json.loads(message.data))
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def _command(self, socket, subscribed, command):
        self.commands[command["method"]] += 1
        if self.mute:
            return
        if command["method"] == "ping":
            await socket.send_json({"channel": "pong"})
            return
        name = json.dumps(command["subscription"], sort_keys=True)
        (subscribed.add if command["method"] == "subscribe" else subscribed.discard)(name)
        await socket.send_json({"channel": "subscriptionResponse", "data": command})

    async def push(self, channel, data):
        """Send to every connection, subscribed or not."""
        await self.push_raw(json.dumps({"channel": channel, "data": data}))

    async def push_raw(self, text):
        for socket in self.sockets:
            await socket.send_str(text)

    def drop(self):
        """Abort all connections."""
        for socket in self.sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self.sockets.clear()

    def has(self, **subscription):
        """True when the newest connection has that subscription."""
        name = json.dumps(subscription, sort_keys=True)
        return bool(self.sockets and self.subscribed and name in self.subscribed[-1])


async def until(condition, *, within=60.0):
    """Wait until `condition()` is true; the test fails on timeout."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)
