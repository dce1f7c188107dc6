"""`/ws/stream` from the client's view: a real server, a real Redis, a real socket."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from market.hub import Publisher, user_event_publish
from tests.accounts.auth_factories import access_of

LIVE = {"status": "live", "age_ms": 5}


async def test_a_subscription_is_answered_with_a_snapshot_and_then_pushes(dial, feed):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim")
    assert ok["op"] == "ok"
    assert ok["snapshot"]["BTC"]["last"] == "100.0"
    assert (ok["epoch"], ok["seq"], ok["recovered"]) == (feed.epoch, 1, False)
    feed.queue_ticks({"BTC": {"last": "101.0", "t": 2}})
    await feed.flush(**LIVE)
    assert await stream.push(ok["id"]) == [2, 2, {"BTC": {"last": "101.0", "t": 2}}]


async def test_pushes_are_conflated_to_the_rate_and_cover_their_range(dial, feed):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim", rate=1)
    for number in range(2, 12):
        feed.queue_ticks({"ETH": {"last": str(number), "t": number}})
        await feed.flush(**LIVE)
    seen = ok["seq"]
    body = {}
    while seen < 11:
        first, seen_now, body = await stream.push(ok["id"])
        assert first == seen + 1
        seen = seen_now
    assert body["ETH"]["last"] == "11"
    pushes = [m for f in stream.frames if f["op"] == "push" for m in f["m"] if m[0] == ok["id"]]
    assert len(pushes) <= 3


async def test_a_book_is_a_snapshot_and_then_absolute_sizes(dial, feed):
    stream = await dial()
    await feed.flush(**LIVE)
    feed.queue_book("BTC", {"bids": [["99", "1"], ["98", "2"]], "asks": [["101", "1"]], "t": 1})
    await feed.flush(**LIVE)
    ok = await stream.ok("book.hyperliquid-sim.BTC")
    assert ok["snapshot"] == {"bids": [["99", "1"], ["98", "2"]], "asks": [["101", "1"]], "t": 1}
    feed.queue_book("BTC", {"bids": [["99", "3"]], "asks": [["101", "1"]], "t": 2})
    await feed.flush(**LIVE)
    first, last, body = await stream.push(ok["id"])
    assert (first, last) == (2, 2)
    assert body == {"bids": [["99", "3"], ["98", "0"]], "asks": [], "t": 2}


async def test_subscribing_to_a_book_requests_it_from_the_feed_and_waits(dial, feed):
    stream = await dial()
    await stream.ok("ticks.hyperliquid-sim")
    await stream.say(op="subscribe", topic="book.hyperliquid-sim.PURR/USDC")
    for _ in range(100):
        if "book.hyperliquid-sim.PURR/USDC" in await feed.interest():
            break
        await asyncio.sleep(0.02)
    feed.queue_book("PURR/USDC", {"bids": [["1", "1"]], "asks": [], "t": 1})
    await feed.flush(**LIVE)
    ok = await stream.until(lambda f: f.get("topic") == "book.hyperliquid-sim.PURR/USDC")
    assert ok["snapshot"]["bids"] == [["1", "1"]]


async def test_trades_are_recovered_from_where_a_client_was(dial, feed):
    first = await dial()
    feed.queue_trades("BTC", [["1", "1", "buy", n, str(n)] for n in range(5)])
    await feed.flush(**LIVE)
    ok = await first.ok("trades.hyperliquid-sim.BTC")
    assert (ok["seq"], len(ok["snapshot"])) == (5, 5)
    await first.socket.close()
    feed.queue_trades("BTC", [["2", "1", "sell", n, str(n)] for n in range(5, 8)])
    await feed.flush(**LIVE)
    second = await dial()
    again = await second.ok("trades.hyperliquid-sim.BTC", epoch=ok["epoch"], seq=ok["seq"])
    assert again["recovered"] is True
    items = again["snapshot"]
    while len(items) < 3:
        items += (await second.push(again["id"]))[2]
    assert [item[4] for item in items] == ["5", "6", "7"]


async def test_a_new_writer_means_a_new_epoch_and_a_fresh_snapshot(dial, feed):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim")
    successor = Publisher("hyperliquid-sim", epoch=feed.epoch + 1, simulated=True)
    successor.symbols(["BTC"])
    successor.queue_ticks({"BTC": {"last": "200.0", "t": 9}})
    await successor.flush(**LIVE)
    fresh = await stream.until(lambda f: f["op"] == "ok" and f["epoch"] == feed.epoch + 1)
    assert fresh["id"] == ok["id"]
    assert fresh["snapshot"] == {"BTC": {"last": "200.0", "t": 9}}
    feed.queue_ticks({"BTC": {"last": "1.0", "t": 10}})  # the old writer has not noticed yet
    await feed.flush(**LIVE)
    successor.queue_ticks({"BTC": {"last": "201.0", "t": 11}})
    await successor.flush(**LIVE)
    assert await stream.push(ok["id"]) == [2, 2, {"BTC": {"last": "201.0", "t": 11}}]
    await successor.close()


async def test_a_lost_flush_is_resynced_from_the_snapshot(dial, feed, monkeypatch):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim")
    feed.queue_ticks({"BTC": {"last": "102.0", "t": 2}})

    async def drop_message(*_):
        return None

    with monkeypatch.context() as patch:
        patch.setattr(feed._layer, "group_send", drop_message, raising=False)
        await feed.flush(**LIVE)
    feed.queue_ticks({"ETH": {"last": "11.0", "t": 3}})
    await feed.flush(**LIVE)
    seen, value = ok["seq"], dict(ok["snapshot"])
    while seen < 3:
        first, seen_now, body = await stream.push(ok["id"])
        assert first == seen + 1
        seen, value = seen_now, {**value, **body}
    assert (value["BTC"]["last"], value["ETH"]["last"]) == ("102.0", "11.0")


async def test_venues_has_age_and_simulated_flag_of_each_feed(dial, feed):
    stream = await dial()
    await stream.ok("venues")
    live = await stream.until(
        lambda f: f["op"] == "push" and f["m"][0][3]["hyperliquid-sim"]["status"] == "live", seconds=60
    )
    assert live["m"][0][3]["hyperliquid-sim"]["simulated"] is True
    late = await stream.until(
        lambda f: f["op"] == "push" and f["m"][0][3]["hyperliquid-sim"]["status"] == "late", seconds=10
    )
    assert late["m"][0][3]["hyperliquid-sim"]["age_ms"] >= 3000


async def test_a_heartbeat_has_the_seq_of_every_topic(dial, feed):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim")
    heartbeat = await stream.until(lambda f: f["op"] == "heartbeat", seconds=10)
    assert heartbeat["seq"][str(ok["id"])] == 1


async def test_every_process_numbers_topics_alike_for_all_its_clients(dial, feed):
    one, two = await dial(), await dial()
    assert (await one.ok("ticks.hyperliquid-sim"))["id"] == (await two.ok("ticks.hyperliquid-sim"))["id"]


async def test_unsubscribed_is_silent(dial, feed):
    stream = await dial()
    ok = await stream.ok("ticks.hyperliquid-sim")
    await stream.say(op="unsubscribe", topic="ticks.hyperliquid-sim")
    assert (await stream.next())["op"] == "ok"
    feed.queue_ticks({"BTC": {"last": "1", "t": 5}})
    await feed.flush(**LIVE)
    await stream.say(op="ping")
    while (frame := await stream.next())["op"] != "pong":
        assert ok["id"] not in [m[0] for m in frame.get("m", [])]


@pytest.mark.django_db(transaction=True)
async def test_private_events_need_a_user_and_reach_only_that_user(dial, feed, alice, bob):
    stream, other = await dial(), await dial()
    await stream.say(op="subscribe", topic="me")
    assert (await stream.next())["code"] == "unauthenticated"
    for user, connection in ((alice, stream), (bob, other)):
        await connection.say(op="auth", token=await sync_to_async(access_of)(user))
        assert (await connection.next())["user"] == str(user.pk)
    ok = await stream.ok("me")
    await other.ok("me")
    assert ok["op"] == "ok"
    await user_event_publish(str(alice.pk), {"type": "alert", "text": "for alice"})
    frame = await stream.until(lambda f: f["op"] in ("push", "ok"))
    body = frame["m"][0][3] if frame["op"] == "push" else frame["snapshot"]
    assert body == [{"type": "alert", "text": "for alice"}]
    await other.say(op="ping")
    assert (await other.next())["op"] == "pong"
