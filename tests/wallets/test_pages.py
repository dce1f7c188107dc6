"""Pages of orders and wallets, and the private fragments of the trading page, as a browser gets them."""

import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuthSession
from accounts.services import SID
from tests.test_design import Reader
from tests.wallets import factories as worlds
from wallets.forms import TicketForm
from wallets.models import LedgerEntry, Order, Wallet

BTC = "hyperliquid-sim/BTC/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(world):
    """alice's browser, authenticated just now."""
    client = Client()
    client.force_login(world.user)
    AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=timezone.now())
    return client


def stale(client):
    """Make the authentication of the session too old."""
    long_ago = timezone.now() - timedelta(hours=1)
    AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=long_ago)


def ticket(world, **changes):
    fields = {
        "client_id": str(uuid4()), "wallet": str(world.wallet.pk), "side": "buy", "kind": "limit",
        "price": "49,000.0", "size": "0.01", "slippage": "0.5",
    }  # fmt: skip
    return {**fields, **changes}


def place(page, sent):
    return page.post(f"/orders/place/{BTC}", sent, headers=HTMX)


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- figures as people write them ---------------------------------------------------------------------
# --- the ticket ---------------------------------------------------------------------------------------
def test_each_ticket_has_an_id_of_its_own(page):
    ids = {
        re.search(
            r'name="client_id"[^>]*value="([^"]+)"', page.get(f"/orders/ticket/{BTC}").content.decode()
        )[1]
        for _ in range(2)
    }
    assert len(ids) == 2


def test_a_double_click_is_one_order(world, page):
    sent = ticket(world)
    first, again = (place(page, sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert Order.objects.count() == 1


def test_a_placed_order_leaves_a_fresh_ticket_that_keeps_the_price_and_not_the_size(world, page):
    sent = ticket(world)
    content = place(page, sent).content.decode()
    assert sent["client_id"] not in content
    assert 'value="49,000.0"' in content
    assert re.search(r'name="size"[^>]*value=""', content)
    order = Order.objects.get()
    assert (order.price, order.size, order.origin) == (Decimal(49_000), Decimal("0.01"), "page")
    assert f"/orders/{order.pk}/" in content


def test_a_placed_order_tells_the_tables_to_read_themselves_again(world, page):
    assert "me:order" in place(page, ticket(world))["HX-Trigger"]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("size", {"size": ""}), ("size", {"size": "0"}), ("size", {"size": "-1"}), ("size", {"size": "NaN"}),
        ("size", {"size": "1" + "0" * 30}), ("price", {"price": ""}), ("price", {"price": "1,234"}),
        ("trigger", {"kind": "stop", "trigger_price": ""}),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(world, page, field, changes):
    sent = ticket(world, **changes)
    response = place(page, sent)
    content = response.content.decode()
    assert response.status_code == 422
    assert f'id="ticket-{field}-error"' in content
    assert re.search(rf'id="ticket-{field}"[^>]*aria-invalid="true"', content)
    assert sent["client_id"] in content  # nothing was stored: the same id may be used again
    assert f'value="{sent["price"]}"' in content
    assert Order.objects.count() == 0


def test_a_denial_says_why_and_takes_a_new_id(world, page):
    before = LedgerEntry.objects.count()
    sent = ticket(world, size="4")
    response = place(page, sent)
    content = response.content.decode()
    assert response.status_code == 422
    assert "order_limit" in content
    assert sent["client_id"] not in content
    assert Order.objects.get().status == "denied"
    assert LedgerEntry.objects.count() == before


def test_a_stop_reduces_and_needs_no_price(world):
    form = TicketForm(ticket(world, kind="stop", side="sell", price="", trigger_price="45000"))
    assert form.is_valid(), form.errors
    fields = form.request(venue="hyperliquid-sim", symbol="BTC")
    assert (fields.kind, fields.reduce_only, fields.price, fields.trigger_price) == (
        "stop_market",
        True,
        None,
        Decimal(45_000),
    )


def test_kinds_of_the_ticket_are_kinds_of_orders(world):
    for kind, with_limit, wanted, tif in (
        ("limit", "", "limit", "alo"), ("market", "", "market", "gtc"), ("stop", "on", "stop_limit", "gtc"),
        ("take", "", "take_profit_market", "gtc"), ("take", "on", "take_profit_limit", "gtc"),
    ):  # fmt: skip
        form = TicketForm(
            ticket(world, kind=kind, with_limit=with_limit, trigger_price="45000", post_only="on")
        )
        assert form.is_valid(), form.errors
        fields = form.request(venue="hyperliquid-sim", symbol="BTC")
        assert (fields.kind, fields.tif) == (wanted, tif)


def test_a_visitor_is_shown_the_way_in(world):
    response = Client().get(f"/orders/ticket/{BTC}")
    assert response.status_code == 200
    assert "/accounts/login/?next=/market/hyperliquid-sim/BTC/" in response.content.decode()


def test_without_a_wallet_the_ticket_leads_to_the_wizard(world, bob):
    client = Client()
    client.force_login(bob)
    assert "/wallets/new/?venue=hyperliquid-sim" in client.get(f"/orders/ticket/{BTC}").content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "expired"}, "API wallet key expired"),
        ({"status": "checking"}, "Wallet not ready to trade"),
        ({"trading_state": "halted"}, "Trading is halted"),
        ({"trading_state": "reducing"}, "Reduce-only mode"),
    ],
)
def test_the_ticket_says_what_keeps_it_from_trading(world, page, changes, words):
    Wallet.objects.filter(pk=world.wallet.pk).update(**changes)
    assert words in text_of(page.get(f"/orders/ticket/{BTC}"))


