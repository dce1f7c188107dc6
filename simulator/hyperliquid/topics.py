"""Public topics of `/ws`: parsing, normal form, and the frames of each."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.hyperliquid import wire
from simulator.markets.candles import INTERVALS
from simulator.markets.world import World

EVERY_MS = {"allMids": 1000, "l2Fast": 500, "l2Slow": 5000, "context": 1000}
NO_COIN = {"allMids", "assetCtxs", "allDexsAssetCtxs", "spotAssetCtxs", "fastAssetCtxs"}
PER_COIN = {"l2Book", "bbo", "trades", "candle", "activeAssetCtx"}
PER_BLOCK = {"bbo", "trades", "candle"}


class InvalidSubscription(ValueError):
    """The subscription is unknown or malformed."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A subscription in normal form: equal topics are the same stream."""

    kind: str
    coin: str | None = None
    interval: str | None = None
    figures: int | None = None
    mantissa: int | None = None
    fast: bool = False
    user: str | None = None
    aggregate: bool = False

    def echo(self) -> dict[str, Any]:
        """The subscription as the venue repeats it, including defaults."""
        subscription: dict[str, Any] = {"type": self.kind}
        if self.user is not None:
            subscription["user"] = self.user
        if self.coin is not None:
            subscription["coin"] = self.coin
        if self.kind == "userFills":
            subscription["aggregateByTime"] = self.aggregate
        if self.kind == "candle":
            subscription["interval"] = self.interval
        if self.kind == "l2Book":
            subscription |= {"nSigFigs": self.figures, "mantissa": self.mantissa}
            subscription |= {"fast": True} if self.fast else {}
        return subscription


def topic_parse(request: Any, world: World) -> Topic:
    """Parse a public subscription. Raises `InvalidSubscription`."""
    kind = request.get("type") if isinstance(request, dict) else None
    if not isinstance(kind, str):
        raise InvalidSubscription
    if kind in NO_COIN and request.get("dex") in (None, ""):
        return Topic(kind)
    coin = request.get("coin")
    if kind not in PER_COIN or not isinstance(coin, str) or coin not in world.markets:
        raise InvalidSubscription
    if kind == "candle":
        return _candle_topic(coin, request.get("interval"))
    return _book_topic(coin, request) if kind == "l2Book" else Topic(kind, coin)


def _candle_topic(coin: str, interval: Any) -> Topic:
    if not isinstance(interval, str) or interval not in INTERVALS:
        raise InvalidSubscription
    return Topic("candle", coin, interval)


def _book_topic(coin: str, request: dict[str, Any]) -> Topic:
    figures, mantissa = request.get("nSigFigs"), request.get("mantissa")
    try:
        wire.aggregation(figures, mantissa)
    except wire.BadAggregation:
        raise InvalidSubscription from None
    return Topic("l2Book", coin, None, figures, mantissa, request.get("fast") is True)


def cadence(topic: Topic) -> str | None:
    """The key of `EVERY_MS` for a topic published by the clock; None when it is published on events."""
    if topic.kind == "l2Book":
        return "l2Fast" if topic.fast else "l2Slow"
    if topic.kind == "allMids":
        return "allMids"
    return None if topic.kind in PER_BLOCK else "context"


def frame(channel: str, data: Any) -> bytes:
    return orjson.dumps({"channel": channel, "data": data})


def frame_of(world: World, topic: Topic) -> bytes | None:
    """The current full frame of the topic; None for trades, which have events only."""
    if topic.coin is None:
        return frame(topic.kind, _of_all(world, topic.kind))
    market = world.markets[topic.coin]
    if topic.kind == "bbo":
        return frame("bbo", wire.bbo(market))
    if topic.kind == "l2Book":
        return frame("l2Book", _book(world, topic))
    if topic.kind == "candle":
        interval = topic.interval or "1m"
        bar = market.tape.bar(interval, world.now)
        return frame("candle", wire.candle(market.listing, interval, bar))
    if topic.kind == "activeAssetCtx":
        channel = "activeSpotAssetCtx" if market.listing.is_spot else "activeAssetCtx"
        return frame(channel, {"coin": topic.coin, "ctx": wire.context(market)})
    return None


def _book(world: World, topic: Topic) -> dict[str, Any]:
    market = world.markets[topic.coin or ""]
    rounding = wire.aggregation(topic.figures, topic.mantissa)
    if topic.fast:
        return {**wire.book(market, rounding, wire.FAST_DEPTH), "fast": True}
    return wire.book(market, rounding)


def _of_all(world: World, kind: str) -> Any:
    if kind == "allMids":
        return {"mids": wire.mids(world)}
    if kind == "spotAssetCtxs":
        return [wire.spot_context(market) for market in world.markets.values() if market.listing.is_spot]
    if kind == "fastAssetCtxs":
        return deflated(fast_contexts(world))
    contexts = wire.perp_contexts(world)
    return {"dex": "", "ctxs": contexts} if kind == "assetCtxs" else {"ctxs": [["", contexts]]}


def fast_contexts(world: World) -> dict[str, Any]:
    return {
        coin: {"markPx": market.listing.price_text(market.mark), "midPx": wire.mid(market)}
        for coin, market in world.markets.items()
    }


def deflated(value: Any) -> str:
    """JSON, compressed with raw DEFLATE, in Base64."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(orjson.dumps(value)) + deflate.flush()).decode()
