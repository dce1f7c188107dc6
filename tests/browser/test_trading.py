"""Trading in a real browser: the ticket, the account tables, wallets. The test plays the execution worker."""

import asyncio
import re
import threading
import time
from collections.abc import Generator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher, make_password
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.models import AuthSession, User
from market.hub import user_event_publish
from tests.accounts import browser_client
from tests.browser.conftest import Feed, Watched, wait_until
from tests.browser.test_accounts import EMAIL, PASSWORD, sign_in
from tests.wallets import factories as worlds
from wallets.models import Order, Wallet

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

BTC = "/market/hyperliquid-sim/BTC/"
WIDTHS = [360, 768, 1024, 1280, 1440, 1920]
LOW = "70900"  # rests: the market is above 71,284


@pytest.fixture
def world(page: Page, market: Any, feed: Feed) -> Generator[worlds.TradingEnv]:
    """dora, who can sign in, with 10,000 USDC of play money."""
    user = User(email=EMAIL, password=make_password(PASSWORD, hasher=BCryptSHA256PasswordHasher()))
    user.save()  # the server knows no other hasher
    browser_client.confirm(user)
    wallet = worlds.wallet_make(user, market, label="Play money", equity="10000")
    made = worlds.TradingEnv(user, market, wallet, worlds.claim_make(wallet), now=int(time.time() * 1000))
    made.deposit("10000", ref="first")
    yield made
    page.goto("about:blank")  # pages read themselves again: none may, while the tables are emptied


@pytest.fixture
def screen(page: Page, world: worlds.TradingEnv) -> Page:
    """dora at the trading screen, the ticket loaded."""
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto(BTC)
    expect(page.locator("form#order-ticket")).to_be_visible()
    expect(page.locator("#stream-state")).to_have_text("Live")
    return page


def tell(user: User, *events: dict[str, Any]) -> None:
    """What execution says after a commit. In a thread, as Playwright's loop runs in this one."""

    async def publish() -> None:
        for event in events:
            await user_event_publish(str(user.pk), event)

    thread = threading.Thread(target=lambda: asyncio.run(publish()))
    thread.start()
    thread.join(timeout=60)


def type_order(page: Page, size: str, price: str = LOW) -> None:
    page.locator("#ticket-price").fill(price)
    page.locator("#ticket-size").fill(size)


def row(page: Page, order: Order) -> Any:
    return page.locator(f"#account-rows #order-{order.pk}")


def test_an_order_from_the_keyboard_to_a_partial_fill_and_its_cancel(screen: Page, world: worlds.TradingEnv):
    screen.locator("#main").focus()
    screen.keyboard.press("b")
    expect(screen.locator("#ticket-size")).to_be_focused()
    screen.locator("#ticket-price").fill(LOW)
    screen.locator("#ticket-size").fill("0.02")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    expect(screen.locator("#ticket-act")).to_have_text("Buy 0.02 BTC at 70,900")
    screen.locator("#ticket-size").press("Enter")
    expect(screen.locator("#ticket-result")).to_contain_text("Buy 0.02 BTC at 70,900")
    expect(screen.locator("#ticket-size")).to_have_value("")
    order = Order.objects.get()
    expect(row(screen, order)).to_contain_text("Pending")

    world.accept(order)
    tell(world.user, {"type": "order", "id": str(order.pk), "status": "open"})
    expect(row(screen, order)).to_contain_text("Open")

    order = world.again(order)
    world.tell(world.fill(order, "0.01", fee=Decimal("0.1063")))
    tell(
        world.user,
        {"type": "fill", "order": str(order.pk), "symbol": "BTC", "side": "buy", "price": "70900",
         "size": "0.01", "fee": "0.1063", "fee_asset": "USDC"},
        {"type": "order", "id": str(order.pk), "status": "partially_filled"},
        {"type": "position", "symbol": "BTC", "size": "0.01"},
    )  # fmt: skip
    expect(row(screen, order)).to_contain_text("0.01 / 0.02")
    expect(screen.locator("#toasts")).to_contain_text("Filled: BTC buy 0.01 at 70900")
    expect(screen.locator("#account-count-positions")).to_have_text("1")

    screen.locator(f"#order-link-{order.pk}").focus()
    screen.keyboard.press("x")
    expect(row(screen, order)).to_contain_text("cancel requested")
    assert world.again(order).cancel_requested_at is not None


