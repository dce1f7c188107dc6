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
from market.domain.session import Ack, Message, Pong, Refusal, Undecodable
from market.domain.subscriptions import StreamKind, Subscription
from market.venues.hyperliquid.parsing import SIDES, JsonObject, name, number, signed, time_of
from market.venues.rows import BROKEN, Rows, rows_decode

GREETING = b"Websocket connection established."
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
    except BROKEN as problem:
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
    mids, bad = _mids_read(data["mids"])
    return (mids, *map(Undecodable, bad))


def _mids_read(mids: JsonObject) -> tuple[Mids, tuple[ParseError, ...]]:
    rows = rows_decode(list(mids.items()), lambda item: (name(item[0]), number(item[1])))
    return Mids(dict(rows)), rows.rejected


def _trade(wire: JsonObject) -> Trade:
    tid = wire["tid"]
    if type(tid) is not int:
        raise ParseError("not a trade id", tid)
    side = SIDES[wire["side"]]
    return Trade(
        name(wire["coin"]), number(wire["px"]), number(wire["sz"]), side, time_of(wire["time"]), str(tid)
    )


def _trades(data: list[JsonObject]) -> Sequence[Message]:
    rows = rows_decode(data, _trade)
    by_symbol: dict[str, list[Trade]] = {}
    for trade in rows:
        by_symbol.setdefault(trade.symbol, []).append(trade)
    # The first frame after a subscribe holds recent trades, not always in order.
    good = [Trades(symbol, _in_order(trades)) for symbol, trades in by_symbol.items()]
    return [*good, *map(Undecodable, rows.rejected)]


def _in_order(trades: Sequence[Trade]) -> tuple[Trade, ...]:
    return tuple(sorted(trades, key=lambda trade: trade.time))


def _levels(side: list[JsonObject]) -> Rows[Level]:
    return rows_decode(side, lambda level: (number(level["px"]), number(level["sz"])))


def _book(data: JsonObject) -> Sequence[Message]:
    book, bad = _book_read(data)
    return (book, *map(Undecodable, bad))


def book_read(data: JsonObject) -> Book:
    """Decode a book without the levels that cannot be decoded."""
    return _book_read(data)[0]


def _book_read(data: JsonObject) -> tuple[Book, tuple[ParseError, ...]]:
    bids, asks = map(_levels, data["levels"])
    shallow = data.get("fast") is True
    book = Book(name(data["coin"]), tuple(bids), tuple(asks), time_of(data["time"]), shallow)
    return book, (*bids.rejected, *asks.rejected)


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
        except BROKEN:  # an error frame need not name a subscription
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
    except BROKEN as problem:
        raise ParseError(f"invalid response ({type(problem).__name__})", source) from problem


def response_read(body: bytes, read: Callable[[Any], T]) -> T:
    """Decode a response with `read`. Raises `ParseError`."""
    return guarded(lambda: read(orjson.loads(body)), body[:200])


def candles_read(rows: object) -> Rows[Candle]:
    """Decode `candleSnapshot`: candles, oldest first."""
    return rows_decode(rows, candle_read)


def trades_read(rows: object) -> Rows[Trade]:
    """Decode `recentTrades`: trades, oldest first."""
    decoded = rows_decode(rows, _trade)
    return Rows(_in_order(decoded[::-1]), decoded.rejected)


def mids_read(response: JsonObject) -> Mids:
    """Decode `allMids` without the entries that cannot be decoded."""
    return _mids_read(response)[0]


def contexts_read(response: list[Any]) -> Rows[Context]:
    """Decode `metaAndAssetCtxs` and `spotMetaAndAssetCtxs`; instruments that never traded are skipped."""
    meta, contexts = response
    universe = meta["universe"]
    decoded = rows_decode(list(enumerate(contexts)), lambda row: _context_row(universe, *row))
    return Rows([context for context in decoded if context is not None], decoded.rejected)


def _context_row(universe: list[Any], number: int, ctx: JsonObject) -> Context | None:
    if ctx["markPx"] is None:
        return None
    return context_read(name(ctx.get("coin") or universe[number]["name"]), ctx)
