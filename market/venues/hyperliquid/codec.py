"""Hyperliquid codec: stream frames and `/info` responses to domain values, and back. Pure.

Every input is decoded, ignored (unused channels) or a `ParseError`; no other exception is raised. Numbers
must be plain decimal strings.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from market.domain.errors import ParseError
from market.domain.events import INTERVALS, Book, Candle, Context, Level, Mids, Quote, Trade, Trades
from market.domain.session import Ack, Message, Pong, Refusal
from market.domain.subscriptions import StreamKind, Subscription
from market.venues.hyperliquid.parsing import SIDES, JsonObject, name, number, signed, time_of

GREETING = b"Websocket connection established."
_BROKEN = (KeyError, TypeError, IndexError, ValueError, AttributeError)
_KIND_TO_WIRE = {
    "mids": "allMids",
    "quote": "bbo",
    "context": "activeAssetCtx",
    "candle": "candle",
    "trades": "trades",
    "book": "l2Book",
    "fast_book": "l2Book",
}
_WIRE_TO_KIND: dict[str, StreamKind] = {
    "allMids": "mids",
    "bbo": "quote",
    "activeAssetCtx": "context",
    "activeSpotAssetCtx": "context",
    "candle": "candle",
    "trades": "trades",
    "l2Book": "book",
}
T = TypeVar("T")


class HyperliquidCodec:
    """`market.domain.session.Codec` of Hyperliquid and compatible servers (the simulator)."""

    def decode(self, frame: bytes) -> Sequence[Message]:
        return frame_decode(frame)

    def subscribe(self, subscription: Subscription) -> bytes:
        return _command("subscribe", subscription)

    def unsubscribe(self, subscription: Subscription) -> bytes:
        return _command("unsubscribe", subscription)

    def ping(self) -> bytes:
        return b'{"method":"ping"}'


def frame_decode(frame: bytes) -> Sequence[Message]:
    """Decode one stream frame; empty for unused channels. Raises `ParseError`."""
    if frame == GREETING:
        return ()
    try:
        message = orjson.loads(frame)
        read = _CHANNELS.get(message["channel"])
        return read(message.get("data")) if read else ()
    except _BROKEN as problem:
        raise ParseError(f"invalid frame ({type(problem).__name__})", frame[:200]) from problem


def subscription_to_wire(subscription: Subscription) -> dict[str, Any]:
    """The `subscription` object of a command."""
    wire: dict[str, Any] = {"type": _KIND_TO_WIRE[subscription.kind]}
    if subscription.symbol:
        wire["coin"] = subscription.symbol
    if subscription.interval:
        wire["interval"] = subscription.interval
    if subscription.kind == "fast_book":
        wire["fast"] = True
    return wire


def _command(method: str, subscription: Subscription) -> bytes:
    return orjson.dumps({"method": method, "subscription": subscription_to_wire(subscription)})


def _maybe(read: Callable[[object], str], value: object) -> str | None:
    return None if value is None else read(value)


# --- stream channels -------------------------------------------------------------------------------
def _bbo(data: JsonObject) -> Sequence[Message]:
    bid, ask = data["bbo"]
    return (
        Quote(
            name(data["coin"]),
            None if bid is None else number(bid["px"]),
            None if ask is None else number(ask["px"]),
            time_of(data["time"]),
        ),
    )


def _context(data: JsonObject) -> Sequence[Message]:
    return (context_read(name(data["coin"]), data["ctx"]),)


def context_read(symbol: str, ctx: JsonObject) -> Context:
    return Context(
        symbol,
        mark=number(ctx["markPx"]),
        previous_day=number(ctx["prevDayPx"]),
        volume24h=number(ctx["dayNtlVlm"]),
        mid=_maybe(number, ctx.get("midPx")),
        oracle=_maybe(number, ctx.get("oraclePx")),
        funding=_maybe(signed, ctx.get("funding")),
        open_interest=_maybe(number, ctx.get("openInterest")),
    )


def _mids(data: JsonObject) -> Sequence[Message]:
    return (Mids({name(coin): number(mid) for coin, mid in data["mids"].items()}),)


def _trade(wire: JsonObject) -> Trade:
    tid = wire["tid"]
    if type(tid) is not int:
        raise ParseError("not a trade id", tid)
    side = SIDES[wire["side"]]
    return Trade(
        name(wire["coin"]), number(wire["px"]), number(wire["sz"]), side, time_of(wire["time"]), str(tid)
    )


def _trades(data: list[JsonObject]) -> Sequence[Message]:
    by_symbol: dict[str, list[Trade]] = {}
    for trade in map(_trade, data):
        by_symbol.setdefault(trade.symbol, []).append(trade)
    # The first frame after a subscribe holds recent trades, not always in order.
    return [Trades(symbol, _in_order(trades)) for symbol, trades in by_symbol.items()]


def _in_order(trades: Sequence[Trade]) -> tuple[Trade, ...]:
    return tuple(sorted(trades, key=lambda trade: trade.time))


def _levels(side: list[JsonObject]) -> tuple[Level, ...]:
    return tuple([(number(level["px"]), number(level["sz"])) for level in side])


def _book(data: JsonObject) -> Sequence[Message]:
    return (book_read(data),)


def book_read(data: JsonObject) -> Book:
    bids, asks = data["levels"]
    return Book(
        name(data["coin"]), _levels(bids), _levels(asks), time_of(data["time"]), data.get("fast") is True
    )


def _candle(data: JsonObject) -> Sequence[Message]:
    return (candle_read(data),)


def candle_read(wire: JsonObject) -> Candle:
    if wire["i"] not in INTERVALS:
        raise ParseError("unsupported interval", wire["i"])
    o, h, l, c, v = [Decimal(number(wire[key])) for key in "ohlcv"]  # noqa: E741 -- names used by the venue
    if not l <= min(o, c) <= max(o, c) <= h:
        raise ParseError("candle prices outside its low-high range", wire)
    return Candle(name(wire["s"]), wire["i"], time_of(wire["t"]), o, h, l, c, v)


def _response(data: JsonObject) -> Sequence[Message]:
    subscription = _subscription(data["subscription"])
    if subscription is None:
        return ()
    return (Ack(subscription, data["method"] == "subscribe"),)


def _subscription(wire: JsonObject) -> Subscription | None:
    kind = _WIRE_TO_KIND.get(wire["type"])
    if kind is None:
        return None
    if kind == "book" and wire.get("fast") is True:
        kind = "fast_book"
    return Subscription(kind, wire.get("coin") or "", wire.get("interval") or "")


def _error(data: object) -> Sequence[Message]:
    text = str(data)
    start = text.find("{")
    subscription = None
    if start >= 0:
        try:
            subscription = _subscription(orjson.loads(text[start:]))
        except _BROKEN:  # an error frame need not name a subscription
            subscription = None
    if subscription and text.startswith("Already subscribed"):
        return (Ack(subscription, subscribed=True),)
    if subscription and text.startswith("Already unsubscribed"):
        return (Ack(subscription, subscribed=False),)
    return (Refusal(text, subscription),)


def _pong(data: object) -> Sequence[Message]:
    return (Pong(),)


_CHANNELS: dict[str, Callable[[Any], Sequence[Message]]] = {
    "bbo": _bbo,
    "activeAssetCtx": _context,
    "activeSpotAssetCtx": _context,
    "allMids": _mids,
    "trades": _trades,
    "l2Book": _book,
    "candle": _candle,
    "subscriptionResponse": _response,
    "error": _error,
    "pong": _pong,
}


# --- responses of POST /info -------------------------------------------------------------------------
def guarded(read: Callable[[], T], source: object) -> T:
    """Call `read`; errors caused by an unexpected structure of `source` become a `ParseError`."""
    try:
        return read()
    except _BROKEN as problem:
        raise ParseError(f"invalid response ({type(problem).__name__})", source) from problem


def response_read(body: bytes, read: Callable[[Any], T]) -> T:
    """Decode a response with `read`. Raises `ParseError`."""
    return guarded(lambda: read(orjson.loads(body)), body[:200])


def candles_read(rows: object) -> tuple[list[Candle], list[ParseError]]:
    """Decode `candleSnapshot`: candles, oldest first, and the errors of invalid rows."""
    return _readable(rows, candle_read)


def trades_read(rows: object) -> tuple[list[Trade], list[ParseError]]:
    """Decode `recentTrades`: trades, oldest first, and the errors of invalid rows."""
    good, bad = _readable(rows, _trade)
    return list(_in_order(good[::-1])), bad


def _readable(rows: object, read: Callable[[Any], T]) -> tuple[list[T], list[ParseError]]:
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    good, bad = [], []
    for row in rows:
        try:
            good.append(read(row))
        except ParseError as problem:
            bad.append(problem)
    return good, bad


def mids_read(response: JsonObject) -> Mids:
    """Decode `allMids`."""
    return Mids({name(coin): number(mid) for coin, mid in response.items()})


def contexts_read(response: list[Any]) -> list[Context]:
    """Decode `metaAndAssetCtxs` and `spotMetaAndAssetCtxs`; instruments that never traded are skipped."""
    meta, contexts = response
    return [
        context_read(name(ctx.get("coin") or meta["universe"][number]["name"]), ctx)
        for number, ctx in enumerate(contexts)
        if ctx["markPx"] is not None
    ]