def test_a_preview_names_the_worst_price_and_writes_nothing(world, page):
    response = page.get(f"/orders/preview/{BTC}", ticket(world, kind="market", price=""))
    text = text_of(response)
    assert "Risk check passed" in text
    assert re.search(r"Worst fill price 50,2\d\d", text)
    assert 'data-act="Buy 0.01 BTC at market"' in response.content.decode()
    assert (Order.objects.count(), world.held("reserved")) == (0, 0)


def test_a_preview_denies_as_an_order_would(world, page):
    sent = ticket(world, size="4")
    text = text_of(page.get(f"/orders/preview/{BTC}", sent))
    place(page, sent)
    assert Order.objects.get().message in text


def test_a_preview_of_half_a_ticket_says_what_is_missing(world, page):
    assert "Enter a size" in text_of(page.get(f"/orders/preview/{BTC}", ticket(world, size="")))


def test_the_share_slider_divides_what_is_free(world, page):
    sent = {"wallet": str(world.wallet.pk), "side": "buy", "price": "50000", "share": "50"}
    content = page.get(f"/orders/share/{BTC}", sent).content.decode()
    size = Decimal(re.search(r'value="([^"]+)"', content)[1])
    whole = Decimal(10_000) / (Decimal(50_000) / 20 + 50_000 * Decimal("0.00045"))
    assert whole / 2 - Decimal("0.00001") < size <= whole / 2


def test_the_whole_share_is_what_funds_allow_and_no_more(world, page):
    """Also with an open position and its margin."""
    world.tell(world.fill(world.open(size="0.05", price="50000")))
    most = Decimal(10) ** 9
    Wallet.objects.update(
        max_order_notional=most, max_daily_notional=most, max_position_notional=most, max_leverage=100
    )
    sent = ticket(world, price="50000")
    content = page.get(f"/orders/share/{BTC}", {**sent, "share": "100"}).content.decode()
    whole = Decimal(re.search(r'value="([^"]+)"', content)[1])
    for size, verdict in ((whole, "Risk check passed"), (whole + Decimal("0.001"), "are needed")):
        assert verdict in text_of(page.get(f"/orders/preview/{BTC}", {**sent, "size": str(size)})), size


# --- the tables ---------------------------------------------------------------------------------------
def test_the_account_tables_show_open_orders_and_mark_their_prices(world, page):
    order = world.open()
    content = page.get(f"/orders/tables/{BTC}").content.decode()
    assert f'id="order-{order.pk}"' in content
    assert 'data-own-prices="49000' in content


