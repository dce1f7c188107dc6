"""From a bare start to a traded account: a person at a browser, the real worker, the simulated venue's own books."""

import json
import re
import urllib.request
from decimal import Decimal

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import FLAGS, chromium_path
from tests.e2e.stack import House, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("house")]

BTC = "/market/simulator/BTC/"
SECONDS = 120
expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="module")
def house(open_folder):
    house = House(open_folder)
    house.start()
    try:
        house.wait_until_ready(240)  # a first start fills the history of 45 markets
        yield house
        house.interrupt()
    finally:
        house.destroy()


@pytest.fixture(scope="module")
def problems():
    return []


@pytest.fixture(scope="module")
def page(house, problems):
    """The demo trader, signed in by the link that the house prints."""
    links = wait_for(lambda: [w for w in house.output().split() if "/accounts/link/#" in w], 120, "the link")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(links[0])
        expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=SECONDS * 1000)
        yield page
        browser.close()


def read(page, path):
    """What our API says to this browser."""
    return page.evaluate("path => fetch(path).then(answer => answer.json())", f"/api/v1/{path}")


def book_of(house, address):
    """What the venue's own books say of an account."""
    port = house.environment["SIMULATOR_CONTROL_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/{address}", timeout=60) as answer:
        return json.load(answer)


def control(house, path, method="POST", **body):
    """Tell the simulator's control plane something."""
    url = f"http://127.0.0.1:{house.environment['SIMULATOR_CONTROL_PORT']}{path}"
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def last(page):
    return Decimal(page.locator(".last-price").inner_text().strip("▲▼ ").replace(",", ""))


def order(page, *, side="Buy", kind="Limit", size, price=None, trigger=None):
    """Fill in the ticket and send it; the id of the order."""
    page.get_by_text(f"{side}, {'long' if side == 'Buy' else 'short'}").click()
    page.locator("#order-ticket .tabs").get_by_text(kind, exact=True).click()
    if price is not None:
        page.locator("#ticket-price").fill(str(price))
    if trigger is not None:
        page.locator("#ticket-trigger").fill(str(trigger))
    page.locator("#ticket-size").fill(size)
    page.locator("#ticket-size").press("Enter")
    result = page.locator("#ticket-result")
    expect(result).to_contain_text(f"{side} {size} BTC")
    expect(page.locator("#ticket-size")).to_have_value("")
    return re.search(r"/orders/([0-9a-f-]{36})/", result.inner_html())[1]


def status_becomes(page, pk, *wanted):
    def look():
        found = read(page, f"orders/{pk}")
        return found if found["status"] in wanted else None

    return wait_for(look, SECONDS, f"{pk} becomes {wanted}")


def test_a_simulated_account_trades_and_its_books_are_the_venues(house, page, problems):
    # --- a wallet of play money, made and approved by the wizard
    page.goto(f"{house.url}/wallets/new/?venue=simulator&way=simulated")
    page.get_by_label("Name it").fill("Journey")
    page.get_by_role("button", name="Open the account").click()
    expect(page.get_by_text("Journey can trade")).to_be_visible(timeout=SECONDS * 1000)
    wallet = next(one for one in read(page, "wallets")["results"] if one["label"] == "Journey")
    wait_for(
        lambda: read(page, f"wallets/{wallet['id']}/balances")["results"], SECONDS, "the opening balance"
    )

    # --- a limit order rests, shows, is cancelled
    page.goto(house.url + BTC)
    page.locator("#ticket-wallet").select_option(label="Journey")
    expect(page.locator("#ticket-free")).to_have_text("10,000.00")
    low = int(last(page) * Decimal("0.97"))
    resting = order(page, size="0.01", price=low)
    status_becomes(page, resting, "open")
    expect(page.locator(f"#order-{resting}")).to_contain_text("Open")
    live = f"orders?live=true&wallet={wallet['id']}"  # the demo bot trades for the same person
    assert [one["id"] for one in read(page, live)["results"]] == [resting]
    assert len(book_of(house, wallet["address"])["open"]) == 1
    page.locator(f"#order-link-{resting}").focus()
    page.keyboard.press("x")
    status_becomes(page, resting, "cancelled")

    # --- bought at the market, a stop beneath it, sold again
    bought = status_becomes(page, order(page, kind="Market", size="0.02"), "filled")
    assert Decimal(bought["filled"]) == Decimal("0.02")
    expect(page.locator("#toasts, #announcer").first).to_be_attached()
    stop = order(page, side="Sell", kind="Stop", size="0.01", trigger=int(last(page) * Decimal("0.96")))
    status_becomes(page, stop, "open")
    sold = status_becomes(page, order(page, side="Sell", kind="Market", size="0.01"), "filled")
    assert sold["average_price"] is not None

    # --- an order that fills in parts
    control(house, "/faults", kind="partial_fills", parts=4, seconds=20)
    parts = status_becomes(page, order(page, size="0.04", price=int(last(page) * Decimal("1.01"))), "filled")
    fills = f"wallets/{wallet['id']}/fills"
    told = [one for one in read(page, fills)["results"] if one["order"] == parts["id"]]
    assert len(told) > 1
    assert sum(Decimal(one["size"]) for one in told) == Decimal("0.04")

    control(house, "/faults", method="DELETE")  # or the stop would get its first part only

    # --- the market falls, the stop fires; an hour's funding is paid
    control(house, "/shock", coin="BTC", percent=-6)
    fired = status_becomes(page, stop, "filled")
    assert Decimal(fired["filled"]) == Decimal("0.01")
    control(house, "/funding")
    kinds = f"wallets/{wallet['id']}/transfers"
    wait_for(
        lambda: [one for one in read(page, kinds)["results"] if one["kind"] == "funding"], 120, "the funding"
    )

    # --- what we say is what the venue says, to the last digit
    def agree():
        book = book_of(house, wallet["address"])
        (held,) = read(page, f"wallets/{wallet['id']}/balances")["results"]
        (position,) = read(page, f"wallets/{wallet['id']}/positions")["results"]
        return (
            Decimal(held["total"]) == Decimal(book["cash"])
            and Decimal(position["size"]) == Decimal(book["positions"]["BTC"]["size"])
            and len(read(page, fills)["results"]) == len(book["fills"])
        )

    wait_for(agree, SECONDS, f"our books agree with the venue's: {book_of(house, wallet['address'])}")
    assert read(page, f"wallets/{wallet['id']}")["residual"] == {}

    # --- and each page tells it
    page.goto(f"{house.url}/orders/{bought['id']}/")
    expect(page.locator(".timeline")).to_contain_text("Filled")
    page.goto(f"{house.url}/wallets/{wallet['id']}/?tab=ledger")
    expect(page.locator("#wallet-books")).to_contain_text("Fill")
    assert [text for text in problems if "htmx:" not in text] == []
