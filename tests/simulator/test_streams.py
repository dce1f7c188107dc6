"""Stream sessions without sockets: responses, subscriptions and publication."""

import base64
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.hyperliquid.limits import ClientLimits
from simulator.hyperliquid.streams import Session
from tests.simulator.conftest import NOW, StreamClient, channels


def test_a_subscription_is_confirmed_with_its_defaults_and_a_snapshot_follows():
    acknowledged, first = StreamClient().subscribe(type="l2Book", coin="BTC")
    assert acknowledged == {
        "channel": "subscriptionResponse",
        "data": {
            "method": "subscribe",
            "subscription": {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None},
        },
    }
    assert first["channel"] == "l2Book"
    assert len(first["data"]["levels"][0]) == 20


def test_a_ping_is_answered():
    assert StreamClient().say({"method": "ping"}) == [{"channel": "pong"}]


@pytest.mark.parametrize("text", ["", "hello", "[]", "7", "null", '{"method":"dance"}', '{"method":7}', "{"])
def test_a_malformed_request_is_an_error_that_repeats_it(text):
    [frame] = StreamClient().say(text)
    assert frame == {"channel": "error", "data": f"Error parsing JSON into valid websocket request: {text}"}


@pytest.mark.parametrize(
    "subscription",
    [
        None, 5, {}, {"type": "nonsense"}, {"type": "bbo"}, {"type": "bbo", "coin": "NOSUCH"},
        {"type": "candle", "coin": "BTC"}, {"type": "candle", "coin": "BTC", "interval": "7m"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 9}, {"type": "allMids", "dex": "xyz"},
        {"type": "userFills", "user": "0x0"},
    ],
)  # fmt: skip
def test_a_wrong_subscription_is_refused(subscription):
    [frame] = StreamClient().say({"method": "subscribe", "subscription": subscription})
    assert frame["channel"] == "error"
    assert frame["data"].startswith("Invalid subscription ")


def test_subscribing_and_leaving_twice_are_errors():
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    [again] = line.subscribe(type="bbo", coin="BTC")
    assert again["data"] == 'Already subscribed: {"type":"bbo","coin":"BTC"}'
    leave = {"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}}
    [left] = line.say(leave)
    assert left["data"]["method"] == "unsubscribe"
    assert line.say(leave)[0]["data"].startswith("Already unsubscribed: ")
    assert line.run(3) == []


@pytest.mark.parametrize(
    ("subscription", "seconds", "least", "most"),
    [
        ({"type": "allMids"}, 10, 10, 11),
        ({"type": "activeAssetCtx", "coin": "ETH"}, 10, 10, 11),
        ({"type": "l2Book", "coin": "ETH", "fast": True}, 10, 20, 21),
        ({"type": "l2Book", "coin": "ETH"}, 20, 4, 5),
        ({"type": "bbo", "coin": "ETH"}, 20, 20, 200),
        ({"type": "trades", "coin": "BTC"}, 20, 20, 200),
        ({"type": "candle", "coin": "BTC", "interval": "1m"}, 20, 20, 200),
        ({"type": "assetCtxs"}, 10, 10, 11),
        ({"type": "allDexsAssetCtxs"}, 10, 10, 11),
        ({"type": "spotAssetCtxs"}, 10, 10, 11),
        ({"type": "fastAssetCtxs"}, 10, 8, 11),
    ],
)
def test_each_stream_has_the_venues_cadence(subscription, seconds, least, most):
    line = StreamClient()
    line.subscribe(**subscription)
    frames = line.run(seconds)
    assert least <= len(frames) <= most
    assert set(channels(frames)) == {subscription["type"]}


def test_a_fast_book_has_five_levels_and_a_fast_flag():
    line = StreamClient()
    _, first = line.subscribe(type="l2Book", coin="BTC", fast=True)
    assert first["data"]["fast"] is True
    assert [len(side) for side in first["data"]["levels"]] == [5, 5]


def test_fast_contexts_are_whole_first_and_then_changes():
    line = StreamClient()
    _, first = line.subscribe(type="fastAssetCtxs")
    whole = json.loads(zlib.decompress(base64.b64decode(first["data"]), wbits=-15))
    assert set(whole) == set(line.world.markets)
    assert set(whole["BTC"]) == {"markPx", "midPx"}
    later = [json.loads(zlib.decompress(base64.b64decode(frame["data"]), wbits=-15)) for frame in line.run(5)]
    assert min(map(len, later)) < len(whole)


def test_equal_subscriptions_share_one_encoded_frame():
    line = StreamClient()
    other = []
    second = Session(other.append, ClientLimits(), NOW)
    line.streams.open(second)
    line.subscribe(type="bbo", coin="BTC")
    line.streams.receive(second, '{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}', NOW)
    del other[:]
    line.streams.publish(line.world.step(NOW + 5000), NOW + 5000)
    assert line.raw
    assert all(first is second for first, second in zip(line.raw, other, strict=True))


def test_a_post_asks_info_over_the_socket():
    line = StreamClient()
    request = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
    [frame] = line.say({"method": "post", "id": 12, "request": request})
    assert frame["data"]["id"] == 12
    assert frame["data"]["response"]["type"] == "info"
    assert frame["data"]["response"]["payload"]["type"] == "l2Book"
    assert frame["data"]["response"]["payload"]["data"]["coin"] == "BTC"
    [wrong] = line.say({"method": "post", "id": 13, "request": {"type": "info", "payload": {"type": "x"}}})
    assert wrong["data"]["response"]["type"] == "error"


def test_a_session_without_frames_for_a_minute_is_idle():
    line = StreamClient()
    assert line.streams.idle(NOW + 59_999) == []
    assert line.streams.idle(NOW + 60_000) == [line.session]
    line.world.now = NOW + 59_000
    line.say({"method": "ping"})
    assert line.streams.idle(NOW + 60_000) == []


def test_a_closed_session_receives_nothing():
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    line.streams.close(line.session)
    line.streams.close(line.session)
    assert line.run(3) == []
    assert line.account.subscriptions == 0


MESSAGES = st.text(max_size=40) | st.builds(
    lambda method, body: json.dumps({"method": method, **body}),
    st.sampled_from(["subscribe", "unsubscribe", "post", "ping", "x"]),
    st.dictionaries(
        st.sampled_from(["subscription", "id", "request"]),
        st.none()
        | st.integers()
        | st.dictionaries(
            st.sampled_from(["type", "coin", "interval", "nSigFigs", "payload", "fast"]),
            st.sampled_from(["bbo", "BTC", "candle", "l2Book", "1m", "info", 5, None, [], {}, True]),
            max_size=4,
        ),
        max_size=3,
    ),
)


@given(st.lists(MESSAGES, max_size=10))
@settings(max_examples=100, deadline=None)
def test_no_message_breaks_a_session(messages):
    line = StreamClient()
    for message in messages:
        assert line.say(message)
    line.run(0.2)
