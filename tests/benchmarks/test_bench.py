"""Tests of the benchmarks: statistics, client protocols, result documents, and a short run of each benchmark."""

import itertools
import json
import os
from decimal import Decimal
from statistics import pstdev

import orjson
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode

from benchmarks import bots, bots_feed, fanout, frames, report
from benchmarks.client_protocols import Frames, HubDialect, PlainDialect, Position, plain_message
from benchmarks.payloads import Load, body, due_time
from benchmarks.report import Histogram, Options, median_of, ratio

# --- frames ------------------------------------------------------------------------------------------
PAYLOADS = st.lists(st.binary(max_size=300) | st.integers(65_530, 65_540).map(bytes), max_size=6)


def from_server(payload, opcode=Opcode.TEXT):
    return LibraryFrame(opcode, payload).serialize(mask=False)


@given(PAYLOADS, st.lists(st.integers(0, 200_000), max_size=8))
def test_frames_are_parsed_from_any_chunks_of_bytes(payloads, cuts):
    stream = b"".join(map(from_server, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = frames.FrameReader()
    found = [frame for a, b in itertools.pairwise(edges) for frame in reader.feed(stream[a:b])]
    assert found == [(frames.TEXT, payload) for payload in payloads]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_client_frames_are_masked_and_have_the_right_length(size):
    frame = frames.client_frame(frames.TEXT, b"x" * size)
    unmasked = bytes([frame[0], frame[1] & 0x7F]) + frame[2:].replace(bytes(4) + b"x" * size, b"x" * size)
    assert frame[1] & 0x80
    assert frames.FrameReader().feed(unmasked) == [(frames.TEXT, b"x" * size)]


@pytest.mark.parametrize("head", [b"\x01\x01", b"\x81\x81"])
def test_fragmented_and_masked_frames_are_refused(head):
    with pytest.raises(frames.FrameError):
        frames.FrameReader().feed(head + b"x")


def test_a_handshake_ends_with_a_blank_line():
    assert frames.after_handshake(b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n") is None
    assert frames.after_handshake(b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\nmore") == b"more"
    with pytest.raises(frames.FrameError, match="403"):
        frames.after_handshake(b"HTTP/1.1 403 Forbidden\r\n\r\n")


def test_a_close_frame_without_a_code_is_1005():
    assert frames.close_code((1013).to_bytes(2, "big") + b"slow") == 1013
    assert frames.close_code(b"") == 1005


# --- statistics --------------------------------------------------------------------------------------
def test_percentiles_are_the_smallest_times_that_cover_their_share():
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds * 1_000_000)
    assert histogram.percentiles((0.5, 0.99, 1.0)) == [50.01, 99.01, 100.01]


def test_percentiles_count_every_time():
    histogram = Histogram()
    histogram.add(1_000_000, times=999)
    histogram.add(500_000_000)
    assert histogram.percentiles((0.5, 0.999, 0.9999)) == [1.01, 1.01, 500.01]


def test_percentiles_of_an_empty_histogram_are_none():
    assert Histogram().percentiles((0.5, 0.99)) == [None, None]


def test_medians_keep_names_and_any_alarm():
    rows = [
        {"name": "a", "n": 1, "x": 1.0, "gone": None, "alarm": False},
        {"name": "a", "n": 9, "x": 3.0, "gone": None, "alarm": True},
        {"name": "a", "n": 2, "x": 2.5, "gone": 7, "alarm": False},
    ]
    assert median_of(rows) == {"name": "a", "n": 2, "x": 2.5, "gone": 7, "alarm": True}


def test_a_ratio_needs_both_sides():
    assert (ratio(3, 2), ratio(None, 2), ratio(3, 0)) == (1.5, None, None)


# --- payloads ------------------------------------------------------------------------------------------
def test_every_body_contains_its_due_time():
    load = Load(topics=5, rate=10)
    dues = {topic: due_time(topic, orjson.loads(orjson.dumps(body(topic, 3, 77)))) for topic in load.names()}
    assert set(dues.values()) == {77}
    assert {topic.partition(".")[0] for topic in dues} == {"ticks", "book", "trades", "candles"}


def test_topics_are_spread_over_a_period():
    first = list(itertools.islice(Load(topics=2, rate=10).schedule(1000), 4))
    assert first == [(1000, 0, 0), (50_001_000, 1, 0), (100_001_000, 0, 1), (150_001_000, 1, 1)]


# --- loss detection ------------------------------------------------------------------------------------
def hub_frames():
    received = Frames(HubDialect(["trades.bench.S003"], 10))
    received.of(
        b'{"op":"ok","topic":"trades.bench.S003","id":4,"epoch":1,"seq":5,"recovered":false,"snapshot":[]}'
    )
    return received


def push(first, last, due=9):
    items = [["1", "1", "buy", due, "1"]]
    return orjson.dumps({"op": "push", "m": [[4, first, last, items]]})


def walk(received, *texts):
    position, lost = Position({}), 0
    for text in texts:
        position, missed = position.step(received.of(text))
        lost += missed
    return position.seen, lost


OK = b'{"op":"ok","topic":"trades.bench.S003","id":4,"epoch":1,"seq":5,"recovered":false,"snapshot":[]}'
HEARTBEAT = b'{"op":"heartbeat","seq":{"4":9}}'


def test_a_conflated_range_is_no_loss():
    assert walk(hub_frames(), OK, push(6, 8), push(9, 9), HEARTBEAT) == ({"trades.bench.S003": 9}, 0)


def test_a_gap_between_pushes_is_counted_once():
    assert walk(hub_frames(), OK, push(6, 6), push(9, 9), HEARTBEAT) == ({"trades.bench.S003": 9}, 2)


def test_a_heartbeat_reveals_lost_updates():
    assert walk(hub_frames(), OK, push(6, 6), HEARTBEAT, push(10, 10)) == ({"trades.bench.S003": 10}, 3)


def test_a_new_snapshot_resets_the_position():
    assert walk(hub_frames(), OK, push(6, 6), OK.replace(b'"seq":5', b'"seq":20'), push(21, 21))[1] == 0


def test_gaps_in_the_seq_of_a_plain_server_are_counted():
    received = Frames(PlainDialect(["candles.bench.S001.1m"]))
    texts = [
        plain_message("candles.bench.S001.1m", seq, body("candles.bench.S001.1m", seq, 5))
        for seq in (3, 4, 7)
    ]
    assert walk(received, b'{"ready":true}', *texts) == ({"candles.bench.S001.1m": 7}, 2)
    assert [item.due for frame in received.all for item in frame.message] == [5, 5, 5]


# --- the report ----------------------------------------------------------------------------------------
ROW = {
    "name": "cryptotrade",
    "scenario": "page",
    "client_cpu": 0.2,
    "client_bound": False,
    "lost": 0,
    "undelivered": 0,
    "delivered_share": 1.0,
    "publisher_late_ms": 1.0,
}


def test_a_valid_row_has_no_remark():
    assert fanout.remarks(ROW) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"client_bound": True, "client_cpu": 0.81}, "CLIENT BOUND"),
        ({"lost": 3}, "lost 3"),
        ({"undelivered": 9}, "9 updates had not come"),
        ({"delivered_share": 0.4}, "could not keep up"),
        ({"publisher_late_ms": 90.0}, "late"),
    ],
)
def test_an_invalid_row_has_a_remark(change, word):
    (remark,) = fanout.remarks({**ROW, **change})
    assert word in remark


