"""The submit button names the order in the fields, or is disabled with the reason, without the server."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Feed
from tests.browser.test_trading import LOW, screen, type_order, world
from tests.wallets.factories import TradingEnv

__all__ = ["screen", "world"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


def without_previews(page: Page) -> None:
    def unanswered(request: Route) -> None:
        request.fulfill(status=204)

    page.route("**/orders/preview/**", unanswered)


def checked(page: Page) -> None:
    type_order(page, "1")
    expect(page.locator("#preview-verdict")).not_to_have_attribute("data-verdict", "open")


def test_the_button_follows_the_fields_at_once(screen: Page, world: TradingEnv):
    checked(screen)
    without_previews(screen)
    button = screen.locator("#ticket-submit")
    screen.locator("#ticket-price").fill("")
    expect(button).to_have_text("Enter a price")
    expect(button).to_be_disabled()
    screen.locator("#ticket-price").fill("abc")
    expect(button).to_have_text("Enter a number as the price")
    expect(button).to_be_disabled()
    expect(screen.locator("#preview-verdict")).not_to_contain_text("passed")
    screen.locator("#ticket-price").fill(LOW)
    expect(button).to_have_text("Buy 1 BTC at 70,900")
    expect(button).to_be_enabled()
    screen.locator("#ticket-size").fill("0")
    expect(button).to_have_text("Enter a positive size")
    expect(button).to_be_disabled()


def test_stale_prices_disable_entries_and_no_verdict_is_shown(screen: Page, world: TradingEnv, feed: Feed):
    type_order(screen, "0.01")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    without_previews(screen)
    feed.stop()
    expect(screen.locator("#ticket-submit")).to_be_disabled()
    expect(screen.locator("#ticket-act")).to_contain_text("Prices are out of date")
    expect(screen.locator("#preview-verdict")).to_have_text("Prices are out of date. Not checked.")
    screen.get_by_label("Reduce-only").check()
    expect(screen.locator("#ticket-submit")).to_be_enabled()