def test_a_double_click_is_one_order(screen: Page, world: worlds.TradingEnv):
    type_order(screen, "0.01")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    screen.locator("#ticket-submit").dblclick()
    expect(screen.locator("#ticket-result")).to_be_visible()
    assert Order.objects.count() == 1


def test_a_denial_is_seen_before_and_after_sending(screen: Page, world: worlds.TradingEnv):
    type_order(screen, "4")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "denied")
    expect(screen.locator("#ticket-submit")).to_be_disabled()
    type_order(screen, "0.01")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    expect(screen.locator("#ticket-submit")).to_be_enabled()

    def lower(sending: Route) -> None:
        """While the order is on its way: no sooner, or the next preview would say so and hold it back."""
        Wallet.objects.update(max_order_notional=100)
        sending.continue_()

    screen.route("**/orders/place/**", lower)
    screen.locator("#ticket-size").press("Enter")  # judged again, by the order itself
    expect(screen.locator("#ticket-denied")).to_contain_text("above the max order value")
    expect(screen.locator("#ticket-size")).to_have_value("0.01")
    assert Order.objects.get().status == "denied"


def test_a_number_with_two_readings_is_asked_back_and_a_plausible_price_is_read(
    screen: Page, world: worlds.TradingEnv
):
    type_order(screen, "1,234", "71,283")
    expect(screen.locator("#ticket-act")).to_have_text("Enter 1234 or 1.234 as the size")
    expect(screen.locator("#ticket-submit")).to_be_disabled()
    type_order(screen, "0.01", "1,234")  # neither 1,234 nor 1.234 is near the market
    expect(screen.locator("#ticket-act")).to_have_text("Enter 1234 or 1.234 as the price")
    screen.locator("#ticket-size").press("Enter")
    expect(screen.locator("#ticket-submit")).to_be_disabled()
    assert not Order.objects.exists()
    type_order(screen, "0.01", "70,900")
    expect(screen.locator("#ticket-act")).to_have_text("Buy 0.01 BTC at 70,900")


def test_prices_step_by_ticks_and_come_from_the_ladder(screen: Page, world: worlds.TradingEnv):
    price = screen.locator("#ticket-price")
    price.fill("70,900")
    price.press("ArrowUp")
    expect(price).to_have_value("70901")
    price.press("Shift+ArrowDown")
    expect(price).to_have_value("70891")
    screen.locator('.ladder [data-side="bid"] tr').first.click()
    expect(price).to_have_value(re.compile(r"^71\d{3}$"))


def test_a_stop_shows_the_fields_it_needs(screen: Page, world: worlds.TradingEnv):
    world.tell(world.fill(world.open(size="0.01", price="70900"), "0.01"))
    screen.get_by_text("Stop", exact=True).click()
    expect(screen.locator("#ticket-trigger")).to_be_visible()
    expect(screen.locator("#ticket-price")).to_be_hidden()
    screen.get_by_text("Sell / Short").click()
    screen.locator("#ticket-trigger").fill("70,000.0")
    screen.locator("#ticket-size").fill("0.01")
    expect(screen.locator("#ticket-act")).to_have_text("Sell stop 0.01 BTC, trigger 70,000")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    screen.locator("#ticket-size").press("Enter")
    expect(screen.locator("#ticket-result")).to_be_visible()
    stop = Order.objects.get(kind="stop_market")
    assert (stop.trigger_price, stop.reduce_only, stop.side) == (70_000, True, "sell")