@pytest.mark.parametrize("tab", ["orders", "positions", "fills", "balances"])
def test_every_account_table_shows_its_rows_or_that_it_is_empty(world, bob, page, tab):
    client = Client()
    client.force_login(bob)
    assert 'class="empty"' in client.get(f"/orders/tables/{BTC}?tab={tab}").content.decode()
    order = world.open(size="0.02")
    world.tell(world.fill(order, "0.01"))
    assert "<tbody>" in page.get(f"/orders/tables/{BTC}?tab={tab}").content.decode()


def test_an_order_is_cancelled_from_its_row(world, page):
    order = world.place()
    response = page.post(f"/orders/{order.pk}/cancel/", headers=HTMX)
    assert "Cancelled" in text_of(response)
    assert world.held("reserved") == 0


def test_cancelling_what_has_ended_says_so(world, page):
    order = world.cancel(world.place())
    response = page.post(f"/orders/{order.pk}/cancel/", headers=HTMX)
    assert response.status_code == 409
    assert "already cancelled" in response["HX-Trigger"]


def test_an_order_is_changed_in_its_row(world, page):
    order = world.open()
    form = page.get(f"/orders/{order.pk}/change/").content.decode()
    mark = re.search(r'name="client_id" value="([^"]+)"', form)[1]
    sent = {"client_id": mark, "price": "48000", "size": "0.01"}
    response = page.post(f"/orders/{order.pk}/change/", sent, headers=HTMX)
    assert response.status_code == 200, text_of(response)
    assert Order.objects.get(replaces=order).price == 48_000


def test_a_change_that_is_denied_stays_open_with_the_reason(world, page):
    order = world.open()
    sent = {"client_id": str(uuid4()), "price": "48000.123", "size": "0.01"}
    response = page.post(f"/orders/{order.pk}/change/", sent, headers=HTMX)
    assert response.status_code == 422
    assert "not a valid price" in text_of(response)


def test_cancel_all_keeps_to_what_was_named(world, page):
    world.place()
    page.post("/orders/cancel/", {"symbol": "HYPE/USDC"}, headers=HTMX)
    assert Order.objects.get().status == "pending"
    assert page.post("/orders/cancel/", {"symbol": "BTC"}, headers=HTMX).status_code == 204
    assert Order.objects.get().status == "cancelled"


# --- pages --------------------------------------------------------------------------------------------
def test_orders_are_filtered_sorted_and_told(world, page):
    first, second = world.place(), world.place(price="48000")
    world.cancel(first)
    assert f"order-{first.pk}" not in page.get("/orders/?status=live").content.decode()
    content = page.get("/orders/?sort=created_at").content.decode()
    assert content.index(str(first.pk)) < content.index(str(second.pk))
    assert "No orders" in page.get("/orders/?symbol=NOPE").content.decode()


def test_nonsense_in_a_query_breaks_no_link(page):
    assert page.get("/orders/?wallet=mine&sort=size&status=all&page=x").status_code == 200
    assert page.get("/orders/", {"wallet": str(uuid4())}).status_code == 200


def test_the_page_of_an_order_tells_its_story(world, page):
    order = world.open(size="0.02")
    world.tell(world.fill(order, "0.01", fee=Decimal("0.2")))
    text = text_of(page.get(f"/orders/{order.pk}/"))
    for words in (
        "Created",
        "nonce",
        "Accepted by the exchange",
        "0.01 at 49,000, fee 0.2 USDC, maker",
        "reserve",
        "fill",
    ):
        assert words in text, words


def test_wallets_show_state_key_hint_and_limits_but_no_key(world, page):
    Wallet.objects.filter(pk=world.wallet.pk).update(
        signer_expires_at=timezone.now() + timedelta(days=6), residual={"perp:USDC": "1.5"}, equity="10000"
    )
    response = page.get("/wallets/")
    text = text_of(response)
    for words in (
        "Key expires soon",
        "in 5 d",
        "Balance mismatch with the exchange",
        "perp:USDC +1.5",
        "10,000.00",
    ):
        assert words in text, words
    assert "0xa000…0001" in text


