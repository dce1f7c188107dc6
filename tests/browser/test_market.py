"""The market pages in a real browser."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Feed, Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PAGES = [
    "/",
    "/market/",
    "/market/hyperliquid-sim/BTC/",
    "/status/",
    "/accounts/login/",
    "/api/docs/",
    "/nothing-here",
]
WIDTHS = [360, 768, 1024, 1280, 1440, 1920]
CASES = Path(__file__).resolve().parents[1] / "data" / "format_cases.json"
NUMBER_CASES = CASES.with_name("number_cases.json")
BTC = "#board tr[data-symbol=BTC]"


def text_of(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text().strip()


def symbols(page: Page) -> list[str]:
    rows = "[...document.querySelectorAll('#board tbody tr:not([hidden])')].map(r => r.dataset.symbol)"
    return list(page.evaluate(rows))


def test_prices_move_on_every_page_that_shows_them(page: Page, feed: Feed):
    for path, last in (
        ("/", "tr[data-symbol=BTC] [data-field=last]"),
        ("/market/", f"{BTC} [data-field=last]"),
        ("/market/hyperliquid-sim/BTC/", ".last-price"),
    ):
        page.goto(path)
        first = text_of(page, last)
        wait_until(lambda first=first, last=last: text_of(page, last) != first, f"{path} moves")
        assert re.search(r"71,\d\d\d$", text_of(page, last))


def test_stream_says_live_and_the_venue_shows_its_age(page: Page, feed: Feed):
    page.goto("/market/")
    expect(page.locator("#stream-state")).to_have_text("Live")
    expect(page.locator('.statusbar [data-venue="hyperliquid-sim"]')).to_have_attribute("data-state", "live")
    expect(page.locator('.statusbar [data-venue="hyperliquid-sim"] .age')).to_have_text(
        re.compile(r"^\d\.\d s$")
    )


def test_book_tape_and_title_follow_the_market(page: Page, feed: Feed):
    page.goto("/market/hyperliquid-sim/BTC/")
    best_bid = '[data-side="bid"] tr:first-child td:first-child'
    before = text_of(page, best_bid)
    wait_until(lambda: text_of(page, best_bid) != before, "the best bid moves")
    best = """["ask", "bid"].map(side => {
        const rows = document.querySelectorAll(`[data-side="${side}"] tr`);
        return rows[side === "ask" ? rows.length - 1 : 0].cells[0].innerText;
    })"""
    ask, bid = (int(price.replace(",", "")) for price in page.evaluate(best))
    assert ask - bid == 2
    wait_until(lambda: page.locator(".tape tbody tr").count() == 60, "the tape fills up and stops at 60 rows")
    wait_until(lambda: re.match(r"BTC/USDC 71,\d{3} · ", page.title()), "the title follows")


def test_book_groups_prices(page: Page, feed: Feed):
    page.goto("/market/hyperliquid-sim/BTC/")
    page.locator("#group").select_option("10")
    best_ask = '[data-side="ask"] tr:last-child td:first-child'
    wait_until(lambda: text_of(page, best_ask).endswith("0"), "asks lie on tens")
    sums = page.locator('[data-side="bid"] tr:nth-child(2) td')
    assert sums.nth(0).inner_text().endswith("0")


def test_theme_switch_persists_and_is_rendered_by_the_server(page: Page, feed: Feed):
    page.goto("/market/")
    colour = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme-switch").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate(colour) != dark
    page.goto("/market/hyperliquid-sim/BTC/")
    assert 'data-theme="light"' in page.content()
    page.locator("#theme-switch").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "system")


def test_board_sorts_by_clicking_a_head_and_reverses(page: Page, feed: Feed):
    page.goto("/market/")
    assert symbols(page)[:3] == ["BTC", "ETH", "SOL"]
    head = page.locator('th[data-sort="change"]')
    head.locator("a").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert symbols(page) == ["ETH", "BTC", "kPEPE", "FLAT", "SOL", "PURR/USDC"]
    head.locator("a").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert symbols(page) == ["SOL", "FLAT", "kPEPE", "BTC", "ETH", "PURR/USDC"]
    assert page.locator("th[aria-sort]").count() == 1
    page.reload()
    assert symbols(page) == ["SOL", "FLAT", "kPEPE", "BTC", "ETH", "PURR/USDC"]


def test_board_search_narrows_while_typing_and_offers_a_way_back(page: Page, feed: Feed):
    page.goto("/market/")
    page.locator("#find").fill("pe")
    assert symbols(page) == ["kPEPE"]
    expect(page.locator("#board-shown")).to_have_text("1")
    page.locator("#find").fill("nothing")
    expect(page.locator("#board-none")).to_be_visible()
    page.locator("#board-none a").click()
    wait_until(lambda: len(symbols(page)) == 6, "all are back")


def bars(page: Page) -> int:
    return int(page.locator("[data-chart]").get_attribute("data-bars") or 0)


def test_chart_loads_history_follows_the_stream_and_pages_back(page: Page, feed: Feed):
    page.goto("/market/hyperliquid-sim/BTC/")
    wait_until(lambda: bars(page) >= 500, "the first page of history")
    close = '#chart-legend [data-part="close"]'
    before = text_of(page, close)
    wait_until(lambda: text_of(page, close) != before, "the open candle moves")
    box = page.locator("#chart").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 200)

    def drag_to_the_past():
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 60, box["y"] + 200, steps=4)
        page.mouse.up()
        page.mouse.move(box["x"] + 60, box["y"] + 200)
        return bars(page) >= 1200

    wait_until(drag_to_the_past, "all 1,200 stored candles are loaded, page by page")


def test_chart_changes_its_interval_by_click_and_by_key(page: Page, feed: Feed):
    page.goto("/market/hyperliquid-sim/BTC/")
    wait_until(lambda: bars(page) >= 500, "15 minutes")
    page.locator('#intervals [data-interval="1h"]').click()
    wait_until(lambda: bars(page) in (300, 301), "1 hour")
    assert page.url.endswith("?interval=1h")
    expect(page.locator('#intervals [data-interval="1h"]')).to_have_attribute("aria-current", "true")
    page.keyboard.press("3")
    wait_until(lambda: bars(page) >= 500, "15 minutes again")
    expect(page.locator("[data-chart]")).to_have_attribute("aria-label", "BTC/USDC candles, 15 minutes")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(page: Page, feed: Feed, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        page.goto(path)
        inside = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(inside), f"{path} at {width}"
        past = page.evaluate(
            """() => [...document.querySelectorAll("#main *")].filter(e => {
                 const box = e.getBoundingClientRect();
                 for (let up = e; up; up = up.parentElement)
                   if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return false;
                 return box.width && box.right > innerWidth + 1;
               }).map(e => e.outerHTML.slice(0, 80))"""
        )
        assert past == [], f"{path} at {width}"


def test_table_rows_keep_their_height_while_prices_move(page: Page, feed: Feed):
    page.goto("/market/")
    first = page.locator(BTC).bounding_box()
    before = text_of(page, f"{BTC} [data-field=last]")
    wait_until(lambda: text_of(page, f"{BTC} [data-field=last]") != before, "the price moves")
    assert page.locator(BTC).bounding_box() == first


def test_panes_are_tabs_on_a_phone(page: Page, feed: Feed):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto("/market/hyperliquid-sim/BTC/")
    expect(page.locator("#chart")).to_be_visible()
    expect(page.locator(".ladder")).to_be_hidden()
    page.get_by_text("Book", exact=True).first.click()
    expect(page.locator(".ladder")).to_be_visible()
    expect(page.locator("#chart")).to_be_hidden()
    page.locator(".pane-tabs").get_by_text("Trades").click()
    wait_until(lambda: page.locator(".tape tbody tr").count() > 3, "the tape runs")


def stale_since(page: Page, selector: str) -> bool:
    return page.locator(selector).first.get_attribute("data-stale") == "true"


def test_cut_feed_greys_its_numbers_within_three_seconds_and_recovers(page: Page, feed: Feed):
    page.goto("/market/")
    wait_until(lambda: text_of(page, "#stream-state") == "Live" and not stale_since(page, BTC), "live")
    page.evaluate(
        """() => { window.greyAt = null;
             new MutationObserver(() => window.greyAt ??= Date.now())
               .observe(document.querySelector("#board tr[data-symbol=BTC]"), {attributeFilter: ["data-stale"]}); }"""
    )
    feed.stop()
    wait_until(lambda: stale_since(page, BTC), "the row is grey")
    took = page.evaluate("window.greyAt") / 1000 - feed.spoke
    assert took <= 3.5, "three seconds, and half a second for a busy machine"
    assert text_of(page, f"{BTC} [data-field=last]") != "\N{EN DASH}"
    eth = page.locator("#board tr[data-symbol=ETH]")
    eth.evaluate("row => { row.hidden = true; }")  # as when it slides out of a strip
    feed.start()
    wait_until(lambda: not stale_since(page, BTC), "fresh again")
    wait_until(lambda: eth.get_attribute("data-stale") is None, "what is out of sight too")


def test_quiet_instrument_of_a_live_venue_stays_fresh(page: Page, feed: Feed):
    """ETH has one tick at the start and then nothing; its venue goes on reporting."""
    page.goto("/market/")
    eth = "#board tr[data-symbol=ETH]"
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "live")
    page.evaluate(
        """() => { window.greyed = 0;
             new MutationObserver(() => window.greyed += 1)
               .observe(document.querySelector("#board tr[data-symbol=ETH]"), {attributeFilter: ["data-stale"]}); }"""
    )
    began = feed.price
    wait_until(lambda: feed.price > began + 60, "some six seconds of BTC")
    assert page.evaluate("window.greyed") == 0
    assert not stale_since(page, eth)


def test_dead_server_is_said_and_everything_greys_and_comes_back(page: Page, feed: Feed, server: Server):
    page.goto("/market/hyperliquid-sim/BTC/")
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "live")
    wait_until(lambda: bars(page) >= 500 and page.locator(".tape tbody tr").count(), "all panes are filled")
    last = text_of(page, ".last-price")
    server.kill()
    try:
        wait_until(lambda: text_of(page, "#stream-state").startswith("Reconnecting,"), "the loss is said")
        wait_until(lambda: stale_since(page, ".area-head"), "the head is grey")
        wait_until(lambda: stale_since(page, "#book-panel"), "the book is grey")
        wait_until(lambda: stale_since(page, "#chart-panel"), "the chart is grey")
        assert text_of(page, ".last-price").startswith("71,"), "values stay readable"
        expect(page.locator("#announcer")).to_contain_text("Connection lost")
    finally:
        server.start()
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "the stream is back")
    for scope in (".area-head", "#book-panel", "#chart-panel", "#tape-panel"):
        wait_until(lambda scope=scope: not stale_since(page, scope), f"{scope} is fresh")
    wait_until(lambda: text_of(page, ".last-price") != last, "prices move again")
    expect(page.locator("#announcer")).to_contain_text("Connection restored")
    # One trade a flush, each one dearer by one: what was missed meanwhile was read again, once, in order.
    prices = page.evaluate(
        "[...document.querySelectorAll('.tape tbody td:first-child')].map(td => td.innerText)"
    )
    numbers = [int(price.replace(",", "")) for price in prices]
    assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1))


def test_frozen_server_is_noticed_without_a_close(page: Page, feed: Feed, server: Server):
    page.goto("/market/")
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "live")
    server.pause()
    try:
        wait_until(lambda: text_of(page, "#stream-state").startswith("No data,"), "the silence is said")
        wait_until(lambda: stale_since(page, BTC), "the row is grey")
    finally:
        server.resume()
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "the stream is back")
    wait_until(lambda: not stale_since(page, BTC), "fresh again")


def test_gap_in_the_stream_is_noticed_and_healed(page: Page, feed: Feed):
    """A push that a bad network swallowed: the proof by seq fails and the topic is read again."""
    page.add_init_script(
        """const Real = WebSocket;
        window.swallow = 0;
        window.WebSocket = class extends Real {
          addEventListener(kind, listener) {
            if (kind !== "message") return super.addEventListener(kind, listener);
            super.addEventListener(kind, (event) => {
              if (window.swallow > 0 && event.data.includes('"push"') && event.data.includes("BTC")) { window.swallow -= 1; return; }
              listener(event);
            });
          }
        };"""
    )
    page.goto("/status/")
    page.goto("/market/")
    wait_until(lambda: text_of(page, "#stream-state") == "Live", "live")
    page.evaluate(
        "() => { window.swallow = 2; window.asked = 0; "
        "const send = WebSocket.prototype.send; "
        "WebSocket.prototype.send = function (text) { if (text.includes('\"seq\"')) window.asked += 1; return send.call(this, text); } }"
    )
    wait_until(lambda: page.evaluate("window.asked") >= 1, "the topic is asked for from what was seen")
    before = text_of(page, f"{BTC} [data-field=last]")
    wait_until(lambda: text_of(page, f"{BTC} [data-field=last]") != before, "prices go on")


def test_keyboard_finds_filters_walks_and_opens(page: Page, feed: Feed):
    page.goto("/status/")
    page.keyboard.press("/")
    page.wait_for_url("**/market/#find")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("e")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').dataset.symbol") == symbols(page)[1]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/market/hyperliquid-sim/*/")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/market/")


def test_list_of_keys_opens_and_closes(page: Page, feed: Feed):
    page.goto("/market/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_letters_in_a_field_are_letters(page: Page, feed: Feed):
    page.goto("/market/")
    page.locator("#find").click()
    page.keyboard.type("gm/?")
    assert page.url.split("?")[0].endswith("/market/")
    expect(page.locator("#find")).to_have_value("gm/?")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#find")).not_to_be_focused()


def test_skip_link_comes_first(page: Page, feed: Feed):
    page.goto("/market/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"


def test_numbers_are_written_as_on_the_server(page: Page, feed: Feed):
    page.goto("/status/")
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    written = page.evaluate(
        """async (cases) => {
             const { format } = await import("/static/js/format.js");
             return cases.map(c => format(c.value, c.format, c.decimals));
           }""",
        cases,
    )
    assert written == [case["text"] for case in cases]


def test_typed_numbers_are_read_as_on_the_server(page: Page, feed: Feed):
    page.goto("/")
    cases = json.loads(NUMBER_CASES.read_text(encoding="utf-8"))
    read = page.evaluate(
        """async (cases) => {
             const { parseTyped } = await import("/static/js/numbers.js");
             return cases.map(c => parseTyped(c.typed, c.band ? c.band.map(Number) : null));
           }""",
        cases,
    )
    for text, case in zip(read, cases, strict=True):
        expected = None if case["value"] is None else Decimal(case["value"])
        assert (None if text is None else Decimal(text)) == expected, case


def test_page_loads_nothing_from_elsewhere(page: Page, feed: Feed, server: Server):
    elsewhere: list[str] = []
    page.on(
        "request",
        lambda request: request.url.startswith((server.url, "data:")) or elsewhere.append(request.url),
    )
    for path in PAGES:
        page.goto(path)
    page.goto("/market/hyperliquid-sim/BTC/")
    wait_until(lambda: bars(page) >= 500, "the chart is there")
    assert elsewhere == []


def test_api_page_lists_the_endpoints_under_the_same_policy(page: Page, feed: Feed):
    page.goto("/api/docs/")
    for path in ("venues", "instruments", "ticks", "candles", "book", "trades"):
        expect(page.locator(f'[data-path="/api/v1/{path}"]').first).to_be_visible()


def test_page_works_without_scripts(chromium, feed: Feed, server: Server):
    context = chromium.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/market/?sort=name")
    expect(page.locator(BTC)).to_contain_text("71,")
    page.locator('th[data-sort="name"] a').click()
    page.wait_for_url("**sort=-name")
    expect(page.locator("#board tbody tr").first).to_have_attribute("data-symbol", "SOL")
    context.close()