def test_the_share_slider_fills_in_a_size(screen: Page, world: worlds.TradingEnv):
    screen.locator(".slider").fill("50")
    expect(screen.locator("#ticket-size")).to_have_value(re.compile(r"^[01]\.\d+$"))
    expect(screen.locator("#preview-verdict")).not_to_have_attribute("data-verdict", "open")


def test_own_orders_are_marked_on_the_ladder(screen: Page, world: worlds.TradingEnv, feed: Feed):
    feed.stop()  # the ladder stands still, so that the level does not leave it
    bids = screen.locator('.ladder [data-side="bid"] tr')
    shown = bids.nth(3).locator("td").first.inner_text()
    level = bids.filter(has=screen.get_by_text(shown, exact=True))  # a last push may still move it
    order = world.open(size="0.01", price=shown.replace(",", ""))
    tell(world.user, {"type": "order", "id": str(order.pk), "status": "open"})
    expect(row(screen, order)).to_be_visible()
    expect(level).to_have_attribute("data-own", "")
    expect(screen.locator(".ladder tr[data-own]")).to_have_count(1)


def test_a_row_is_changed_in_place_and_waits_while_it_is_edited(screen: Page, world: worlds.TradingEnv):
    order = world.open(size="0.01", price="70900")
    tell(world.user, {"type": "order", "id": str(order.pk), "status": "open"})
    row(screen, order).get_by_role("button", name="Modify").click()
    screen.locator(f"#change-price-{order.pk}").fill("70800")
    tell(world.user, {"type": "balance", "wallet": str(world.wallet.pk)})
    other = world.open(size="0.01", price="70700")
    tell(world.user, {"type": "order", "id": str(other.pk), "status": "open"})
    expect(screen.locator(f"#change-price-{order.pk}")).to_have_value("70800")
    screen.locator(f"#change-price-{order.pk}").press("Enter")
    wait_until(lambda: Order.objects.filter(replaces=order).exists(), "the order is replaced")
    expect(row(screen, Order.objects.get(replaces=order))).to_contain_text("70,800")


def test_every_order_is_cancelled_after_a_question(screen: Page, world: worlds.TradingEnv):
    for price in ("70900", "70800"):
        world.place(size="0.01", price=price)
    screen.reload()
    screen.get_by_role("button", name="Cancel all (2)…").click()
    dialog = screen.locator("#order-dialog")
    expect(dialog).to_contain_text("Buy 0.01 BTC at 70,900")
    assert set(Order.objects.values_list("status", flat=True)) == {"pending"}
    dialog.get_by_role("button", name="Cancel 2 orders").click()
    expect(dialog).not_to_be_visible()
    expect(screen.locator("#toasts")).to_contain_text("Cancelling 2 orders")
    expect(screen.locator("#account-rows")).to_contain_text("No open orders")
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}


def test_a_halt_is_on_the_ticket(page: Page, world: worlds.TradingEnv):
    Wallet.objects.update(trading_state="halted", trading_reason="drill")
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto(BTC)
    expect(page.locator("#order-ticket")).to_contain_text("Trading is halted")
    expect(page.locator("#ticket-submit")).to_be_disabled()


def test_a_visitor_sees_the_way_in(page: Page, feed: Feed):
    page.goto(BTC)
    page.locator("#order-ticket").get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next=/market/hyperliquid-sim/BTC/"))


def test_a_wallet_is_added_approved_and_limited(page: Page, world: worlds.TradingEnv):
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    AuthSession.objects.update(step_up_at=timezone.now())
    page.goto("/wallets/")
    page.get_by_role("link", name="Add wallet").click()
    page.get_by_text("Create a key here").click()
    page.get_by_role("button", name="Continue with Simulator").click()
    page.get_by_label("Wallet name").fill("Second")
    page.get_by_label("Account address").fill("0x1")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#form-errors")).to_contain_text("40 hexadecimal digits")
    page.get_by_label("Account address").fill("0x" + "ab" * 20)
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#wallet-check")).to_contain_text("Generating the API wallet key")
    second = Wallet.objects.filter(label="Second")
    second.update(status="approval_pending", signer_address="0x" + "cd" * 20)
    expect(page.locator("#signer-address")).to_have_text("0x" + "cd" * 20)  # it reads itself again
    second.update(status="active")
    page.get_by_role("link", name="Set limits").click()
    page.get_by_label(re.compile("Max order value")).fill("1000")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_text("The limits are set.")).to_be_visible()
    assert second.get().max_order_notional == 1000


