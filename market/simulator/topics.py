"""What can be subscribed to on `/ws`: names, their normal form, and the frames of each."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from market.simulator import wire
from market.simulator.candles import INTERVALS
from market.simulator.world import World

EVERY_MS = {"allMids": 1000, "l2Fast": 500, "l2Slow": 5000, "context": 1000}
NO_COIN = {"allMids", "assetCtxs", "allDexsAssetCtxs", "spotAssetCtxs", "fastAssetCtxs"}
PER_COIN = {"l2Book", "bbo", "trades", "candle", "activeAssetCtx"}
PER_BLOCK = {"bbo", "trades", "candle"}


class InvalidSubscription(ValueError):
    """There is nothing like it to subscribe to."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A subscription in its normal form: equal ones are the same stream."""

    kind: str
    coin: str | None = None
    interval: str | None = None
    figures: int | None = None
    mantissa: int | None = None
    fast: bool = False
    user: str | None = None
    aggregate: bool = False

    def echo(self) -> dict[str, Any]:
        """As the venue repeats it, defaults included."""
        said: dict[str, Any] = {"type": self.kind}
        if self.user is not None:
            said["user"] = self.user
        if self.coin is not None:
            said["coin"] = self.coin
        if self.kind == "userFills":
            said["aggregateByTime"] = self.aggregate
        if self.kind == "candle":
            said["interval"] = self.interval
        if self.kind == "l2Book":
            said |= {"nSigFigs": self.figures, "mantissa": self.mantissa}
            said |= {"fast": True} if self.fast else {}
        return said


def topic_parse(asked: Any, world: World) -> Topic:
    """Raises `InvalidSubscription`."""
    kind = asked.get("type") if isinstance(asked, dict) else None
    if not isinstance(kind, str):
        raise InvalidSubscription
    if kind in NO_COIN and asked.get("dex") in (None, ""):
        return Topic(kind)
    coin = asked.get("coin")
    if kind not in PER_COIN or not isinstance(coin, str) or coin not in world.markets:
        raise InvalidSubscription
    if kind == "candle":
        return _candle_topic(coin, asked.get("interval"))
    return _book_topic(coin, asked) if kind == "l2Book" else Topic(kind, coin)


def _candle_topic(coin: str, interval: Any) -> Topic:
    if not isinstance(interval, str) or interval not in INTERVALS:
        raise InvalidSubscription
    return Topic("candle", coin, interval)


def _book_topic(coin: str, asked: dict[str, Any]) -> Topic:
    figures, mantissa = asked.get("nSigFigs"), asked.get("mantissa")
    try:
        wire.aggregation(figures, mantissa)
    except wire.BadAggregation:
        raise InvalidSubscription from None
    return Topic("l2Book", coin, None, figures, mantissa, asked.get("fast") is True)


def cadence(topic: Topic) -> str | None:
    """The key of `EVERY_MS` that times the topic; None when events do."""
    if topic.kind == "l2Book":
        return "l2Fast" if topic.fast else "l2Slow"
    if topic.kind == "allMids":
        return "allMids"
    return None if topic.kind in PER_BLOCK else "context"


def frame(channel: str, data: Any) -> bytes:
    return orjson.dumps({"channel": channel, "data": data})


def frame_of(world: World, topic: Topic) -> bytes | None:
    """The whole of the topic as it is now; None for trades, which have only events."""
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
    """Base64 of raw DEFLATE of JSON."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(orjson.dumps(value)) + deflate.flush()).decode()