# --- bots ------------------------------------------------------------------------------------------------
class Supervisor:
    """Fake `Child` that returns measurements."""

    pid = os.getpid()

    def __init__(self, **result):
        self.result = {
            "bots": 2, "ticks": 20, "least": 10, "stored": 1, "p50_ms": 1.0, "p99_ms": 49.9, "max_ms": 80.0,
            "stored_p50_ms": 9.0, "stored_p99_ms": 9.0, "commit_p50_ms": 8.0,
        } | result  # fmt: skip

    def send(self, message):
        """Begins or ends a window; ignored."""

    def receive(self, seconds):
        return self.result


@pytest.mark.parametrize(
    ("result", "fits"),
    [
        ({}, True),
        ({"least": 9}, True),
        ({"least": 8}, False),
        ({"bots": 1}, False),  # one bot received no ticks
        ({"p99_ms": 50.0}, False),
        ({"p99_ms": None}, False),
    ],
)
def test_bots_fit_when_p99_is_low_and_every_bot_receives_its_ticks(result, fits, monkeypatch):
    monkeypatch.setattr(bots, "pause", lambda seconds: None)
    row = bots._window(Supervisor(**result), Options(1.0, 2, 1, 10.0, 1), 0.0)
    assert row["fits"] is fits


@pytest.mark.parametrize("now", [0.0, 100.0, 284.9, 285.0, 285.1, 299.9, 300.0])
def test_the_window_of_the_bots_benchmark_has_a_candle_close_in_its_middle(now):
    wait = bots.wait_before_window(now, 30.0)
    assert 0 <= wait < 300
    assert (now + wait + 15.0) % 300 in (pytest.approx(0, abs=1e-6), pytest.approx(300))


