"""`make run` from an empty folder, and recovery after any process is killed."""

import asyncio
import json
import stat

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, chromium_path
from tests.e2e.stack import ReaderPool, Stack, Watcher, running, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


@pytest.fixture(scope="module")
def own_stack(stack_folder):
    with running(Stack(stack_folder)) as stack:
        yield stack


async def test_thirty_instruments_reach_the_stream(stack):
    async with Watcher(stack.stream_url) as watcher:
        await watcher.watch("ticks.hyperliquid-sim")
        await watcher.watch("venues")
        ticks = watcher.values["ticks.hyperliquid-sim"]
        moved = {}

        def thirty_moved():
            moved.update(
                {s: v for s, v in watcher.values["ticks.hyperliquid-sim"].items() if v != ticks.get(s)}
            )
            return len(moved) >= 30

        await watcher.until(thirty_moved, 120, "thirty instruments move")
        assert watcher.values["venues"]["hyperliquid-sim"]["simulated"] is True
        assert set(ticks["BTC"]) == {"bid", "ask", "last", "mark", "change24h", "volume24h", "t"}


async def test_a_book_and_trades_are_published_once_subscribed(stack):
    async with Watcher(stack.stream_url) as watcher:
        for topic in (
            "book.hyperliquid-sim.BTC",
            "trades.hyperliquid-sim.BTC",
            "candles.hyperliquid-sim.BTC.1m",
        ):
            await watcher.watch(topic)
            began = watcher.at[topic]
            await watcher.until(lambda t=topic, b=began: watcher.at[t] != b, 30, topic)


def test_the_demo_user_is_generated_with_a_private_password_and_can_log_in(stack):
    path = stack.var / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    demo = json.loads(path.read_text())
    assert set(demo) == {"url", "email", "password"}
    assert demo["url"] == stack.url
    assert len(demo["password"]) >= 20
    assert demo["password"] not in stack.output()
    link = wait_for(lambda: [w for w in stack.output().split() if "/accounts/link/#" in w], 120, "the link")
    code = link[0].partition("#")[2]
    assert code not in "".join(log.read_text() for log in (stack.var / "log").glob("*.log"))


@pytest.mark.proof
@pytest.mark.parametrize("victim", ["run_worker market-feed", "run_simulator"])
async def test_a_killed_feed_or_venue_is_detected_and_restarted(own_stack, victim):
    async with Watcher(own_stack.stream_url) as watcher:
        await watcher.watch("venues")
        await watcher.watch("ticks.hyperliquid-sim")
        await watcher.until(lambda: watcher.status() == "live", 120, "live before the kill")
        pid = own_stack.kill(victim)
        await watcher.until(lambda: watcher.status() in ("late", "down"), 15, "noticed")
        await watcher.until(lambda: watcher.status() == "live", 60, "live again")
        epoch, seq = watcher.at["ticks.hyperliquid-sim"]
        await watcher.until(lambda: watcher.at["ticks.hyperliquid-sim"] > (epoch, seq + 3), 30, "moves again")
    assert own_stack.child(victim).pid != pid


@pytest.mark.proof
async def test_the_stream_continues_after_redis_was_killed(own_stack):
    async with Watcher(own_stack.stream_url) as watcher:
        await watcher.watch("ticks.hyperliquid-sim")
        own_stack.kill("redis.sock")
        before = watcher.at["ticks.hyperliquid-sim"]
        await watcher.until(
            lambda: watcher.at["ticks.hyperliquid-sim"] > (before[0], before[1] + 30), 60, "goes on"
        )
        # Same connection and same epoch: `Watcher` has checked every seq across the gap.
        assert watcher.at["ticks.hyperliquid-sim"][0] == before[0]


@pytest.mark.proof
async def test_after_a_killed_web_process_a_client_recovers_by_seq(own_stack):
    async with Watcher(own_stack.stream_url) as watcher:
        await watcher.watch("trades.hyperliquid-sim.BTC")
        await watcher.until(lambda: watcher.at["trades.hyperliquid-sim.BTC"][1] > 0, 120, "trades")
        epoch, seq = watcher.at["trades.hyperliquid-sim.BTC"]
        own_stack.kill("manage.py web")
    await asyncio.to_thread(own_stack.wait_until_ready, 60)
    async with Watcher(own_stack.stream_url) as watcher:
        request = {"op": "subscribe", "topic": "trades.hyperliquid-sim.BTC", "epoch": epoch, "seq": seq}
        await watcher.socket.send(json.dumps(request))
        response = json.loads(await asyncio.wait_for(watcher.socket.recv(), 60))
        assert response["recovered"] is True
        assert response["seq"] == seq + len(response["snapshot"])


@pytest.fixture(scope="module")
def page(own_stack):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{own_stack.url}/market/hyperliquid-sim/BTC/")
        yield page
        browser.close()


def stale_on(page):
    """Topics with values that the page marks as stale."""
    return page.evaluate(
        "[...new Set([...document.querySelectorAll('[data-live][data-stale=true]')].map(e => e.dataset.live))]"
    )


def wait_until_fresh(page, seconds):
    try:
        wait_for(lambda: not stale_on(page), seconds, "nothing is stale")
    except AssertionError:
        message = page.evaluate("document.querySelector('#stream-state').innerText")
        pytest.fail(f"stale after {seconds} s: {stale_on(page)}; stream state {message!r}")


@pytest.mark.proof
@pytest.mark.parametrize("victim", ["run_worker market-feed", "manage.py web", "run_simulator", "redis.sock"])
@pytest.mark.browser
def test_an_open_page_survives_a_kill_under_load(own_stack, page, victim):
    """With sixty other stream clients, an open page marks stale values and recovers without a reload."""
    ladder = "document.querySelector('.ladder').innerText"
    with ReaderPool(own_stack.stream_url, 60) as readers:
        wait_until_fresh(page, 60)
        wait_for(lambda: readers.frames > 600, 120, "the readers receive frames")
        own_stack.kill(victim)
        if (
            victim != "redis.sock"
        ):  # Redis is back before any value is stale; other processes may be too, then kill again
            wait_for(lambda: stale_on(page) or (own_stack.kill(victim) and None), 60, "says what is stale")
        wait_until_fresh(page, 90)
        before = page.evaluate(ladder)
        page.wait_for_function(f"before => {ladder} !== before", arg=before, timeout=60_000)
        page.wait_for_function("() => document.querySelector('#stream-state').innerText.includes('Live')")
        assert readers.breaks == []


@pytest.mark.proof
def test_one_interrupt_leaves_no_process_and_a_second_run_keeps_the_history(own_stack):
    path = "/api/v1/candles?venue=hyperliquid-sim&symbol=BTC&interval=1m&limit=1000"
    before = wait_for(lambda: (own_stack.get(path)[1] or {}).get("results"), 120, "candles")
    assert own_stack.interrupt() == 0
    assert own_stack.processes() == []
    own_stack.start()
    own_stack.wait_until_ready()
    after = own_stack.get(path)[1]["results"]
    common = {c["t"]: c for c in after}.keys() & {c["t"] for c in before}
    assert len(common) >= min(len(before), 900)
    stored = {c["t"]: c for c in before}
    assert all(c == stored[c["t"]] for c in after if c["t"] in common)
    assert own_stack.interrupt() == 0
    assert own_stack.processes() == []
