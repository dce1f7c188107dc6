"""Bots in a real browser: live cards, the question that a stop asks, the wizard with levels on its chart."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bots import services
from bots.models import Bot, BotRun
from tests.bots.test_pages import asked, filled
from tests.browser.test_accounts import sign_in
from tests.browser.test_trading import tell, world
from tests.wallets.factories import TradingEnv

__all__ = ["world"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

WIDTHS = [360, 768, 1440]


@pytest.fixture
def bot(page: Page, world: TradingEnv) -> Bot:
    """dora's bot, which runs and was heard a moment ago; dora is signed in."""
    made = services.bot_create(user=world.user, request=asked(world))
    services.bot_start(user=world.user, bot_id=made.pk)
    stands(made, "running", "")
    sign_in(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return made


def stands(bot: Bot, status: str, reason: str, **changes: Any) -> None:
    """What its supervisor would write."""
    now = timezone.now()
    Bot.objects.filter(pk=bot.pk).update(
        **{"status": status, "reason": reason, "reason_at": now, "heartbeat_at": now, **changes}
    )


def test_card_and_page_follow_a_bot_without_being_loaded_again(page: Page, world: TradingEnv, bot: Bot):
    page.goto("/bots/")
    card = page.locator(f"#bot-{bot.pk}")
    expect(card).to_contain_text("Running")
    expect(page.locator("#stream-state")).to_have_text("Live")
    page.evaluate("window.sameDocument = true")

    stands(bot, "idle", "The trend is too strong.")
    tell(world.user, {"type": "bot", "id": str(bot.pk), "status": "idle"})
    expect(card).to_contain_text("Idle: The trend is too strong.")

    filled(world, bot)
    tell(world.user, {"type": "fill", "symbol": "BTC", "side": "buy", "size": "0.01", "price": "49000"})
    expect(card).to_contain_text("1 fill")
    expect(card).to_contain_text("position 0.01 BTC")

    stands(bot, "idle", "", heartbeat_at=timezone.now() - timedelta(seconds=30))
    tell(world.user, {"type": "bot", "id": str(bot.pk), "status": "idle"})
    expect(card.locator(".heartbeat")).to_have_attribute("data-state", "late")
    assert page.evaluate("window.sameDocument")


def test_a_stop_asks_and_does_what_was_chosen(page: Page, world: TradingEnv, bot: Bot):
    page.goto(f"/bots/{bot.pk}/")
    page.locator(f"#bot-stop-{bot.pk}").click()
    dialog = page.locator("#stop-dialog")
    expect(dialog.locator("#stop-submit")).to_have_text("Stop and cancel 0 orders")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    page.locator(f"#bot-stop-{bot.pk}").click()
    dialog.get_by_text("Cancel and close", exact=True).click()
    expect(dialog.locator("#stop-submit")).to_have_text("Stop, cancel and close")
    dialog.locator("#stop-submit").click()
    expect(page.locator("#main")).to_contain_text("is being stopped")
    bot.refresh_from_db()
    assert (bot.desired, bot.stop_policy) == ("stopped", "cancel_and_close_own")


def test_the_wizard_follows_what_is_typed_and_makes_what_it_showed(page: Page, world: TradingEnv, bot: Bot):
    page.goto("/bots/new/")
    page.locator("#strategy-grid").click()
    for name, value in {"budget": "1000", "in_lower": "70000", "in_upper": "60000", "in_cells": "6"}.items():
        page.locator(f"#id_{name}").fill(value)
    preview = page.locator("#bot-preview")
    expect(preview).to_contain_text("The highest line must be above the lowest.")

    page.locator("#bot-review").click()  # refused: said at its field, and everything typed is there
    expect(page.locator("#id_in_upper")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#id_in_lower")).to_have_value("70000")
    page.locator("#id_in_upper").fill("76000")
    expect(preview.locator("[data-mark='order']").first).to_be_attached()
    expect(preview).to_contain_text("buying power")
    expect(page.locator("[data-chart]")).to_have_attribute("data-lines", str(preview.locator("data").count()))

    page.locator("#bot-review").click()
    page.locator("#bot-create-start").click()
    expect(page.locator("#main")).to_contain_text("is being started")
    made = Bot.objects.get(strategy="grid")
    assert (made.budget, BotRun.objects.filter(bot=made).count()) == (1000, 1)


def test_orders_and_fills_are_drawn_and_an_order_says_why(page: Page, world: TradingEnv, bot: Bot):
    order = filled(world, bot)
    page.goto(f"/bots/{bot.pk}/?tab=orders")
    expect(page.locator("#bot-marks [data-mark='fill']")).to_have_count(1)
    page.locator(f"#why-{order.pk} summary").click()
    expect(page.locator(f"#why-{order.pk}")).to_contain_text("c0de")
    # What is open is not swapped away under the reader.
    with page.expect_response(lambda answer: "/history/" in answer.url):
        tell(world.user, {"type": "order", "id": str(order.pk), "status": "filled"})
    expect(page.locator(f"#why-{order.pk}")).to_contain_text("c0de")


def test_nothing_reaches_past_the_screen(page: Page, world: TradingEnv, bot: Bot):
    filled(world, bot)
    stands(bot, "faulted", "ValueError: the author slipped " * 4, traceback="Traceback\n" + "x" * 300)
    at = f"/bots/{bot.pk}/"
    for address in ("/bots/", at, f"{at}?tab=orders", f"{at}?tab=inputs", "/bots/new/?strategy=as-grid"):
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
