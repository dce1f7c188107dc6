import os
from decimal import Decimal
from datetime import timedelta
import pytest
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher, make_password
from django.utils import timezone
from accounts.models import User
from tests.accounts import visitor
from tests.wallets import world as worlds
from tests.browser.test_accounts import sign_in
from tests.browser.conftest import wait_until
from market.models import Venue
from wallets.models import Wallet

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def make(market):
    user = User(
        email="dora@example.org",
        password=make_password("plum granite lantern", hasher=BCryptSHA256PasswordHasher()),
    )
    user.save()
    visitor.confirm(user)
    wallet = worlds.wallet_make(
        user,
        market,
        label="Play money",
        equity="10012.34",
        reconciled_at=timezone.now(),
        checked_at=timezone.now(),
        stream="live",
    )
    w = worlds.World(user, market, wallet, worlds.claim_make(wallet))
    w.deposit("10000", ref="first")
    return w


def test_shots(watched, page, feed, market):
    w = make(market)
    a = w.open(size="0.02", price="70900")
    w.tell(w.fill(a, "0.01", price=Decimal("70900"), fee=Decimal("0.1063")))
    b = w.open(size="0.01", price="71290")
    c = w.open(size="0.005", price="72500", side="sell")
    d = w.place(size="3", price="71000") if False else None
    Wallet.objects.create(
        user=w.user,
        venue=market,
        label="Other",
        address="0x" + "77" * 20,
        signer_address="0x" + "88" * 20,
        status="active",
        signer_expires_at=timezone.now() + timedelta(days=6),
        residual={"perp:USDC": "1.5"},
    )
    Wallet.objects.create(
        user=w.user,
        venue=market,
        label="New one",
        address="0x" + "78" * 20,
        signer_address="0x" + "89" * 20,
        status="approval_wanted",
        signer_name="cryptotrade",
    )
    sign_in(page)
    page.wait_for_url("**/market/**") if False else page.wait_for_timeout(300)
    out = "/tmp/shots"
    only = os.environ.get("SHOTS", "").split(",") if os.environ.get("SHOTS") else None
    new = Wallet.objects.get(label="New one")
    paths = {
        "instrument": "/market/simulator/BTC/",
        "orders": "/orders/",
        "order": f"/orders/{a.pk}/",
        "wallets": "/wallets/",
        "wallet": f"/wallets/{w.wallet.pk}/",
        "ledger": f"/wallets/{w.wallet.pk}/?tab=ledger",
        "choose": "/wallets/new/",
        "new": "/wallets/new/?venue=simulator&way=simulated",
        "check": f"/wallets/{new.pk}/check/",
        "limits": f"/wallets/{w.wallet.pk}/limits/",
    }
    for width, height in ((1440, 900), (360, 800)):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("dark", "light"):
            watched.context.add_cookies([{"name": "theme", "value": theme, "url": page.url}])
            for name, path in paths.items():
                if only and name not in only:
                    continue
                if theme == "light" and name not in ("instrument", "wallets"):
                    continue
                page.goto(path)
                page.wait_for_timeout(900)
                if name == "instrument":
                    page.locator("form#order-ticket").wait_for(state="attached")
                    if width == 1440:
                        page.locator("#ticket-size").fill("0.05")
                        page.wait_for_timeout(800)
                    if width == 360:
                        page.screenshot(path=f"{out}/{name}-{theme}-{width}-chart.png")
                        page.locator(".trade-now button").first.click()
                        page.wait_for_timeout(600)
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                print(name, theme, width, "overflow", over)
                page.screenshot(path=f"{out}/{name}-{theme}-{width}.png", full_page=(name != "instrument"))
    print(watched.problems)
