"""Hyperliquid codec: recorded frames decode, invalid input is only ever a `ParseError`."""

import contextlib
import gzip
import json
from decimal import Decimal

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from market.domain.errors import ParseError
from market.domain.events import Book, Candle, Context, Mids, Quote, Trade, Trades
from market.domain.instruments import InstrumentRules
from market.domain.session import Ack, Pong, Refusal, Undecodable
from market.domain.subscriptions import Subscription
from market.venues.hyperliquid.codec import (
    HyperliquidCodec,
    book_read,
    candles_read,
    contexts_read,
    frame_decode,
    mids_read,
    response_read,
    trades_read,
)
from market.venues.hyperliquid.instruments import perps_read, spots_read, tokens_read
from tests.market.recordings import recorded

CTX = {
    "funding": "-0.0000125", "openInterest": "688.1", "prevDayPx": "100000.0", "dayNtlVlm": "1169046.2",
    "oraclePx": "100500.0", "markPx": "100510.0", "midPx": None,
}  # fmt: skip
CANDLE = {
    "t": 60_000, "T": 119_999, "s": "BTC", "i": "1m",
    "o": "2.0", "c": "3.0", "h": "3.5", "l": "1.0", "v": "9.5", "n": 3,
}  # fmt: skip
LEVELS = [[{"px": "99.0", "sz": "1.5", "n": 1}], [{"px": "101.0", "sz": "2", "n": 4}]]


def frame(channel, data):
    return json.dumps({"channel": channel, "data": data}).encode()


def decode(channel, data):
    return list(frame_decode(frame(channel, data)))


def wire_trade(coin="BTC", time=5, tid=7, side="B"):
    return {"coin": coin, "side": side, "px": "1.5", "sz": "2", "time": time, "hash": "0x", "tid": tid}


def test_best_bid_and_offer():
    level = {"px": "99.5", "sz": "1", "n": 1}
    assert decode("bbo", {"coin": "BTC", "time": 9, "bbo": [level, None]}) == [Quote("BTC", "99.5", None, 9)]


@pytest.mark.parametrize("channel", ["activeAssetCtx", "activeSpotAssetCtx"])
def test_contexts_of_perps_and_spot(channel):
    (context,) = decode(channel, {"coin": "BTC", "ctx": CTX})
    assert context == Context(
        "BTC", "100510.0", "100000.0", "1169046.2", None, "100500.0", "-0.0000125", "688.1"
    )


def test_trades_are_grouped_by_instrument_and_sorted():
    late, early = wire_trade(time=8, tid=2), wire_trade(time=5, tid=1, side="A")
    assert decode("trades", [late, wire_trade("ETH"), early]) == [
        Trades("BTC", (Trade("BTC", "1.5", "2", "sell", 5, "1"), Trade("BTC", "1.5", "2", "buy", 8, "2"))),
        Trades("ETH", (Trade("ETH", "1.5", "2", "buy", 5, "7"),)),
    ]


@pytest.mark.parametrize("fast", [True, False])
def test_fast_books_are_marked_shallow(fast):
    data = {"coin": "BTC", "time": 4, "levels": LEVELS} | ({"fast": True} if fast else {})
    assert decode("l2Book", data) == [Book("BTC", (("99.0", "1.5"),), (("101.0", "2"),), 4, shallow=fast)]


def test_a_candle():
    assert decode("candle", CANDLE) == [
        Candle("BTC", "1m", 60_000, *map(Decimal, ("2", "3.5", "1", "3", "9.5")))
    ]


def test_mids_pongs_greeting_and_unused_channels():
    assert decode("allMids", {"mids": {"BTC": "1.5"}}) == [Mids({"BTC": "1.5"})]
    assert list(frame_decode(b'{"channel":"pong"}')) == [Pong()]
    assert list(frame_decode(b"Websocket connection established.")) == []
    assert decode("notification", {"notification": "hello"}) == []


