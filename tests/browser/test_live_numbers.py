"""Every number that is the trader's own follows the market and the account, or is greyed out."""

from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from bots.models import Bot
from tests.browser.conftest import Feed, Server, wait_until
from tests.browser.test_bots import bot, filled  # noqa: F401
from tests.browser.test_trading import BTC, row, screen, tell, type_order, world  # noqa: F401
from tests.wallets.factories import TradingEnv
from wallets.models import Order

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


def move(page: Page, numbers: list[Locator]) -> None:
    """Each number changes as the market rises, while no fragment can reload: by the ticks alone."""
    shown = [number.inner_text() for number in numbers]

    def without_reload(request: Route) -> None:
        if request.request.headers.get("hx-request"):
            request.fulfill(status=204)
        else:
            request.fallback()

    page.route("**/*", without_reload)
    for number, text in zip(numbers, shown, strict=True):
        expect(number).not_to_have_text(text)
    page.unroute("**/*", without_reload)


def hold(world: TradingEnv) -> None:  # noqa: F811
    world.tell(world.fill(world.open(size="0.5", price="70900"), "0.5"))


def fields(page: Page, scope: str, *names: str) -> list[Locator]:
    return [page.locator(f'{scope} [data-field="{name}"]').first for name in names]


def test_positions_and_ticket_follow_the_market(screen: Page, world: TradingEnv):  # noqa: F811
    hold(world)
    tell(world.user, {"type": "position", "symbol": "BTC", "size": "0.5"})
    expect(screen.locator("#ticket-position")).to_contain_text("0.5")
    expect(screen.locator("#account-count-positions")).to_have_text("1")
    screen.locator("#account-tab-positions").click()
    numbers = fields(screen, "#account-rows", "mark", "unrealised", "roe")
    expect(numbers[0]).to_be_visible()
    move(screen, [*numbers, screen.locator("#ticket-free"), screen.locator("#ticket-equity")])


def test_the_figures_are_those_of_the_server(screen: Page, world: TradingEnv, feed: Feed):  # noqa: F811
    hold(world)
    feed.stop()
    screen.reload()
    screen.locator("#account-tab-positions").click()
    equity, pnl = screen.locator("#ticket-equity"), screen.locator('#account-rows [data-field="unrealised"]')
    expect(pnl).to_be_visible()
    expect(screen.locator("#stream-state")).to_have_text("Live")
    profit = Decimal(pnl.inner_text().replace(",", "").replace("+", "").replace("\N{MINUS SIGN}", "-"))
    cash = Decimal(equity.get_attribute("data-base") or "")
    assert Decimal(equity.inner_text().replace(",", "")) == (cash + profit).quantize(Decimal("0.01"))


def test_wallet_and_bots_follow_the_market(page: Page, world: TradingEnv, bot: Bot):  # noqa: F811
    filled(world, bot)
    for path, scope, names in (
        ("/wallets/", ".wallet-card", ("total",)),
        (f"/wallets/{world.wallet.pk}/?tab=positions", "#wallet-account", ("mark", "unrealised", "roe")),
        ("/bots/", ".stat-row", ("total",)),
        ("/bots/", ".bot-card", ("total", "unrealised")),
        (f"/bots/{bot.pk}/", "#bot-summary", ("total", "unrealised")),
        (f"/bots/{bot.pk}/", "#bot-run", ("value",)),
    ):
        page.goto(path)
        move(page, fields(page, scope, *names))


def test_the_notice_follows_its_order(screen: Page, world: TradingEnv):  # noqa: F811
    type_order(screen, "0.02")
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    screen.locator("#ticket-size").press("Enter")
    expect(screen.locator("#ticket-result-status")).to_have_text("Pending")
    order = Order.objects.get()
    world.accept(order)
    tell(world.user, {"type": "order", "id": str(order.pk), "status": "open"})
    expect(screen.locator("#ticket-result-status")).to_have_text("Open")
    world.tell(world.fill(world.again(order), "0.02"))
    tell(world.user, {"type": "fill", "order": str(order.pk), "symbol": "BTC", "side": "buy", "price": "70900",
                      "size": "0.02"}, {"type": "order", "id": str(order.pk), "status": "filled"})  # fmt: skip
    expect(screen.locator("#ticket-result-status")).to_have_text("Filled")
    expect(screen.locator("#account-count-orders")).to_have_text("0")


def test_the_slow_answer_is_named_only_while_it_is_awaited(screen: Page, world: TradingEnv):  # noqa: F811
    screen.clock.install()
    type_order(screen, "0.02")
    screen.clock.run_for(1_000)
    expect(screen.locator("#preview-verdict")).to_have_attribute("data-verdict", "fine")
    screen.locator("#ticket-size").press("Enter")
    expect(screen.locator("#ticket-result")).to_be_visible()
    screen.clock.run_for(6_000)
    expect(screen.locator("#ticket-submit")).not_to_contain_text("Waiting")


def test_without_the_stream_every_own_number_is_grey(screen: Page, world: TradingEnv, server: Server):  # noqa: F811
    hold(world)
    tell(world.user, {"type": "position", "symbol": "BTC", "size": "0.5"})
    screen.locator("#account-tab-positions").click()
    expect(screen.locator("#account-rows tbody tr")).to_have_count(1)
    server.pause()
    try:
        for owner in ("#account-rows", "#ticket-facts", "#account-count-orders"):
            expect(screen.locator(owner)).to_have_attribute("data-stale", "true")
    finally:
        server.resume()
    for owner in ("#account-rows", "#ticket-facts"):
        expect(screen.locator(owner)).not_to_have_attribute("data-stale", "true")


def test_without_ticks_the_priced_numbers_are_grey(screen: Page, world: TradingEnv, feed: Feed):  # noqa: F811
    hold(world)
    screen.reload()
    screen.locator("#account-tab-positions").click()
    expect(screen.locator("#account-rows tbody tr")).to_have_count(1)
    feed.stop()
    for owner in ("#account-rows tbody tr", "#ticket-facts dd:has(#ticket-equity)"):
        expect(screen.locator(owner)).to_have_attribute("data-stale", "true")


def test_an_event_during_a_reload_is_not_lost(screen: Page, world: TradingEnv):  # noqa: F811
    order = world.place(size="0.02", price="70900")
    tell(world.user, {"type": "order", "id": str(order.pk), "status": "pending"})
    expect(row(screen, order)).to_be_visible()
    counting = "window.nudges = 0; document.body.addEventListener('me:wallet', () => (window.nudges += 1))"
    screen.evaluate(f"() => {{ {counting} }}")
    screen.evaluate("document.getElementById('account-rows').classList.add('htmx-request')")
    tell(
        world.user,
        {"type": "wallet", "wallet": str(world.wallet.pk), "status": "active"},
        {"type": "alert", "wallet": str(world.wallet.pk), "level": "warn", "text": "Seen"},
    )
    expect(screen.locator("#toasts")).to_contain_text("Seen")
    assert screen.evaluate("new Promise((done) => setTimeout(() => done(window.nudges)))") == 0
    screen.evaluate("document.getElementById('account-rows').classList.remove('htmx-request')")
    wait_until(lambda: screen.evaluate("window.nudges") == 1, "the event that waited")
