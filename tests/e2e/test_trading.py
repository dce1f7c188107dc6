"""End-to-end trading in a browser: real workers, and a comparison with the simulated venue's account."""

import json
import re
import urllib.request
from decimal import Decimal

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import FLAGS, chromium_path
from tests.e2e.stack import wait_for
from tests.simulator.control import control_request

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

BTC = "/market/hyperliquid-sim/BTC/"
SECONDS = 120
expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="module")
def problems():
    return []


@pytest.fixture(scope="module")
def page(stack, problems):
    """Browser page of the demo user, logged in by the link that `make run` prints."""
    links = wait_for(lambda: [w for w in stack.output().split() if "/accounts/link/#" in w], 120, "the link")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(links[0])
        expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=SECONDS * 1000)
        yield page
        browser.close()


def read(page, path):
    """Response of the API to this browser."""
    return page.evaluate("path => fetch(path).then(answer => answer.json())", f"/api/v1/{path}")


def book_of(stack, address):
    """The simulated venue's dump of an account."""
    port = stack.environment["SIMULATOR_CONTROL_PORT"]
    with urllib.request.urlopen(
        control_request(f"http://127.0.0.1:{port}/accounts/{address}"), timeout=60
    ) as response:
        return json.load(response)


def control(stack, path, method="POST", **body):
    """Send a command to the simulator's control plane."""
    url = f"http://127.0.0.1:{stack.environment['SIMULATOR_CONTROL_PORT']}{path}"
    request = control_request(url, json.dumps(body).encode(), method)
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def last(page):
    return Decimal(page.locator(".last-price").inner_text().strip("▲▼ ").replace(",", ""))


def order(page, *, side="Buy", kind="Limit", size, price=None, trigger=None):
    """Fill in the order ticket and submit it; returns the order ID."""
    page.get_by_text(f"{side} / {'Long' if side == 'Buy' else 'Short'}").click()
    page.locator("#order-ticket .tabs").get_by_text(kind, exact=True).click()
    if price is not None:
        page.locator("#ticket-price").fill(str(price))
    if trigger is not None:
        page.locator("#ticket-trigger").fill(str(trigger))
    page.locator("#ticket-size").fill(size)
    page.locator("#ticket-size").press("Enter")
    result = page.locator("#ticket-result")
    expect(result).to_contain_text(f"{side} {'stop ' if kind == 'Stop' else ''}{size} BTC")
    expect(page.locator("#ticket-size")).to_have_value("")
    return re.search(r"/orders/([0-9a-f-]{36})/", result.inner_html())[1]


def status_becomes(page, pk, *expected):
    def poll():
        found = read(page, f"orders/{pk}")
        return found if found["status"] in expected else None

    return wait_for(poll, SECONDS, f"{pk} becomes {expected}")


def test_a_simulated_account_trades_and_agrees_with_the_venue(stack, page, problems):
    # --- a simulated wallet, created by the wizard
    page.goto(f"{stack.url}/wallets/new/?venue=hyperliquid-sim&key_source=simulated")
    page.get_by_label("Wallet name").fill("Journey")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_text("Journey can trade")).to_be_visible(timeout=SECONDS * 1000)
    wallet = next(one for one in read(page, "wallets")["results"] if one["label"] == "Journey")
    wait_for(
        lambda: read(page, f"wallets/{wallet['id']}/balances")["results"], SECONDS, "the opening balance"
    )

    # --- a limit order rests, shows, is cancelled
    page.goto(stack.url + BTC)
    page.locator("#ticket-wallet").select_option(label="Journey")
    expect(page.locator("#ticket-free")).to_have_text("10,000.00")
    low = int(last(page) * Decimal("0.97"))
    resting = order(page, size="0.01", price=low)
    status_becomes(page, resting, "open")
    expect(page.locator(f"#order-{resting}")).to_contain_text("Open")
    live = f"orders?live=true&wallet={wallet['id']}"  # the demo bot trades for the same user
    assert [one["id"] for one in read(page, live)["results"]] == [resting]
    assert len(book_of(stack, wallet["address"])["open"]) == 1
    page.locator(f"#order-link-{resting}").focus()
    page.keyboard.press("x")
    status_becomes(page, resting, "cancelled")

    # --- a market buy, a stop order below it, a market sell
    bought = status_becomes(page, order(page, kind="Market", size="0.02"), "filled")
    assert Decimal(bought["filled_size"]) == Decimal("0.02")
    expect(page.locator("#toasts, #announcer").first).to_be_attached()
    stop = order(page, side="Sell", kind="Stop", size="0.01", trigger=int(last(page) * Decimal("0.96")))
    status_becomes(page, stop, "open")
    sold = status_becomes(page, order(page, side="Sell", kind="Market", size="0.01"), "filled")
    assert sold["average_price"] is not None

    # --- partial fills
    control(stack, "/faults", kind="partial_fills", parts=4, seconds=20)
    parts = status_becomes(page, order(page, size="0.04", price=int(last(page) * Decimal("1.01"))), "filled")
    fills = f"wallets/{wallet['id']}/fills"
    filled = [one for one in read(page, fills)["results"] if one["order"] == parts["id"]]
    assert len(filled) > 1
    assert sum(Decimal(one["size"]) for one in filled) == Decimal("0.04")

    control(stack, "/faults", method="DELETE")  # otherwise only the first part of the stop would fill

    # --- the price falls, the stop triggers, one hour of funding is charged
    control(stack, "/shock", coin="BTC", percent=-6)
    fired = status_becomes(page, stop, "filled")
    assert Decimal(fired["filled_size"]) == Decimal("0.01")
    control(stack, "/funding")
    kinds = f"wallets/{wallet['id']}/ledger-transactions"
    wait_for(
        lambda: [one for one in read(page, kinds)["results"] if one["kind"] == "funding"], 120, "the funding"
    )

    # --- local state equals the venue's, to the last digit
    def agree():
        book = book_of(stack, wallet["address"])
        (held,) = read(page, f"wallets/{wallet['id']}/balances")["results"]
        (position,) = read(page, f"wallets/{wallet['id']}/positions")["results"]
        return (
            Decimal(held["total"]) == Decimal(book["cash"])
            and Decimal(position["size"]) == Decimal(book["positions"]["BTC"]["size"])
            and len(read(page, fills)["results"]) == len(book["fills"])
        )

    wait_for(agree, SECONDS, f"local state agrees with the venue's: {book_of(stack, wallet['address'])}")
    assert read(page, f"wallets/{wallet['id']}")["residual"] == {}

    # --- the pages show it
    page.goto(f"{stack.url}/orders/{bought['id']}/")
    expect(page.locator(".timeline")).to_contain_text("Filled")
    page.goto(f"{stack.url}/wallets/{wallet['id']}/?tab=ledger")
    expect(page.locator("#wallet-account")).to_contain_text("Fill")
    assert [text for text in problems if "htmx:" not in text] == []