SUBSCRIPTIONS = [
    (Subscription("mids"), {"type": "allMids"}),
    (Subscription("quote", "BTC"), {"type": "bbo", "coin": "BTC"}),
    (Subscription("context", "@107"), {"type": "activeAssetCtx", "coin": "@107"}),
    (Subscription("candle", "BTC", "1m"), {"type": "candle", "coin": "BTC", "interval": "1m"}),
    (Subscription("trades", "BTC"), {"type": "trades", "coin": "BTC"}),
    (Subscription("book", "BTC"), {"type": "l2Book", "coin": "BTC"}),
    (Subscription("fast_book", "BTC"), {"type": "l2Book", "coin": "BTC", "fast": True}),
]


@pytest.mark.parametrize(("subscription", "wire"), SUBSCRIPTIONS)
def test_subscriptions_and_their_acks_round_trip(subscription, wire):
    codec = HyperliquidCodec()
    assert json.loads(codec.subscribe(subscription)) == {"method": "subscribe", "subscription": wire}
    assert json.loads(codec.unsubscribe(subscription))["method"] == "unsubscribe"
    echo = wire | {"nSigFigs": None, "mantissa": None}
    for method in ("subscribe", "unsubscribe"):
        answer = codec.decode(frame("subscriptionResponse", {"method": method, "subscription": echo}))
        assert list(answer) == [Ack(subscription, method == "subscribe")]
    assert json.loads(codec.ping()) == {"method": "ping"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'Already subscribed: {"type":"bbo","coin":"BTC"}',
            Ack(Subscription("quote", "BTC"), subscribed=True),
        ),
        ('Already unsubscribed: {"type":"allMids"}', Ack(Subscription("mids"), subscribed=False)),
        ('Invalid subscription {"type":"bbo","coin":"X"}', Refusal("", Subscription("quote", "X"))),
        ('Invalid subscription {"type":"userFills","user":"0x"}', Refusal("")),
        ("Cannot track more than 10 total users.", Refusal("")),
        ("Error parsing JSON into valid websocket request: {broken", Refusal("")),
        ("Already subscribed: nonsense", Refusal("")),
    ],
)
def test_error_frames_name_the_rejected_subscription(text, message):
    (said,) = decode("error", text)
    assert said == (Refusal(text, message.subscription) if isinstance(message, Refusal) else message)


def broken_frames():
    level = {"px": "1", "sz": "1"}
    yield from (
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'{"channel":["a"]}',
        b"\xff\xfe",
        b'{"data":{}}',
        b"[" * 5000,
    )
    for price in ("NaN", "-1", "1e5", "", " 1", "1.", ".5", None, 1.5, True, "٣", "Infinity", "1" * 99):
        yield frame("bbo", {"coin": "BTC", "time": 1, "bbo": [{"px": price, "sz": "1"}, level]})
    for time in (-1, 1.5, "1", None, True, 1 << 60):
        yield frame("bbo", {"coin": "BTC", "time": time, "bbo": [level, level]})
    yield frame("bbo", {"coin": "", "time": 1, "bbo": [level, level]})
    yield frame("bbo", {"coin": "BTC", "time": 1, "bbo": [level]})
    yield frame("candle", CANDLE | {"i": "7m"})
    yield frame("candle", CANDLE | {"l": "2.5"})
    yield frame("candle", CANDLE | {"h": "2.5"})
    yield frame("trades", [wire_trade(side="C")])
    yield frame("trades", [wire_trade(tid="7")])
    yield frame("trades", {"coin": "BTC"})
    yield frame("l2Book", {"coin": "BTC", "time": 1, "levels": [[]]})
    yield frame("activeAssetCtx", {"coin": "BTC", "ctx": CTX | {"markPx": None}})
    yield frame("allMids", {"mids": []})
    yield frame("subscriptionResponse", {"method": "subscribe"})


@pytest.mark.parametrize("junk", list(broken_frames()))
def test_a_broken_frame_is_a_parse_error(junk):
    try:
        rows = frame_decode(junk)
    except ParseError:
        return
    assert rows
    assert all(isinstance(row, Undecodable) for row in rows)  # of a list with one row