def test_without_wallets_the_page_says_what_to_do(bob, db):
    client = Client()
    client.force_login(bob)
    assert "Add first wallet" in client.get("/wallets/").content.decode()


@pytest.mark.parametrize("tab", ["balances", "positions", "orders", "fills", "ledger"])
def test_the_account_data_of_a_wallet(world, page, tab):
    order = world.open(size="0.02")
    world.tell(world.fill(order, "0.01"))
    content = page.get(f"/wallets/{world.wallet.pk}/?tab={tab}").content.decode()
    assert content.count("<tr") > 1
    assert page.get(f"/wallets/{world.wallet.pk}/account/?tab={tab}").status_code == 200


def test_a_wallet_is_halted_at_once_and_resumed_after_a_proof(world, page):
    stale(page)
    page.post(f"/wallets/{world.wallet.pk}/state/", {"state": "halted", "reason": "drill"})
    assert Wallet.objects.get().trading_state == "halted"
    response = page.post(f"/wallets/{world.wallet.pk}/state/", {"state": "active"})
    assert response.headers["Location"].startswith("/account/step-up/")
    assert Wallet.objects.get().trading_state == "halted"
    AuthSession.objects.filter(sid=page.session[SID]).update(step_up_at=timezone.now())
    page.post(f"/wallets/{world.wallet.pk}/state/", {"state": "active"})
    assert Wallet.objects.get().trading_state == "active"


def test_a_wallet_that_an_administrator_stopped_says_so_and_stays(world, page):
    Wallet.objects.update(trading_state="halted", halted_by_admin=True, trading_reason="an audit")
    path = f"/wallets/{world.wallet.pk}/"
    shown = page.get(path).content.decode()
    assert "Only an administrator can resume trading." in shown
    assert "Resume trading</button>" not in shown
    answer = page.post(f"{path}state/", {"state": "active"}, follow=True)
    assert "An administrator halted this wallet" in answer.content.decode()
    assert Wallet.objects.get().trading_state == "halted"


@pytest.mark.parametrize("path", ["limits/", "key/", "archive/"])
def test_what_is_dangerous_wants_a_fresh_proof(world, page, path):
    url = f"/wallets/{world.wallet.pk}/{path}"
    assert page.get(url).status_code == 200
    stale(page)
    assert page.get(url).headers["Location"].startswith("/account/step-up/")


def test_limits_are_set_and_refused_in_words(world, page):
    url = f"/wallets/{world.wallet.pk}/limits/"
    refused = page.post(url, {"max_order_notional": "-5"})
    assert refused.status_code == 422
    assert "greater than 0" in text_of(refused)
    page.post(url, {"max_order_notional": "1000.5", "max_leverage": "3"})
    wallet = Wallet.objects.get()
    assert (wallet.max_order_notional, wallet.max_leverage, wallet.max_daily_notional) == (
        Decimal("1000.5"),
        3,
        None,
    )


def test_a_wallet_with_live_orders_is_not_archived(world, page):
    order = world.place()
    url = f"/wallets/{world.wallet.pk}/archive/"
    assert page.post(url).status_code == 422
    world.cancel(order)
    page.post(url)
    assert Wallet.objects.get().status == "archived"


# --- the wizard ---------------------------------------------------------------------------------------
def test_the_wizard_offers_every_venue_and_every_way(page):
    content = page.get("/wallets/new/").content.decode()
    for way in ("simulated", "make", "paste"):
        assert f'value="{way}"' in content


def test_a_key_of_real_money_wants_a_proof_before_anything_is_typed(page):
    stale(page)
    assert "step-up" in page.get("/wallets/new/?venue=hyperliquid-sim&key_source=paste").headers["Location"]
    assert page.get("/wallets/new/?venue=hyperliquid-sim&key_source=simulated").status_code == 200


def test_a_refused_key_is_not_written_back(world, page):
    sent = {
        "client_id": str(uuid4()),
        "venue": "hyperliquid-sim",
        "key_source": "paste",
        "label": "x",
        "address": "0x" + "ab" * 20,
        "key": "feedfacecafebeef",
    }
    response = page.post("/wallets/new/", sent)
    assert response.status_code == 422
    assert "feedface" not in response.content.decode()
    assert 'value="0x' + "ab" * 20 in response.content.decode()


