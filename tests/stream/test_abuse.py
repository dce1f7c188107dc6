"""Invalid input to `/ws/stream` is answered with an error or a close, and the process keeps running."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from market.domain.commands import CommandBudget, CommandError, command_parse


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("nonsense", "bad_json"),
        ("[]", "bad_json"),
        ("null", "bad_json"),
        ('{"op":"fly"}', "unknown_op"),
        ('{"topic":"venues"}', "unknown_op"),
        ('{"op":"subscribe"}', "bad_request"),
        ('{"op":"subscribe","topic":7}', "bad_request"),
        ('{"op":"subscribe","topic":"nothing.like.this"}', "unknown_topic"),
        ('{"op":"subscribe","topic":"ticks.mars"}', "unknown_topic"),
        ('{"op":"subscribe","topic":"book.hyperliquid-sim.NOPE"}', "unknown_topic"),
        ('{"op":"subscribe","topic":"candles.hyperliquid-sim.BTC.7m"}', "unknown_topic"),
        ('{"op":"subscribe","topic":"venues","rate":3}', "bad_rate"),
        ('{"op":"subscribe","topic":"venues","rate":true}', "bad_rate"),
        ('{"op":"subscribe","topic":"venues","seq":-1}', "bad_request"),
        ('{"op":"subscribe","topic":"venues","epoch":"x"}', "bad_request"),
        ('{"op":"unsubscribe","topic":"venues"}', "not_subscribed"),
        ('{"op":"subscribe","topic":"me"}', "unauthenticated"),
        ('{"op":"subscribe","topic":"me.00000000-0000-0000-0000-000000000001"}', "forbidden"),
    ],
)
async def test_a_bad_command_is_answered_and_the_connection_lives(dial, feed, frame, code):
    stream = await dial()
    await stream.socket.send(frame)
    answer = await stream.next()
    assert (answer["op"], answer["code"]) == ("error", code)
    assert answer["message"].endswith(".")
    await stream.say(op="ping")
    assert await stream.next() == {"op": "pong"}


@pytest.mark.parametrize(
    "token", ["forged", "a.b.c", "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoiMSJ9.", "x" * 5000, ""]
)
async def test_a_forged_token_is_refused_and_closes_with_1008(dial, feed, token):
    stream = await dial()
    await stream.say(op="auth", token=token)
    assert (await stream.next())["op"] == "error"
    assert await stream.close_code() == 1008


async def test_a_forged_authorization_header_is_refused_before_anything_else(dial, feed):
    stream = await dial(additional_headers={"Authorization": "Bearer forged"})
    assert (await stream.next())["code"] == "unauthenticated"
    assert await stream.close_code() == 1008


async def test_a_binary_frame_closes_with_1003(dial, feed):
    stream = await dial()
    await stream.socket.send(b"\x00\x01")
    assert (await stream.next())["code"] == "binary"
    assert await stream.close_code() == 1003


@pytest.mark.parametrize("size", [20_000, 1_000_000])
async def test_a_huge_frame_closes_with_1009(dial, feed, size):
    stream = await dial()
    await stream.socket.send("x" * size)
    assert await stream.close_code() == 1009


async def test_a_thousand_commands_at_once_end_with_an_error_and_1008(dial, feed):
    stream = await dial()
    for _ in range(1000):
        try:
            await stream.say(op="ping")
        except Exception:  # noqa: BLE001  the expected close
            break
    assert await stream.close_code() == 1008
    assert stream.frames[-1]["code"] == "rate_limited"
    assert len(stream.frames) < 100


async def test_the_257th_topic_is_refused_and_closes_with_1008(dial, feed, monkeypatch):
    feed.symbols([f"C{n}" for n in range(300)])
    await feed.flush(status="live", age_ms=1)
    monkeypatch.setattr(CommandBudget, "spend", lambda self, now: None)
    stream = await dial()
    for number in range(300):
        await stream.say(op="subscribe", topic=f"trades.hyperliquid-sim.C{number}")
    assert await stream.close_code() == 1008
    assert stream.frames[-1]["code"] == "too_many_topics"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "ftp://127.0.0.1"])
async def test_a_foreign_origin_is_refused_before_the_handshake(dial, feed, origin):
    with pytest.raises(InvalidStatus) as rejected:
        await dial(origin=origin)
    assert rejected.value.response.status_code == 403


async def test_the_own_origin_is_accepted(dial, feed, server):
    stream = await dial(origin=server.url)
    assert (await stream.ok("venues"))["op"] == "ok"


async def test_an_unknown_websocket_path_is_refused(dial, feed, server):
    with pytest.raises(InvalidStatus) as rejected:
        await dial(server.stream_url + "/nothing")
    assert rejected.value.response.status_code == 403


async def test_connections_of_one_address_are_limited(dial, feed, settings):
    settings.MAX_STREAMS_PER_ADDRESS = 2
    await dial(), await dial()
    third = await dial()
    assert (await third.next())["code"] == "too_many_connections"
    assert await third.close_code() == 1008


async def test_a_forwarded_address_counts_only_behind_our_own_proxies(dial, feed, server, settings):
    direct = await dial(additional_headers={"X-Forwarded-For": "1.2.3.4"})
    await direct.ok("venues")
    assert set(server.hub.per_address) == {"127.0.0.1"}
    settings.TRUSTED_PROXY_COUNT = 1
    behind_proxy = await dial(additional_headers={"X-Forwarded-For": "6.6.6.6, 1.2.3.4"})
    await behind_proxy.ok("venues")
    assert set(server.hub.per_address) == {"127.0.0.1", "1.2.3.4"}


async def test_invalid_input_on_many_connections_does_not_affect_the_others(dial, feed):
    quiet = await dial()
    ok = await quiet.ok("ticks.hyperliquid-sim")
    for noise in ("{", "\x00" * 100, json.dumps({"op": "subscribe", "topic": "a" * 9000}), '{"op":' * 2000):
        stream = await dial()
        await stream.socket.send(noise)
    feed.queue_ticks({"BTC": {"last": "5", "t": 5}})
    await feed.flush(status="live", age_ms=1)
    assert (await quiet.push(ok["id"]))[2] == {"BTC": {"last": "5", "t": 5}}


async def test_stopping_the_server_closes_with_1012(dial, feed, server):
    stream = await dial()
    await stream.ok("venues")
    server.server.should_exit = True
    assert await stream.close_code() == 1012


async def test_a_reader_that_stops_reading_is_closed_without_affecting_others(
    dial, feed, server, monkeypatch
):
    monkeypatch.setattr("market.hub.hub.BLOCKED_SECONDS", 0.5)
    monkeypatch.setattr("market.hub.client.CLOSE_TIMEOUT", 0.2)
    healthy, blocked = await dial(), await dial(max_queue=1)
    ok = await healthy.ok("ticks.hyperliquid-sim", rate=20)
    await blocked.ok("ticks.hyperliquid-sim", rate=20)
    blocked.socket.transport.pause_reading()
    seq = ok["seq"]
    for round_ in range(4000):
        feed.queue_ticks({f"S{n}": {"last": f"{round_}-" + "9" * 900, "t": round_} for n in range(100)})
        await feed.flush(status="live", age_ms=1)
        first, seq_now, _ = await healthy.push(ok["id"])
        assert first == seq + 1
        seq = seq_now
        if len(server.hub.clients) == 1:
            break
    assert len(server.hub.clients) == 1
    assert server.hub.fanout.resume() == []


# --- the parser alone, with anything at all ----------------------------------------------------------
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_COMMANDS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["subscribe", "unsubscribe", "auth", "ping"]) | _JSON,
        "topic": st.sampled_from(["venues", "me", "me.x", "ticks.v", "book.v.A/B", "candles.v.x.1m"]) | _JSON,
        "rate": st.sampled_from([1, 10, 20]) | _JSON,
        "epoch": st.integers(-1, 2**70) | _JSON,
        "seq": _JSON,
        "token": _JSON,
    },
)


@given(
    st.text()
    | _COMMANDS.map(lambda message: json.dumps(message))
    | _JSON.map(lambda message: json.dumps(message))
)
@hypothesis_settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_command_or_a_command_error(text):
    try:
        message = command_parse(text)
    except CommandError as error:
        message = error.code and error.message
    assert message


def test_the_budget_refills_with_time():
    budget = CommandBudget(0.0)
    for _ in range(40):
        budget.spend(0.0)
    with pytest.raises(CommandError):
        budget.spend(0.0)
    for _ in range(20):
        budget.spend(1.0)
    with pytest.raises(CommandError):
        budget.spend(1.0)


async def test_fuzzed_frames_leave_the_process_unharmed(dial, feed, server, monkeypatch):
    """Seeded noise over the wire: text, broken JSON, odd commands; then the server still serves."""
    import random

    monkeypatch.setattr(CommandBudget, "spend", lambda self, now: None)
    chance = random.Random(20261120)
    words = [
        "op",
        "subscribe",
        "topic",
        "venues",
        "ticks.hyperliquid-sim",
        "book.hyperliquid-sim.BTC",
        "rate",
        "seq",
        "{",
        "}",
        '"',
        ":",
        "1e999",
        "\\ud800",
        "\u2028",
    ]
    stream = await dial()
    for _ in range(300):
        await stream.socket.send("".join(chance.choices(words, k=chance.randint(1, 12))))
    await stream.say(op="ping")
    await stream.until(lambda frame: frame["op"] == "pong", seconds=60)
    assert len(server.hub.clients) == 1
    await asyncio.sleep(0)