def test_a_walk_has_the_configured_volatility():
    walk = bots_feed.Walk(1, 10.0)
    prices = [Decimal(walk.tick(0)["last"]) for _ in range(2000)]
    moves = [float(after / before) - 1 for before, after in itertools.pairwise(prices)]
    expected = bots_feed.VOLATILITY / (bots_feed.YEAR * 10) ** 0.5
    assert pstdev(moves) == pytest.approx(expected, rel=0.1)


# --- short runs ------------------------------------------------------------------------------------------
TINY = ["--seconds", "1", "--clients", "20", "--topics", "4", "--runs", "1", "--peers", "websockets"]
COMMON = {
    "name", "scenario", "deliveries_per_cpu_s", "updates_per_cpu_s", "p50_ms", "p99_ms", "p999_ms", "lost", "rss_mb",
}  # fmt: skip


@pytest.fixture
def bench(capfd):
    def run(*arguments):
        call_command("bench", *arguments, "--json")
        return json.loads(capfd.readouterr().out)

    return run


def check_document(document, name):
    assert document.keys() == {"benchmark", "parameters", "machine", "results", "ratios", "notes"}
    assert document["benchmark"] == name
    assert all(row.keys() >= COMMON for row in document["results"])
    assert {row["lost"] for row in document["results"] if row["name"] == "cryptotrade"} == {0}
    saved = [path.read_bytes() for path in (settings.VAR_DIR / "bench").glob(f"{name}-*.json")]
    assert document in [json.loads(one) for one in saved]


@pytest.mark.slow
def test_fan_out_is_measured_and_compared_with_a_peer(bench):
    document = bench("fanout", *TINY)
    check_document(document, "fanout")
    rows = {(row["name"], row["scenario"]): row for row in document["results"]}
    assert rows.keys() == set(itertools.product(("cryptotrade", "websockets"), ("one_topic", "page")))
    assert all(row["updates"] > 0 and row["connected"] == 20 for row in rows.values())
    assert document["ratios"]["websockets"].keys() >= {"deliveries", "updates", "messages"}
    page = rows["cryptotrade", "page"]
    assert page["updates"] > page["messages"], "a push holds more than one update"
    assert report.table(document, fanout.COLUMNS).startswith("== fanout ==")


@pytest.mark.slow
def test_slow_consumers_are_measured_and_compared_with_a_peer(bench):
    document = bench("slow-consumers", *TINY)
    check_document(document, "slow-consumers")
    assert {row["scenario"] for row in document["results"]} == {"all_fast", "some_slow"}
    assert document["ratios"]["cryptotrade"].keys() == {"p50", "p99", "rss_growth_mb"}
    assert all(row["connected"] == 19 for row in document["results"] if row["scenario"] == "some_slow")


@pytest.mark.slow
def test_the_feed_is_measured_and_compared_with_ccxt(bench):
    document = bench("feed", "--seconds", "0.05", "--runs", "1")
    check_document(document, "feed")
    assert {row["name"] for row in document["results"]} == {
        "cryptotrade", "cryptotrade to Redis", "ccxt.pro", "hyperliquid-sim",
    }  # fmt: skip
    assert document["ratios"]["ccxt.pro"]["deliveries"]


@pytest.mark.slow
def test_tick_to_order_is_measured_and_compared_with_the_sdk(bench):
    document = bench("tick-to-order", "--seconds", "0.1", "--runs", "1")
    rows = {row["name"]: row for row in document["results"]}
    assert rows.keys() == {"cryptotrade", "sdk"}
    assert all(row["requests"] > 50 and row["p50_us"] > 0 for row in rows.values())


@pytest.mark.slow
def test_postings_are_measured_and_compared_with_inserts(bench, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    document = bench("ledger", "--seconds", "0.2", "--runs", "1")
    assert {row["name"] for row in document["results"]} == {"cryptotrade", "inserts"}
    assert document["ratios"]["bare inserts, speed"]["fills"] > 0


def test_an_unknown_peer_is_an_error_that_lists_the_known_peers():
    with pytest.raises(CommandError, match=r"no such peer: nats.*websockets"):
        call_command("bench", "fanout", "--peers", "nats")
