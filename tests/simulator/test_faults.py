"""Rate limits and injected faults of streams, with a fake clock."""

import json

import pytest

from simulator.hyperliquid.faults import BadFault, Fault, fault_parse
from simulator.hyperliquid.limits import VenueLimits, Window, info_weight
from tests.simulator.conftest import NOW, StreamClient, channels, small_world


# --- limits ------------------------------------------------------------------------------------
def test_subscriptions_over_the_limit_are_refused():
    line = StreamClient(VenueLimits(subscriptions=2))
    line.subscribe(type="bbo", coin="BTC")
    line.subscribe(type="bbo", coin="ETH")
    [frame] = line.subscribe(type="bbo", coin="DOGE")
    assert frame["channel"] == "error"
    assert "2" in frame["data"]


def test_messages_over_the_limit_are_refused_until_a_minute_has_passed():
    line = StreamClient(VenueLimits(messages_per_minute=3))
    assert channels([line.say({"method": "ping"})[0] for _ in range(4)]) == ["pong"] * 3 + ["error"]
    line.world.now += 60_001
    assert channels(line.say({"method": "ping"})) == ["pong"]


def test_posts_over_the_limit_are_refused():
    line = StreamClient(VenueLimits(pending_posts=1))
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
    line = StreamClient()
    for coin in ("BTC", "ETH"):
        line.subscribe(type="bbo", coin=coin)
    line.faults.begin(Fault("gap", coin="BTC", seconds=60, count=1000), NOW)
    assert {frame["data"]["coin"] for frame in line.run(5)} == {"ETH"}


def test_a_gap_ends_after_its_count():
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    line.faults.begin(Fault("gap", seconds=60, count=3), NOW)
    plain = StreamClient()
    plain.subscribe(type="bbo", coin="BTC")
    assert line.run(10) == plain.run(10)[3:]


def test_half_open_sends_nothing_not_even_pong():
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    line.faults.begin(Fault("half_open", seconds=5), NOW)
    assert line.say({"method": "ping"}) == []
    assert line.run(4) == []
    assert line.run(5)


def test_a_stale_coin_keeps_its_time_and_levels():
    line = StreamClient()
    for coin in ("BTC", "ETH"):
        line.subscribe(type="l2Book", coin=coin, fast=True)
    line.faults.begin(Fault("stale", coin="BTC", seconds=5), NOW)
    frames = [frame["data"] for frame in line.run(4)]
    btc, eth = ([frame for frame in frames if frame["coin"] == coin] for coin in ("BTC", "ETH"))
    assert {frame["time"] for frame in btc} == {NOW}
    assert len({frame["time"] for frame in eth}) > 5
    assert {frame["data"]["time"] for frame in line.run(4)} > {NOW + 5000}


def test_an_empty_side_is_null_and_has_no_middle():
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    line.subscribe(type="activeAssetCtx", coin="BTC")
    line.faults.begin(Fault("empty_side", coin="BTC", seconds=3, side="ask"), NOW)
    frames = line.run(2)
    assert all(frame["data"]["bbo"][1] is None for frame in frames if frame["channel"] == "bbo")
    assert "bbo" in channels(frames)
    assert {f["data"]["ctx"]["midPx"] for f in frames if f["channel"] == "activeAssetCtx"} == {None}
    line.run(2)
    assert all(None not in frame["data"]["bbo"] for frame in line.run(2) if frame["channel"] == "bbo")


def test_malformed_and_duplicate_frames():
    line = StreamClient()
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
    line = StreamClient()
    line.subscribe(type="bbo", coin="BTC")
    for kind in ("half_open", "stale", "gap"):
        line.faults.begin(Fault(kind, seconds=600), NOW)
    assert {row["kind"] for row in line.faults.listing(NOW)} == {"half_open", "gap"}
    line.faults.clear()
    assert line.run(2)