def test_a_key_made_here_is_waited_for_and_then_to_be_approved(world, page):
    sent = {
        "client_id": str(uuid4()),
        "venue": "hyperliquid-sim",
        "key_source": "make",
        "label": "x",
        "address": "0x" + "ab" * 20,
    }
    check = page.post("/wallets/new/", sent).headers["Location"]
    assert "Generating the API wallet key" in text_of(page.get(check))
    Wallet.objects.filter(label="x").update(status="approval_pending", signer_address="0x" + "cd" * 20)
    content = page.get(check).content.decode()
    assert "0x" + "cd" * 20 in content
    assert 'hx-trigger="every 2s' in content
    Wallet.objects.filter(label="x").update(status="rejected", status_reason="It may withdraw.")
    content = page.get(check).content.decode()
    assert "It may withdraw." in content
    assert "every 2s" not in content
    Wallet.objects.filter(label="x").update(status="active")
    assert "Set limits" in page.get(check).content.decode()


def test_what_is_not_yours_is_not_there(world, bob):
    client = Client()
    client.force_login(bob)
    order = world.place()
    for path in (f"/wallets/{world.wallet.pk}/", f"/wallets/{world.wallet.pk}/card/", f"/orders/{order.pk}/"):
        assert client.get(path).status_code == 404
    assert client.post(f"/orders/{order.pk}/cancel/").status_code == 404


# --- markup -------------------------------------------------------------------------------------------
@pytest.fixture
def busy(world):
    """Something of everything: open and filled orders, a position, a wallet that waits."""
    order = world.open(size="0.02")
    world.tell(world.fill(order, "0.01"))
    world.place(side="sell", price="52000")
    worlds.wallet_make(world.user, world.venue, 2, label="two")
    Wallet.objects.filter(label="two").update(status="approval_pending")
    return world


def addresses(busy):
    order, wallet = Order.objects.latest("created_at"), f"/wallets/{busy.wallet.pk}/"
    waiting = Wallet.objects.get(label="two")
    return [
        "/market/hyperliquid-sim/BTC/", f"/orders/ticket/{BTC}", "/orders/ticket/hyperliquid-sim/HYPE/USDC/",
        *(f"/orders/tables/{BTC}?tab={tab}" for tab in ("orders", "positions", "fills", "balances")),
        "/orders/", f"/orders/{order.pk}/", "/wallets/", "/wallets/new/",
        *(f"/wallets/new/?venue=hyperliquid-sim&key_source={way}" for way in ("make", "paste", "simulated")),
        wallet, f"{wallet}?tab=ledger", f"{wallet}?tab=orders", f"{wallet}limits/", f"{wallet}key/",
        f"{wallet}archive/", f"/wallets/{waiting.pk}/check/",
    ]  # fmt: skip


def test_pages_are_sound_html(busy, page):
    """Nothing inline, ids once, every field labelled, every button named: `tests/test_design.py`'s rules."""
    faults = {}
    for path in addresses(busy):
        response = page.get(path)
        assert response.status_code == 200, path
        reader = Reader()
        reader.feed(response.content.decode())
        twice = [name for name, count in reader.ids.items() if count > 1]
        nameless = [
            field
            for field in reader.fields
            if not (field.get("aria-label") or field["wrapped"] or field.get("id") in reader.labelled)
        ]
        if found := [*reader.inline, *twice, *nameless, *reader.nameless]:
            faults[path] = found
    assert faults == {}


def test_the_trading_screen_has_no_id_twice_once_its_parts_are_loaded(busy, page):
    whole, *parts = ("/market/hyperliquid-sim/BTC/", f"/orders/ticket/{BTC}", f"/orders/tables/{BTC}")
    reader = Reader()
    reader.feed(page.get(whole).content.decode())
    placeholders = {"order-ticket", "account-tables"}  # which the parts take the place of
    for part in parts:
        reader.feed(page.get(part).content.decode())
    assert {name for name, count in reader.ids.items() if count > 1} == placeholders