def test_a_key_that_ends_soon_and_books_that_differ_are_seen(page: Page, world: worlds.TradingEnv):
    Wallet.objects.update(signer_expires_at=timezone.now() + timedelta(days=6), residual={"perp:USDC": "1.5"})
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto("/wallets/")
    card = page.locator(f"#wallet-{world.wallet.pk}")
    expect(card).to_contain_text("Key expires soon")
    expect(card).to_contain_text("Balance mismatch with the exchange")
    Wallet.objects.update(residual={})
    expect(page.locator("#stream-state")).to_have_text("Live")
    tell(world.user, {"type": "wallet", "wallet": str(world.wallet.pk), "status": "active"})
    expect(card).not_to_contain_text("mismatch")


def test_pages_fit_every_width(watched: Watched, screen: Page, world: worlds.TradingEnv):
    order = world.open(size="0.02", price="70900")
    world.tell(world.fill(order, "0.01"))
    wallet = f"/wallets/{world.wallet.pk}/"
    AuthSession.objects.update(step_up_at=timezone.now())
    paths = [
        BTC, "/orders/", f"/orders/{order.pk}/", "/wallets/", wallet, f"{wallet}?tab=ledger", f"{wallet}limits/",
        "/wallets/new/", "/wallets/new/?venue=hyperliquid-sim&key_source=paste",
    ]  # fmt: skip
    wide = []
    for path in paths:
        screen.goto(path)
        if path == BTC:
            expect(screen.locator(f"#order-{order.pk}")).to_be_attached()
        for width in WIDTHS:
            screen.set_viewport_size({"width": width, "height": 900})
            over = screen.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if over > 0:
                wide.append((path, width, over))
    assert wide == []


def test_the_mid_price_is_between_bid_and_ask_and_the_button_takes_the_tick_beside_it(
    screen: Page, world: worlds.TradingEnv, feed: Feed
):
    feed.stop()
    screen.reload()
    expect(screen.locator("form#order-ticket")).to_be_visible()
    ladder = screen.locator(".ladder")

    def price(text: str) -> Decimal:
        return Decimal(text.replace(",", ""))

    bid = price(ladder.locator('[data-side="bid"] tr').first.locator("td").first.inner_text())
    ask = price(ladder.locator('[data-side="ask"] tr').last.locator("td").first.inner_text())
    mid = price(re.sub(r"[^0-9.,]", "", ladder.locator('[data-part="mid"]').inner_text()))
    assert mid == (bid + ask) / 2
    for label, allowed in (("Buy / Long", (bid, mid)), ("Sell / Short", (mid, ask))):
        screen.get_by_text(label).click()
        screen.get_by_role("button", name="Mid", exact=True).click()
        assert allowed[0] <= price(screen.locator("#ticket-price").input_value()) <= allowed[1]


def test_a_chart_that_is_scrolled_back_leads_to_now(screen: Page, world: worlds.TradingEnv):
    chart = screen.locator("[data-chart]")
    expect(chart).to_have_attribute("data-bars", re.compile(r"\d{3,}"))
    expect(screen.locator("#chart-now")).to_be_hidden()
    box = chart.bounding_box()
    assert box
    screen.mouse.move(box["x"] + 100, box["y"] + 100)
    screen.mouse.down()
    screen.mouse.move(box["x"] + 500, box["y"] + 100, steps=5)
    screen.mouse.up()
    screen.locator("#chart-now").click()
    expect(screen.locator("#chart-now")).to_be_hidden()