def test_a_parse_error_contains_only_the_beginning_of_the_data():
    with pytest.raises(ParseError) as caught:
        frame_decode(b"x" * 10_000)
    assert len(str(caught.value)) < 250


numbers = st.one_of(
    st.decimals().map(str), st.floats().map(str), st.text(max_size=4), st.none(), st.integers()
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
channels = st.sampled_from(
    [
        "bbo",
        "trades",
        "l2Book",
        "candle",
        "allMids",
        "activeAssetCtx",
        "subscriptionResponse",
        "error",
        "pong",
        "x",
    ]
)
KNOWN = [
    {"coin": "BTC", "time": 1, "bbo": [{"px": "1", "sz": "1"}, {"px": "2", "sz": "1"}]},
    {"coin": "BTC", "time": 1, "levels": LEVELS},
    {"coin": "BTC", "ctx": CTX},
    {"mids": {"BTC": "1"}},
    CANDLE,
    wire_trade(),
    {"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}},
]


@given(channels, st.one_of(anything, st.lists(anything, max_size=3)))
def test_any_json_is_decoded_or_a_parse_error(channel, data):
    with contextlib.suppress(ParseError):
        frame_decode(frame(channel, data))


@given(channels, st.sampled_from(KNOWN), st.data())
def test_a_frame_with_one_changed_field_is_decoded_or_a_parse_error(channel, data, draw):
    key = draw.draw(st.sampled_from(sorted(data)))
    changed = data | {key: draw.draw(numbers | anything)}
    with contextlib.suppress(ParseError):
        frame_decode(frame(channel, [changed] if channel == "trades" else changed))


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_a_parse_error(junk):
    with contextlib.suppress(ParseError):
        frame_decode(junk)


# --- /info -----------------------------------------------------------------------------------------
def test_invalid_rows_are_skipped_and_reported():
    rows = response_read(orjson.dumps([CANDLE, CANDLE | {"h": "0"}, None]), candles_read)
    assert ([c.open_time for c in rows], len(rows.rejected)) == ([60_000], 2)
    with pytest.raises(ParseError):
        response_read(b'{"error":"x"}', candles_read)
    with pytest.raises(ParseError):
        response_read(b"<html>", candles_read)


def test_recent_trades_are_sorted_oldest_first():
    rows = [wire_trade(time=9, tid=3), wire_trade(time=5, tid=2), wire_trade(time=5, tid=1)]
    trades = response_read(orjson.dumps(rows), trades_read)
    assert ([t.id for t in trades], trades.rejected) == (["1", "2", "3"], ())


def test_contexts_are_named_by_the_universe_or_by_their_coin():
    meta = {"universe": [{"name": "BTC"}, {"name": "ETH"}]}
    never_traded = CTX | {"markPx": None}
    assert [c.symbol for c in contexts_read([meta, [CTX, never_traded]])] == ["BTC"]
    assert [c.symbol for c in contexts_read([meta, [CTX | {"coin": "@1"}]])] == ["@1"]


def test_perpetuals_get_the_rules_of_the_venue():
    meta = {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
            {"name": "km:US500", "szDecimals": 3, "maxLeverage": 20, "isDelisted": True},
        ],
        "collateralToken": 360,
    }
    bitcoin, index = perps_read("v", meta, {360: {"name": "USDH"}})
    assert bitcoin.rules == InstrumentRules.from_decimals(5, 1, 5, Decimal(10))
    assert (bitcoin.base, bitcoin.quote, bitcoin.max_leverage, bitcoin.trading) == ("BTC", "USDH", 40, True)
    assert (index.symbol, index.base, index.trading) == ("km:US500", "US500", False)


def test_spot_pairs_keep_the_venues_names():
    meta = {
        "tokens": [
            {"index": 0, "name": "USDC", "szDecimals": 8},
            {"index": 1, "name": "PURR", "szDecimals": 0},
            {"index": 150, "name": "HYPE", "szDecimals": 2},
        ],
        "universe": [
            {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
            {"name": "@107", "tokens": [150, 0], "index": 107},
        ],
    }
    purr, hype = spots_read("v", meta)
    assert (purr.symbol, purr.base, purr.quote, purr.kind) == ("PURR/USDC", "PURR", "USDC", "spot")
    assert (hype.symbol, hype.base) == ("@107", "HYPE")
    assert hype.rules == InstrumentRules.from_decimals(2, 6, 5, Decimal(10))


@pytest.mark.parametrize(
    "wire", [{"name": "a b", "szDecimals": 1}, {"name": "A", "szDecimals": 9}, {"name": "A"}]
)
def test_an_invalid_instrument_is_left_out_and_reported(wire):
    meta = {"universe": [wire, {"name": "BTC", "szDecimals": 5}]}
    instruments = response_read(orjson.dumps(meta), lambda meta: perps_read("v", meta))
    assert [instrument.symbol for instrument in instruments] == ["BTC"]
    assert len(instruments.rejected) == 1


# --- recorded markets --------------------------------------------------------------------------------
READERS = {
    "meta": lambda answer: perps_read("v", answer),
    "allMids": lambda answer: [mids_read(answer)],
    "l2Book": lambda answer: [book_read(answer)],
    "candleSnapshot": lambda answer: candles_read(answer),
}


def test_the_recorded_sdk_conversations_decode():
    decoded = {}
    for path in recorded("fixtures/hyperliquid_sdk_cassettes/*.yaml"):
        for exchange in yaml.safe_load(path.read_text())["interactions"]:
            kind = json.loads(exchange["request"]["body"])["type"]
            if kind in READERS:
                answer = response_read(exchange["response"]["body"]["string"].encode(), READERS[kind])
                decoded[kind] = len(list(answer))
    assert decoded.keys() == READERS.keys()
    assert decoded["meta"] > 20
    assert decoded["candleSnapshot"] > 10


def test_the_recorded_messages_of_every_channel_decode():
    (path,) = recorded("fixtures/tardis_messages/hyperliquid.jsonl")
    kinds = set()
    for line in path.read_text().splitlines():
        events = frame_decode(orjson.dumps(json.loads(line)["message"]))
        assert events
        kinds |= {type(event) for event in events}
    assert kinds == {Trades, Book, Context, Quote}


def test_the_recorded_session_decodes():
    seen = []
    for path in recorded("ws/hftbacktest/hyperliquid/*.log.gz"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            seen += frame_decode(line.partition(b" ")[2])
    assert len(seen) >= 30
    assert {type(event) for event in seen} == {Book, Trades}


def test_the_recorded_examples_decode():
    folder = {path.name: path.read_bytes() for path in recorded("fixtures/nautilus_examples/hyperliquid/*")}
    assert frame_decode(folder["ws_allmids.json"])[0].mids["@142"] == "80907.5"
    assert len(response_read(folder["ws_book_data.json"], book_read).bids) == 5
    trades = response_read(folder["http_recent_trades_btc.json"], trades_read)
    assert [t.time for t in trades] == sorted(t.time for t in trades)
    assert not trades.rejected
    spot = json.loads(folder["http_spot_meta_non_usdc_collateral.json"])
    metas = json.loads(folder["http_all_perp_metas_non_usdc_collateral.json"])
    quotes = [i.quote for meta in metas for i in perps_read("v", meta, tokens_read(spot))]
    assert quotes[:3] == ["USDC", "USDH", "USDE"]
    assert len(response_read(folder["http_meta_perp_sample.json"], lambda meta: perps_read("v", meta))) == 3


def test_the_recorded_list_of_everything_decodes():
    (path,) = recorded("assets/hyperliquid_metaAndAssetCtxs_20260310.json.gz")
    answer = json.loads(gzip.decompress(path.read_bytes()))
    instruments = perps_read("v", answer[0])
    contexts = contexts_read(answer)
    assert len(instruments) > 150
    assert len(contexts) > 100
    for context in contexts:
        assert Decimal(context.mark) >= 0
