"""Sessions without sockets: what is answered to what is said, and who is told what when."""

import base64
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.simulator.faults import BadFault, Fault, Faults, fault_parse
from market.simulator.limits import LENIENT, Account, Limits, Window, info_weight
from market.simulator.streams import Session, Streams
from tests.market.simulator.conftest import NOW, small_world


class Line:
    """A venue with one session on a fake clock."""

    def __init__(self, limits=LENIENT):
        self.world = small_world()
        self.faults = Faults(self.world)
        self.streams = Streams(self.world, limits, self.faults)
        self.raw = []
        self.account = Account()
        self.session = Session(self.raw.append, self.account, NOW)
        self.streams.open(self.session)

    @property
    def now(self):
        return self.world.now

    def say(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        self.streams.receive(self.session, text, self.now)
        return self.heard()

    def subscribe(self, **subscription):
        return self.say({"method": "subscribe", "subscription": subscription})

    def heard(self):
        frames = [json.loads(frame) for frame in self.raw]
        self.raw.clear()
        return frames

    def live(self, seconds):
        for _ in range(int(seconds * 10)):
            self.streams.publish(self.world.step(self.now + 100), self.now)
        return self.heard()


def channels(frames):
    return [frame["channel"] for frame in frames]


def test_a_subscription_is_repeated_with_its_defaults_and_the_present_follows():
    acknowledged, first = Line().subscribe(type="l2Book", coin="BTC")
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
    assert Line().say({"method": "ping"}) == [{"channel": "pong"}]


@pytest.mark.parametrize("text", ["", "hello", "[]", "7", "null", '{"method":"dance"}', '{"method":7}', "{"])
def test_what_is_not_a_request_is_an_error_that_repeats_it(text):
    [frame] = Line().say(text)
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
    [frame] = Line().say({"method": "subscribe", "subscription": subscription})
    assert frame["channel"] == "error"
    assert frame["data"].startswith("Invalid subscription ")


def test_subscribing_and_leaving_twice_are_errors():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    [again] = line.subscribe(type="bbo", coin="BTC")
    assert again["data"] == 'Already subscribed: {"type":"bbo","coin":"BTC"}'
    leave = {"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}}
    [left] = line.say(leave)
    assert left["data"]["method"] == "unsubscribe"
    assert line.say(leave)[0]["data"].startswith("Already unsubscribed: ")
    assert line.live(3) == []


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
    line = Line()
    line.subscribe(**subscription)
    frames = line.live(seconds)
    assert least <= len(frames) <= most
    assert set(channels(frames)) == {subscription["type"]}


def test_a_fast_book_is_five_levels_and_says_so():
    line = Line()
    _, first = line.subscribe(type="l2Book", coin="BTC", fast=True)
    assert first["data"]["fast"] is True
    assert [len(side) for side in first["data"]["levels"]] == [5, 5]


def test_fast_contexts_are_whole_first_and_then_changes():
    line = Line()
    _, first = line.subscribe(type="fastAssetCtxs")
    whole = json.loads(zlib.decompress(base64.b64decode(first["data"]), wbits=-15))
    assert set(whole) == set(line.world.markets)
    assert set(whole["BTC"]) == {"markPx", "midPx"}
    later = [
        json.loads(zlib.decompress(base64.b64decode(frame["data"]), wbits=-15)) for frame in line.live(5)
    ]
    assert min(map(len, later)) < len(whole)


def test_equal_subscriptions_share_one_encoded_frame():
    line = Line()
    other = []
    second = Session(other.append, Account(), NOW)
    line.streams.open(second)
    line.subscribe(type="bbo", coin="BTC")
    line.streams.receive(second, '{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}', NOW)
    del other[:]
    line.streams.publish(line.world.step(NOW + 5000), NOW + 5000)
    assert line.raw
    assert all(mine is theirs for mine, theirs in zip(line.raw, other, strict=True))


def test_a_post_asks_info_over_the_socket():
    line = Line()
    request = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
    [frame] = line.say({"method": "post", "id": 12, "request": request})
    assert frame["data"]["id"] == 12
    assert frame["data"]["response"]["type"] == "info"
    assert frame["data"]["response"]["payload"]["type"] == "l2Book"
    assert frame["data"]["response"]["payload"]["data"]["coin"] == "BTC"
    [wrong] = line.say({"method": "post", "id": 13, "request": {"type": "info", "payload": {"type": "x"}}})
    assert wrong["data"]["response"]["type"] == "error"


def test_a_session_that_hears_nothing_for_a_minute_is_idle():
    line = Line()
    assert line.streams.idle(NOW + 59_999) == []
    assert line.streams.idle(NOW + 60_000) == [line.session]
    line.world.now = NOW + 59_000
    line.say({"method": "ping"})
    assert line.streams.idle(NOW + 60_000) == []


def test_a_closed_session_is_told_nothing():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    line.streams.close(line.session)
    line.streams.close(line.session)
    assert line.live(3) == []
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
    line = Line()
    for message in messages:
        assert line.say(message)
    line.live(0.2)


# --- limits ------------------------------------------------------------------------------------
def test_subscriptions_over_the_limit_are_refused():
    line = Line(Limits(subscriptions=2))
    line.subscribe(type="bbo", coin="BTC")
    line.subscribe(type="bbo", coin="ETH")
    [frame] = line.subscribe(type="bbo", coin="DOGE")
    assert frame["channel"] == "error"
    assert "2" in frame["data"]


def test_messages_over_the_limit_are_refused_until_a_minute_has_passed():
    line = Line(Limits(messages_per_minute=3))
    assert channels([line.say({"method": "ping"})[0] for _ in range(4)]) == ["pong"] * 3 + ["error"]
    line.world.now += 60_001
    assert channels(line.say({"method": "ping"})) == ["pong"]


def test_posts_over_the_limit_are_refused():
    line = Line(Limits(pending_posts=1))
    post = {"method": "post", "id": 5, "request": {"type": "info", "payload": {"type": "exchangeStatus"}}}
    assert channels(line.say(post)) == ["post"]
    assert line.say(post) == [{"channel": "error", "data": "too many pending post requests id=5"}]


@pytest.mark.parametrize(
    ("kind", "rows", "weight"),
    [("l2Book", 0, 2), ("allMids", 0, 2), ("userRole", 0, 60), ("meta", 0, 20), ("candleSnapshot", 600, 30)],
)
def test_requests_weigh_as_documented(kind, rows, weight):
    assert info_weight(kind, [None] * rows) == weight


def test_a_window_forgets_after_a_minute():
    window = Window()
    window.spend(5, NOW)
    assert not window.allows(5, NOW + 59_999)
    assert window.allows(5, NOW + 60_000)
    assert window.allows(None, NOW)


# --- faults ------------------------------------------------------------------------------------
def test_a_gap_drops_frames_of_its_coin_only():
    line = Line()
    for coin in ("BTC", "ETH"):
        line.subscribe(type="bbo", coin=coin)
    line.faults.begin(Fault("gap", coin="BTC", seconds=60, count=1000), NOW)
    assert {frame["data"]["coin"] for frame in line.live(5)} == {"ETH"}


def test_a_gap_ends_after_its_count():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    line.faults.begin(Fault("gap", seconds=60, count=3), NOW)
    plain = Line()
    plain.subscribe(type="bbo", coin="BTC")
    assert line.live(10) == plain.live(10)[3:]


def test_half_open_says_nothing_not_even_pong():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    line.faults.begin(Fault("half_open", seconds=5), NOW)
    assert line.say({"method": "ping"}) == []
    assert line.live(4) == []
    assert line.live(5)


def test_a_stale_coin_keeps_its_time_and_levels():
    line = Line()
    for coin in ("BTC", "ETH"):
        line.subscribe(type="l2Book", coin=coin, fast=True)
    line.faults.begin(Fault("stale", coin="BTC", seconds=5), NOW)
    frames = [frame["data"] for frame in line.live(4)]
    btc, eth = ([frame for frame in frames if frame["coin"] == coin] for coin in ("BTC", "ETH"))
    assert {frame["time"] for frame in btc} == {NOW}
    assert len({frame["time"] for frame in eth}) > 5
    assert {frame["data"]["time"] for frame in line.live(4)} > {NOW + 5000}


def test_an_empty_side_is_null_and_has_no_middle():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    line.subscribe(type="activeAssetCtx", coin="BTC")
    line.faults.begin(Fault("empty_side", coin="BTC", seconds=3, side="ask"), NOW)
    frames = line.live(2)
    assert all(frame["data"]["bbo"][1] is None for frame in frames if frame["channel"] == "bbo")
    assert "bbo" in channels(frames)
    assert {f["data"]["ctx"]["midPx"] for f in frames if f["channel"] == "activeAssetCtx"} == {None}
    line.live(2)
    assert all(None not in frame["data"]["bbo"] for frame in line.live(2) if frame["channel"] == "bbo")


def test_malformed_and_duplicate_frames():
    line = Line()
    line.subscribe(type="allMids")
    line.faults.begin(Fault("malformed", count=1), NOW)
    line.streams.publish(line.world.step(NOW + 1000), NOW + 1000)
    [broken] = line.raw
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)
    line.raw.clear()
    line.faults.begin(Fault("duplicate", count=1), NOW + 1000)
    line.streams.publish(line.world.step(NOW + 2000), NOW + 2000)
    assert len(line.raw) == 2
    assert line.raw[0] == line.raw[1]


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"kind": "fire"}, {"kind": "gap", "coin": "NOSUCH"}, {"kind": "gap", "count": 0},
        {"kind": "gap", "seconds": "x"}, {"kind": "gap", "seconds": True}, {"kind": "gap", "extra": 1},
        {"kind": "disconnect", "code": 1234}, {"kind": "empty_side", "side": "both"}, {"kind": ["gap"]},
    ],
)  # fmt: skip
def test_a_wrong_fault_is_refused(body):
    with pytest.raises(BadFault):
        fault_parse(body, small_world().markets)


def test_faults_can_be_cleared_at_once():
    line = Line()
    line.subscribe(type="bbo", coin="BTC")
    for kind in ("half_open", "stale", "gap"):
        line.faults.begin(Fault(kind, seconds=600), NOW)
    assert {row["kind"] for row in line.faults.listing(NOW)} == {"half_open", "gap"}
    line.faults.clear()
    assert line.live(2)
